//! A shared mapping behind bounds checks: words are atomic, bytes are copied, nothing is borrowed.
//!
//! Offsets come from a checked geometry, never from shared memory; one that is out of range is a bug
//! of ours and asserts. Loads are Relaxed with a fence after them where they must acquire: that is the form
//! that is sound on a read-only mapping (`std::sync::atomic`, "Atomic accesses to read-only memory").

#[cfg(not(loom))]
mod mapped;
#[cfg(loom)]
mod modelled;

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::slice;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;

use crate::atomics::{AtomicU64, Ordering, fence};
use crate::seed::sound;
use crate::store::Store;
#[cfg(not(loom))]
use mapped::Memory;
#[cfg(loom)]
use modelled::Memory;

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Loads only.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
}

/// Why a descriptor could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The file behind the descriptor is smaller than the geometry says: touching the rest would be SIGBUS.
    #[error("the region has {octets} octets where {wanted} are needed")]
    Short {
        /// Octets of the file.
        octets: u64,
        /// Octets that were to be mapped.
        wanted: u64,
    },
    /// Nothing to map, or more than an address space holds.
    #[error("{0} octets cannot be mapped")]
    Size(u64),
    /// The kernel refused.
    #[error("mapping failed: {0}")]
    Kernel(#[from] Errno),
}

/// Shared memory of this process; unmapped when dropped (a system call: never on a worker's path).
/// A forked child does not inherit it.
#[derive(Debug)]
pub struct Mapping {
    memory: Memory,
    access: Access,
}

impl Mapping {
    /// Maps the first `octets` octets of `fd`, which must have that many.
    ///
    /// # Errors
    /// [`MapError`]; a descriptor without the rights that `access` needs gives `EACCES`.
    pub fn map(fd: BorrowedFd<'_>, octets: u64, access: Access) -> Result<Self, MapError> {
        let size = u64::try_from(rustix::fs::fstat(fd)?.st_size).unwrap_or(0);
        if size < octets {
            return Err(MapError::Short { octets: size, wanted: octets });
        }
        let length = usize::try_from(octets).ok().filter(|length| *length > 0).ok_or(MapError::Size(octets))?;
        Ok(Self { memory: Memory::map(fd, length, access)?, access })
    }

    /// The address of the first octet. What lies there may change at any time: never borrow it.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.memory.base()
    }

    /// Octets mapped.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.memory.octets()
    }

    /// Changes what the mapping is for; the broker holds data regions read-only but for a moment.
    ///
    /// # Errors
    /// What mprotect says: `EACCES` when the descriptor or a seal forbids writing.
    pub fn protect(&mut self, access: Access) -> Result<(), MapError> {
        self.memory.protect(access)?;
        self.access = access;
        Ok(())
    }

    /// The word at `offset`, Relaxed.
    pub(crate) fn load(&self, offset: usize) -> u64 {
        #[cfg(test)]
        LOADS.set(LOADS.get() + 1);
        self.word(offset).load(Ordering::Relaxed)
    }

    /// The word at `offset`; what its writer released before storing it is visible afterwards.
    pub(crate) fn load_acquire(&self, offset: usize) -> u64 {
        let value = self.load(offset);
        sound!(fence(Ordering::Acquire), unless AcquireUnfenced); // pairs with store_release of the same word
        value
    }

    /// Stores a word, Relaxed.
    pub(crate) fn store(&self, offset: usize, value: u64) {
        self.writable().word(offset).store(value, Ordering::Relaxed);
    }

    /// Stores a word, Release: pairs with [`Self::load_acquire`].
    pub(crate) fn store_release(&self, offset: usize, value: u64) {
        self.writable().word(offset).store(value, Ordering::Release);
    }

    /// Raises a word to `value` if it is lower. Release: pairs with [`Self::load_acquire`].
    pub(crate) fn raise_release(&self, offset: usize, value: u64) {
        self.writable().word(offset).fetch_max(value, Ordering::Release);
    }

    /// Adds one to a word and wraps. Release: pairs with [`Self::load_acquire`].
    pub(crate) fn increment_release(&self, offset: usize) {
        self.writable().word(offset).fetch_add(1, Ordering::Release);
    }

    /// The low half of the word at `offset`, for the kernel to compare and to sleep on. Nobody here reads or writes it.
    #[cfg(not(loom))]
    pub(crate) fn futex(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(size_of::<u64>()), "a word at {offset} is not aligned");
        let address = self.range(offset, size_of::<u32>());
        // SAFETY: in range and aligned, mapped as long as `self` lives; it only lends the kernel an address, so no access
        // of this size is ever made in this process.
        unsafe { AtomicU32::from_ptr(address.cast()) }
    }

    /// Copies shared bytes out, each read once as volatile; they may change while it copies.
    pub(crate) fn copy_out(&self, offset: usize, out: &mut [u8]) {
        let (start, octets) = (out.as_mut_ptr().cast::<MaybeUninit<u8>>(), out.len());
        // SAFETY: the very octets of `out`, borrowed as long; what is written to them is never uninitialised.
        self.copy_out_to(offset, unsafe { slice::from_raw_parts_mut(start, octets) });
    }

    /// As [`Self::copy_out`] to where nothing is yet: all of it is written.
    pub(crate) fn copy_out_to(&self, offset: usize, out: &mut [MaybeUninit<u8>]) {
        self.memory.copy_out(offset, out);
    }

    /// Copies `bytes` into shared memory.
    #[inline]
    pub(crate) fn copy_in_by(&self, store: Store, offset: usize, bytes: &[u8]) {
        self.writable().memory.copy_in(store, offset, bytes);
    }

    /// As [`Self::copy_in_by`], where what comes next goes on.
    #[inline]
    pub(crate) fn copy_on_by(&self, store: Store, offset: usize, bytes: &[u8]) {
        self.writable().memory.copy_on(store, offset, bytes);
    }

    /// The address of `octets` octets from `offset` on.
    pub(crate) fn range(&self, offset: usize, octets: usize) -> *mut u8 {
        self.memory.range(offset, octets)
    }

    #[inline]
    fn writable(&self) -> &Self {
        assert!(self.access == Access::ReadWrite, "a store into a read-only mapping");
        self
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(size_of::<u64>()), "a word at {offset} is not aligned");
        self.memory.word(offset)
    }
}

/// Stores that bypass the caches, later ones, stay behind all stores before: no other fence keeps them there on x86-64
/// (SDM volume 3, §8.2.2). The C library copies large pieces by such stores, and fences behind them only.
#[inline]
pub(crate) fn fence_before_streaming() {
    // SAFETY: SSE is part of x86-64, and a fence touches no memory.
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
thread_local! {
    /// Words that this thread has loaded: shows that steps are bounded.
    pub(crate) static LOADS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}
