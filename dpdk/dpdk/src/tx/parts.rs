//! What the packets of a run are made of: two buffers for each, and a claim on the lease.
//!
//! All are taken together and given out pair by pair, counted once. What is left when the run ends, for whatever reason, is
//! where it was.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};

use dpdk_sys::rte_mbuf;

use crate::mbuf::Mbuf;
use crate::payload::Payload;
use crate::references::References;
use crate::stash::Stash;

/// See the module.
pub(super) struct Parts<'a, L> {
    headers: &'a mut Stash,
    references: &'a mut References,
    payload: &'a Payload<L>,
    /// The first of `most` buffers of each kind.
    heads: *const Mbuf,
    tails: *const AtomicPtr<rte_mbuf>,
    most: usize,
    /// Those that were not given out; the last go first.
    left: usize,
}

impl<'a, L> Parts<'a, L> {
    /// For `packets` packets, as far as buffers and claims are there.
    #[inline]
    pub(super) fn take(
        headers: &'a mut Stash,
        references: &'a mut References,
        payload: &'a Payload<L>,
        packets: usize,
    ) -> Self {
        let most = packets.min(payload.ungathered() as usize);
        let most = most.min(headers.at_hand(most)).min(references.at_hand(most));
        let (heads, tails) = (headers.last(most), references.last(most));
        debug_assert!(heads.len() == most && tails.len() == most, "so many are at hand");
        let (heads, tails) = (heads.as_ptr(), tails.as_ptr());
        payload.take_some(most as u32);
        Self { headers, references, payload, heads, tails, most, left: most }
    }

    #[inline]
    pub(super) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// A header buffer and one that is to refer to the lease, which are the caller's from here on, and so is a claim.
    ///
    /// # Safety
    /// [`Self::is_spent`] says no.
    #[inline]
    pub(super) unsafe fn next_pair(&mut self) -> (NonNull<rte_mbuf>, NonNull<rte_mbuf>) {
        self.left -= 1;
        let at = self.left;
        // SAFETY: the places are those of the last `most` buffers of either kind, and `at` is below that (caller). The queue that
        // both are of is borrowed by `self`, so that they stay where they are. Relaxed: the owner's own. Places of buffers at hand
        // hold no null.
        unsafe {
            let tail = (*self.tails.add(at)).load(Ordering::Relaxed);
            ((*self.heads.add(at)).as_non_null(), NonNull::new_unchecked(tail))
        }
    }
}

impl<L> Drop for Parts<'_, L> {
    #[inline]
    fn drop(&mut self) {
        self.payload.untake(self.left as u32);
        let used = self.most - self.left;
        // SAFETY: `next_pair` gave so many to new owners, the last ones.
        unsafe {
            self.headers.taken(used);
            self.references.taken(used);
        }
    }
}
