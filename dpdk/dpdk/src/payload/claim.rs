//! What refers to a lease: a count, and claims on it that travel with packets.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many buffers refer to a lease, or may still be made to.
#[derive(Debug)]
pub(crate) struct Count(AtomicU32);

impl Count {
    pub(super) const fn zero() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Begins with `claims`. The count must neither move nor drop until it is zero again.
    pub(super) fn preset(&self, claims: u32) {
        // Relaxed: who gets a claim gets it from this thread, by what passes packets on.
        self.0.store(claims, Ordering::Relaxed);
    }

    /// Gives claims back.
    pub(super) fn release(&self, claims: u32) {
        if claims > 0 {
            // Pairs with the load in `is_zero`: all that was read of the lease happened before.
            self.0.fetch_sub(claims, Ordering::Release);
        }
    }

    /// Whether nobody refers to the lease, or ever will.
    pub(super) fn is_zero(&self) -> bool {
        // Pairs with the subtractions in `release` and `Claim::release_raw`, all of which are one release sequence.
        self.0.load(Ordering::Acquire) == 0
    }

    pub(super) fn claims(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counted reference to a lease, whose memory stays until it is given back.
#[derive(Debug)]
pub(crate) struct Claim(NonNull<Count>);

impl Claim {
    /// One of the claims that `count` has already.
    pub(super) fn on(count: &Count) -> Self {
        Self(NonNull::from(count))
    }

    /// One more, for a packet that needs several buffers.
    pub(crate) fn another(&self) -> Self {
        // SAFETY: the claim that `self` is keeps the count in place. Relaxed, as an Arc's clone, for the same reason.
        unsafe { self.0.as_ref() }.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }

    /// One more than those that there are.
    ///
    /// # Safety
    /// Somebody holds a claim on `count` meanwhile.
    pub(crate) unsafe fn beside(count: NonNull<Count>) -> Self {
        // Neither written into a buffer nor given back: it is somebody's.
        let theirs = std::mem::ManuallyDrop::new(Self(count));
        theirs.another()
    }

    /// To be written into a buffer, and given back by [`Self::release_raw`].
    #[inline]
    pub(crate) const fn into_raw(self) -> NonNull<Count> {
        let count = self.0;
        std::mem::forget(self);
        count
    }

    /// Gives `claims` back.
    ///
    /// # Safety
    /// So many [`Self::into_raw`] returned `count`, and none of them is given back twice.
    #[inline]
    pub(crate) unsafe fn release_raw(count: NonNull<Count>, claims: u32) {
        // SAFETY: the claims that are given back here keep the count in place until they are; the subtraction is the last that
        // happens to it on this thread.
        unsafe { count.as_ref() }.release(claims);
    }
}

impl Drop for Claim {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` is one claim, given back here once.
        unsafe { Self::release_raw(self.0, 1) };
    }
}
