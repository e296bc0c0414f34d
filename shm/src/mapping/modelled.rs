//! The memory behind a mapping in a model: words whose every order of loads and stores loom goes through.
//!
//! A payload word exists three times over. The *atomic* one, Relaxed, is what a racing copy sees: torn, stale, or
//! whole. The *cell* has no value: it tells loom who borrows and who writes, so that a store into a borrowed slice is
//! a failure although neither side would notice. The *plain* one is what a borrowed slice shows.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use rustix::io::Errno;

use super::{Access, Mapping};
use crate::atomics::{AtomicU64, Ordering};
use crate::store::Store;
use crate::wait_queue::WaitQueue;

const WORD: usize = size_of::<u64>();

/// Another mapping of the same memory is another `Memory` of the same pages.
pub(super) struct Memory(Arc<Page>);

struct Page {
    octets: usize,
    /// By offset; only those that the model uses, because each costs time in every execution.
    words: BTreeMap<usize, Word>,
    plain: Box<[Cell<u64>]>,
    /// Where threads sleep on its words.
    sleepers: WaitQueue,
}

struct Word {
    atomic: AtomicU64,
    borrowed: UnsafeCell<()>,
}

// SAFETY: loom runs the threads of a model as coroutines of one thread of the system; `plain` is never accessed from
// two of those.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Mapping {
    /// Model memory of `octets` octets that are all zero, of which the words at `offsets` may be used.
    pub(crate) fn modelled(octets: usize, offsets: impl IntoIterator<Item = usize>) -> Self {
        let word = |offset| (offset, Word { atomic: AtomicU64::new(0), borrowed: UnsafeCell::new(()) });
        let plain = vec![Cell::new(0); octets.div_ceil(WORD)].into_boxed_slice();
        let page = Page { octets, words: offsets.into_iter().map(word).collect(), plain, sleepers: WaitQueue::new() };
        Self { memory: Memory(Arc::new(page)), access: Access::ReadWrite }
    }

    /// Another mapping of the same memory.
    pub(crate) fn shared(&self, access: Access) -> Self {
        Self { memory: Memory(Arc::clone(&self.memory.0)), access }
    }

    /// As futex(2): sleeps if the word is still as it was `seen`, until all are woken. May end early.
    pub(crate) fn sleep_on(&self, offset: usize, seen: u32) {
        self.memory.0.sleepers.sleep_unless(|| self.load(offset) as u32 != seen);
    }

    /// As futex(2), for all words of this memory.
    pub(crate) fn wake_all(&self) {
        self.memory.0.sleepers.wake();
    }

    /// A mistake, for models to find: a store that comes when [`crate::seed::settle`] is called.
    pub(crate) fn store_late(&self, offset: usize, value: u64) {
        let memory = self.shared(self.access);
        crate::seed::put_off(move || memory.store(offset, value));
    }

    /// A mistake, for models to find: [`Self::raise_release`] that releases nothing.
    pub(crate) fn raise_relaxed(&self, offset: usize, value: u64) {
        self.word(offset).fetch_max(value, Ordering::Relaxed);
    }
}

impl Debug for Memory {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} octets of a model", self.0.octets)
    }
}

impl Memory {
    /// Models know no descriptors.
    pub(super) fn map(_: BorrowedFd<'_>, _: usize, _: Access) -> Result<Self, Errno> {
        Err(Errno::NOSYS)
    }

    pub(super) fn base(&self) -> *const u8 {
        self.0.plain.as_ptr().cast()
    }

    pub(super) fn octets(&self) -> usize {
        self.0.octets
    }

    pub(super) fn protect(&mut self, _: Access) -> Result<(), Errno> {
        Ok(())
    }

    pub(super) fn word(&self, offset: usize) -> &AtomicU64 {
        &self.at(offset).atomic
    }

    /// The address of words that are going to be read in place.
    pub(super) fn range(&self, offset: usize, octets: usize) -> *mut u8 {
        for offset in words(offset, octets) {
            self.at(offset).borrowed.with(|_| ());
        }
        self.0.plain[offset / WORD].as_ptr().cast()
    }

    pub(super) fn copy_out(&self, offset: usize, out: &mut [MaybeUninit<u8>]) {
        for (offset, chunk) in words(offset, out.len()).zip(out.chunks_exact_mut(WORD)) {
            chunk.copy_from_slice(&self.word(offset).load(Ordering::Relaxed).to_ne_bytes().map(MaybeUninit::new));
        }
    }

    /// Models have no caches to go past.
    pub(super) fn copy_in(&self, _: Store, offset: usize, bytes: &[u8]) {
        for (offset, chunk) in words(offset, bytes.len()).zip(bytes.chunks_exact(WORD)) {
            let value = u64::from_ne_bytes(chunk.try_into().expect("eight octets"));
            let word = self.at(offset);
            word.atomic.store(value, Ordering::Relaxed);
            word.borrowed.with_mut(|_| ());
            self.0.plain[offset / WORD].set(value);
        }
    }

    pub(super) fn copy_on(&self, store: Store, offset: usize, bytes: &[u8]) {
        self.copy_in(store, offset, bytes);
    }

    fn at(&self, offset: usize) -> &Word {
        self.0.words.get(&offset).unwrap_or_else(|| panic!("the model has no word at {offset}"))
    }
}

/// The offsets of the words of a range, which must be whole ones.
fn words(offset: usize, octets: usize) -> impl Iterator<Item = usize> {
    assert!(
        offset.is_multiple_of(WORD) && octets.is_multiple_of(WORD),
        "{octets} octets at {offset} are not whole words"
    );
    (offset..offset + octets).step_by(WORD)
}
