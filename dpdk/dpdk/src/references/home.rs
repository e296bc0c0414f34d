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
use crate::refer;

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

    /// Some of those at hand, `most` at the most. The owner alone, who does nothing else to the home meanwhile.
    #[inline]
    pub(super) fn take_some(&self, most: u32) -> Taking<'_> {
        let count = self.count.load(Relaxed);
        let keep = count.saturating_sub(most);
        let places = self.ready.get(keep as usize..count as usize).unwrap_or_default().iter();
        Taking { home: self, keep, places }
    }

    /// The last of those at hand, `most` at the most. The owner alone.
    #[inline]
    pub(super) fn last(&self, most: u32) -> &[AtomicPtr<rte_mbuf>] {
        let count = self.count.load(Relaxed);
        self.ready.get(count.saturating_sub(most) as usize..count as usize).unwrap_or_default()
    }

    /// So many of the last are not at hand any more. The owner alone.
    #[inline]
    pub(super) fn taken(&self, buffers: u32) {
        self.count.store(self.count.load(Relaxed).saturating_sub(buffers), Relaxed);
    }

    /// Buffers were freed on the owner's thread, while it hands packets to its device; [`Self::settle`] follows.
    ///
    /// # Safety
    /// They are this home's, and nobody else's any more.
    #[inline]
    pub(super) unsafe fn keep(&self, buffers: &[NonNull<rte_mbuf>]) {
        let count = self.count.load(Relaxed);
        let places = self.ready.get(count as usize..).unwrap_or_default();
        let (mut of, mut claims) = (self.lease.load(Relaxed), self.claims.load(Relaxed));
        for (&buffer, place) in buffers.iter().zip(places) {
            // SAFETY: the caller's promise.
            let lease = unsafe { refer::noted_claim(buffer.as_ptr()) };
            if lease != of {
                // SAFETY: so many buffers with a claim on this lease have come back, and hold it no longer.
                unsafe { give_back(of, claims) };
                (of, claims) = (lease, 0);
            }
            claims += 1;
            place.store(buffer.as_ptr(), Relaxed);
        }
        self.count.store(count + buffers.len() as u32, Relaxed);
        self.lease.store(of, Relaxed);
        self.claims.store(claims, Relaxed);
    }

    /// Gives back the claims of what was kept.
    #[inline]
    pub(super) fn settle(&self) {
        let (of, claims) = (self.lease.load(Relaxed), self.claims.load(Relaxed));
        self.lease.store(ptr::null_mut(), Relaxed);
        self.claims.store(0, Relaxed);
        // SAFETY: so many buffers with a claim on this lease have come back, and hold it no longer.
        unsafe { give_back(of, claims) };
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
            let lease = unsafe { refer::noted_claim(first.as_ptr()) };
            // SAFETY: the caller's promise.
            let alike =
                rest.iter().take_while(|buffer| unsafe { refer::noted_claim(buffer.as_ptr()) } == lease).count();
            // SAFETY: so many buffers with a claim on this lease have come back, and hold it no longer.
            unsafe { give_back(lease, alike as u32) };
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
}

/// Buffers that are being taken, the last first. What is not taken stays.
pub(super) struct Taking<'a> {
    home: &'a Home,
    /// Those below are not for taking.
    keep: u32,
    places: std::slice::Iter<'a, AtomicPtr<rte_mbuf>>,
}

impl Taking<'_> {
    #[inline]
    pub(super) fn next(&mut self) -> Option<NonNull<rte_mbuf>> {
        NonNull::new(self.places.next_back()?.load(Relaxed))
    }
}

impl Drop for Taking<'_> {
    #[inline]
    fn drop(&mut self) {
        self.home.count.store(self.keep + self.places.len() as u32, Relaxed);
    }
}

/// Gives claims of buffers back; null is the lease of buffers without.
///
/// # Safety
/// As for [`Claim::release_raw`].
#[inline]
unsafe fn give_back(lease: *mut Count, claims: u32) {
    if let Some(lease) = NonNull::new(lease) {
        // SAFETY: the caller's promise.
        unsafe { Claim::release_raw(lease, claims) };
    }
}
