//! A shared mapping behind bounds checks: words are atomic, bytes are copied, nothing is borrowed.
//!
//! Offsets come from a checked geometry, never from shared memory; one that is out of range is a bug
//! of ours and asserts. Loads are Relaxed with a fence after them where they must acquire: that is the form
//! that is sound on a read-only mapping (`std::sync::atomic`, "Atomic accesses to read-only memory").

use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
#[cfg(not(loom))]
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use crate::atomics::{AtomicU64, Ordering, fence};

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
    base: NonNull<u8>,
    octets: usize,
    access: Access,
    #[cfg(loom)]
    model: Vec<AtomicU64>,
}

// SAFETY: the memory belongs to no thread; every access below is atomic, volatile, or bound by the ring's
// protocol.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method hands out a reference to the bytes except under the caller's own promise.
unsafe impl Sync for Mapping {}

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
        // SAFETY: a new shared mapping at an address of the kernel's choice touches nothing that exists.
        let address = unsafe { rustix::mm::mmap(ptr::null_mut(), length, prot(access), MapFlags::SHARED, fd, 0) }?;
        let base = NonNull::new(address.cast::<u8>()).ok_or(Errno::NOMEM)?;
        let mapping = Self {
            base,
            octets: length,
            access,
            #[cfg(loom)]
            model: (0..length / 8).map(|_| AtomicU64::new(0)).collect(),
        };
        // SAFETY: exactly the range mapped above; the advice only keeps it out of forked children.
        unsafe { rustix::mm::madvise(address, length, Advice::LinuxDontFork) }?;
        Ok(mapping)
    }

    /// The address of the first octet. What lies there may change at any time: never borrow it.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.base.as_ptr()
    }

    /// Octets mapped.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Changes what the mapping is for; the broker holds data regions read-only but for a moment.
    ///
    /// # Errors
    /// What mprotect says: `EACCES` when the descriptor or a seal forbids writing.
    pub fn protect(&mut self, access: Access) -> Result<(), MapError> {
        let flags = match access {
            Access::ReadOnly => MprotectFlags::READ,
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        };
        // SAFETY: exactly our own range; `&mut self` shows that no other access is under way.
        unsafe { rustix::mm::mprotect(self.base.as_ptr().cast(), self.octets, flags) }?;
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
        fence(Ordering::Acquire); // pairs with store_release of the same word
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
        let mut from = self.range(offset, out.len()).cast_const();
        let mut chunks = out.chunks_exact_mut(size_of::<u64>());
        for chunk in &mut chunks {
            // SAFETY: `from` has eight octets left in the range checked above; u64 takes any bits.
            let word = unsafe { ptr::read_volatile(from.cast::<Unaligned>()) };
            chunk.copy_from_slice(&word.0.to_ne_bytes());
            // SAFETY: at most the end of the checked range.
            from = unsafe { from.add(size_of::<u64>()) };
        }
        for octet in chunks.into_remainder() {
            // SAFETY: one octet of the checked range.
            *octet = unsafe { ptr::read_volatile(from) };
            // SAFETY: at most the end of the checked range.
            from = unsafe { from.add(1) };
        }
    }

    /// Copies `bytes` into shared memory.
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        let to = self.writable().range(offset, bytes.len());
        // SAFETY: the range was checked and is writable; `bytes` cannot overlap memory that this type
        // never lends out as a writable slice while it is being copied into.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// The address of `octets` octets from `offset` on.
    pub(crate) fn range(&self, offset: usize, octets: usize) -> *mut u8 {
        let fits = offset.checked_add(octets).is_some_and(|end| end <= self.octets);
        assert!(fits, "{octets} octets at {offset} lie outside a mapping of {}", self.octets);
        // SAFETY: the offset is inside the mapping, checked above.
        unsafe { self.base.as_ptr().add(offset) }
    }

    fn writable(&self) -> &Self {
        assert!(self.access == Access::ReadWrite, "a store into a read-only mapping");
        self
    }

    #[cfg(not(loom))]
    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(size_of::<u64>()), "a word at {offset} is not aligned");
        let address = self.range(offset, size_of::<u64>());
        // SAFETY: in range and aligned (the base is page-aligned), mapped as long as `self` lives, and only
        // ever accessed atomically: words and payload bytes never share a region.
        unsafe { AtomicU64::from_ptr(address.cast()) }
    }

    #[cfg(loom)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        &self.model[offset / size_of::<u64>()]
    }
}

#[cfg(test)]
thread_local! {
    /// Words that this thread has loaded: shows that steps are bounded.
    pub(crate) static LOADS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A word at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned(u64);

impl Drop for Mapping {
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
