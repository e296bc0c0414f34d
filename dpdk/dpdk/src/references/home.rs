//! Where the buffers of one queue are that refer to nothing now.
//!
//! All of it is changed by one thread at a time, but for `returns`: by the queue's owner, and by what frees buffers on the
//! owner's behalf while a device is handed packets. The fields are atomics, accessed without any order, because nothing tells
//! the compiler that; on the machine they are plain loads and stores.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

use dpdk_sys::rte_mbuf;

use super::returns::Returns;
use crate::payload::{Claim, Count};

/// See the module.
#[derive(Debug)]
pub(super) struct Home {
    ready: Box<[AtomicPtr<rte_mbuf>]>,
    count: AtomicU32,
    /// Claims that buffers came back with and that are not given back yet, all of one lease: one subtraction a burst.
    lease: AtomicPtr<Count>,
    claims: AtomicU32,
    returns: Returns<rte_mbuf>,
}

impl Home {
    /// Of `buffers`, none of which is there yet.
    pub(super) fn new(buffers: u32) -> Self {
        Self {
            ready: (0..buffers).map(|_| AtomicPtr::default()).collect(),
            count: AtomicU32::new(0),
            lease: AtomicPtr::default(),
            claims: AtomicU32::new(0),
            returns: Returns::new(buffers),
        }
    }

    /// Buffers that refer to nothing; a momentary figure.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Relaxed).wrapping_add(self.returns.waiting())
    }

    /// Those that are at hand. The owner alone.
    #[inline]
    pub(super) fn ready(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// One of those at hand. The owner alone.
    #[inline]
    pub(super) fn take(&self) -> Option<NonNull<rte_mbuf>> {
        let left = self.count.load(Relaxed).checked_sub(1)?;
        let buffer = NonNull::new(self.ready.get(left as usize)?.load(Relaxed))?;
        self.count.store(left, Relaxed);
        Some(buffer)
    }

    /// Buffers were freed on the owner's thread, while it hands packets to its device; [`Self::settle`] follows.
    ///
    /// # Safety
    /// They are this home's, and nobody else's any more.
    #[inline]
    pub(super) unsafe fn keep(&self, buffers: &[NonNull<rte_mbuf>]) {
        for &buffer in buffers {
            // SAFETY: the caller's promise.
            let lease = unsafe { lease_of(buffer) };
            if lease != self.lease.load(Relaxed) {
                self.settle();
                self.lease.store(lease, Relaxed);
            }
            self.claims.store(self.claims.load(Relaxed) + 1, Relaxed);
            self.push(buffer);
        }
    }

    /// Gives back the claims of what was kept.
    #[inline]
    pub(super) fn settle(&self) {
        let claims = self.claims.load(Relaxed);
        self.claims.store(0, Relaxed);
        if let Some(lease) = NonNull::new(self.lease.load(Relaxed)) {
            self.lease.store(ptr::null_mut(), Relaxed);
            // SAFETY: so many buffers with a claim on this lease have come back, and hold it no longer.
            unsafe { Claim::release_raw(lease, claims) };
        }
    }

    /// Buffers were freed, by whichever thread.
    ///
    /// # Safety
    /// As for [`Self::keep`].
    #[inline]
    pub(super) unsafe fn take_back(&self, buffers: &[NonNull<rte_mbuf>]) {
        let mut rest = buffers;
        while let Some((&first, _)) = rest.split_first() {
            // SAFETY: the caller's promise.
            let lease = unsafe { lease_of(first) };
            // SAFETY: the caller's promise.
            let alike = rest.iter().take_while(|buffer| unsafe { lease_of(**buffer) } == lease).count();
            if let Some(lease) = NonNull::new(lease) {
                // SAFETY: so many buffers with a claim on this lease have come back, and hold it no longer.
                unsafe { Claim::release_raw(lease, alike as u32) };
            }
            rest = &rest[alike..];
        }
        self.returns.put(buffers.iter());
    }

    /// Takes in what other threads have freed. The owner alone.
    #[inline]
    pub(super) fn collect(&self) {
        while let Some(buffer) = self.returns.take() {
            self.push(buffer);
        }
    }

    #[inline]
    fn push(&self, buffer: NonNull<rte_mbuf>) {
        let count = self.count.load(Relaxed);
        if let Some(place) = self.ready.get(count as usize) {
            place.store(buffer.as_ptr(), Relaxed);
            self.count.store(count + 1, Relaxed);
        }
    }

    /// All that are at hand. The owner alone.
    pub(super) fn all(&self) -> impl Iterator<Item = NonNull<rte_mbuf>> {
        let ready = self.ready.iter().take(self.ready() as usize);
        ready.filter_map(|place| NonNull::new(place.load(Relaxed)))
    }
}

/// Notes in a buffer whose claim it has; null for none. It stands where no driver that sends looks.
///
/// # Safety
/// The buffer is valid and nobody else's.
#[inline]
pub(super) unsafe fn note_lease(buffer: NonNull<rte_mbuf>, lease: *mut Count) {
    // SAFETY: the field has room for an address, at a place of less alignment.
    unsafe { (&raw mut (*buffer.as_ptr()).hash).cast::<*mut Count>().write_unaligned(lease) };
}

/// What was noted.
///
/// # Safety
/// As for [`note_lease`], which was called.
#[inline]
unsafe fn lease_of(buffer: NonNull<rte_mbuf>) -> *mut Count {
    // SAFETY: as in `note_lease`.
    unsafe { (&raw const (*buffer.as_ptr()).hash).cast::<*mut Count>().read_unaligned() }
}
