//! The memory behind a mapping: pages that the kernel shares with other processes.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::Access;
use crate::atomics::AtomicU64;
use crate::store::Store;

/// One shared mapping, unmapped when dropped. A forked child does not inherit it.
#[derive(Debug)]
pub(super) struct Memory {
    base: NonNull<u8>,
    octets: usize,
}

// SAFETY: the memory belongs to no thread; every access below is atomic, volatile, or bound by the ring's
// protocol.
unsafe impl Send for Memory {}
// SAFETY: as above; no method hands out a reference to the bytes except under the caller's own promise.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps the first `octets` octets of `fd`; more than 0, and the file has them.
    pub(super) fn map(fd: BorrowedFd<'_>, octets: usize, access: Access) -> Result<Self, Errno> {
        // SAFETY: a new shared mapping at an address of the kernel's choice touches nothing that exists.
        let address = unsafe { rustix::mm::mmap(ptr::null_mut(), octets, prot(access), MapFlags::SHARED, fd, 0) }?;
        let base = NonNull::new(address.cast::<u8>()).ok_or(Errno::NOMEM)?;
        let memory = Self { base, octets };
        // SAFETY: exactly the range mapped above; the advice only keeps it out of forked children.
        unsafe { rustix::mm::madvise(address, octets, Advice::LinuxDontFork) }?;
        Ok(memory)
    }

    pub(super) fn base(&self) -> *const u8 {
        self.base.as_ptr()
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn protect(&mut self, access: Access) -> Result<(), Errno> {
        let flags = match access {
            Access::ReadOnly => MprotectFlags::READ,
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        };
        // SAFETY: exactly our own range; `&mut self` shows that no other access is under way.
        unsafe { rustix::mm::mprotect(self.base.as_ptr().cast(), self.octets, flags) }
    }

    /// The address of `octets` octets from `offset` on, checked.
    #[inline]
    pub(super) fn range(&self, offset: usize, octets: usize) -> *mut u8 {
        let fits = offset.checked_add(octets).is_some_and(|end| end <= self.octets);
        assert!(fits, "{octets} octets at {offset} lie outside a mapping of {}", self.octets);
        // SAFETY: the offset is inside the mapping, checked above.
        unsafe { self.base.as_ptr().add(offset) }
    }

    /// The word at `offset`, a multiple of eight.
    pub(super) fn word(&self, offset: usize) -> &AtomicU64 {
        let address = self.range(offset, size_of::<u64>());
        // SAFETY: in range and aligned (the base is page-aligned), mapped as long as `self` lives, and only
        // ever accessed atomically: words and payload bytes never share a region.
        unsafe { AtomicU64::from_ptr(address.cast()) }
    }

    /// Each byte is read once as volatile.
    pub(super) fn copy_out(&self, offset: usize, out: &mut [MaybeUninit<u8>]) {
        let mut from = self.range(offset, out.len()).cast_const();
        let mut chunks = out.chunks_exact_mut(size_of::<u64>());
        for chunk in &mut chunks {
            // SAFETY: `from` has eight octets left in the range checked above; u64 takes any bits.
            let word = unsafe { ptr::read_volatile(from.cast::<Unaligned>()) };
            // One store: octet by octet it takes five times as long.
            // SAFETY: the eight octets of the chunk, in any alignment.
            unsafe { chunk.as_mut_ptr().cast::<Unaligned>().write(word) };
            // SAFETY: at most the end of the checked range.
            from = unsafe { from.add(size_of::<u64>()) };
        }
        for octet in chunks.into_remainder() {
            // SAFETY: one octet of the checked range.
            octet.write(unsafe { ptr::read_volatile(from) });
            // SAFETY: at most the end of the checked range.
            from = unsafe { from.add(1) };
        }
    }

    /// The mapping must be a writable one.
    #[inline]
    pub(super) fn copy_in(&self, store: Store, offset: usize, bytes: &[u8]) {
        let to = self.range(offset, bytes.len());
        // SAFETY: the range was checked and is writable; `bytes` cannot overlap memory that this type
        // never lends out as a writable slice while it is being copied into.
        unsafe { store.copy_raw(to, bytes.as_ptr(), bytes.len()) };
    }

    /// As [`Self::copy_in`], where what comes next goes on.
    #[inline]
    pub(super) fn copy_on(&self, store: Store, offset: usize, bytes: &[u8]) {
        let to = self.range(offset, bytes.len());
        // SAFETY: as in `copy_in`.
        unsafe { store.copy_on(to, bytes.as_ptr(), bytes.len()) };
    }
}

/// A word at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned(u64);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` mapped; every lease holds the mapping, so nobody uses it now.
        let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.octets) };
        debug_assert!(result.is_ok(), "munmap of our own mapping: {result:?}");
    }
}

fn prot(access: Access) -> ProtFlags {
    match access {
        Access::ReadOnly => ProtFlags::READ,
        Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
    }
}
