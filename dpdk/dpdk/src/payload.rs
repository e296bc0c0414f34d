//! Payloads: leases that packets refer to without a copy.
//!
//! A lease has a count, preset when it is attached to the number of packets that were announced. A packet's buffers point
//! into the lease and carry a claim on the count; what is never gathered is subtracted. A lease ends when nobody can gather
//! from it and the count is zero.
//!
//! Whoever frees a buffer (the device's driver in a later burst, another worker that received over a net_ring, a stopping
//! port) gives its claim back: see [`crate::references`]. Leases are dropped by their owner, in
//! `PayloadTable::reap`. Queue, payload and packets may drop in any order: a place that is still referred to when its
//! table drops is kept, counted, and collected later ([`retired_leases`]). Memory under DMA is never given back early.

mod claim;
mod retired;
mod slot;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use netio::{StableBytes, TxFull};

pub(crate) use claim::{Claim, Count};
pub use retired::retired_leases;
use slot::Slot;

use crate::iova::{self, Pieces, Reads};

/// Packets of one lease at most. Each may need some buffers, and the count has 32 bits.
pub const PACKETS_MAX: u32 = 1 << 28;

/// An attached lease. Dropped, it is cancelled: no more packets can be made of it.
#[derive(Debug)]
pub struct Payload<L> {
    slot: Arc<Slot<L>>,
    /// Announced packets that have not been gathered.
    left: Cell<u32>,
}

impl<L> Payload<L> {
    /// Octets that may be gathered.
    #[must_use]
    pub fn octets(&self) -> u32 {
        self.slot.octets()
    }

    /// Announced packets that have not been gathered.
    #[must_use]
    pub const fn ungathered(&self) -> u32 {
        self.left.get()
    }

    /// Whether a packet of `range` can be gathered; its first octet's address, good as long as a reference is held.
    #[inline]
    pub(crate) fn check(&self, range: &Range<u32>) -> Result<*const u8, TxFull> {
        if range.start > range.end || range.end > self.slot.octets() {
            return Err(TxFull::Range);
        }
        if self.left.get() == 0 {
            return Err(TxFull::Packets);
        }
        // wrapping_add keeps the provenance of the lease's own pointer.
        Ok(self.slot.address().wrapping_add(range.start as usize))
    }

    /// What a device calls the octets that [`Self::check`] returned. `None` when it cannot read them: they must be copied.
    #[inline]
    pub(crate) fn pieces(&self, address: *const u8, octets: u16, reads: Reads) -> Option<Pieces> {
        iova::pieces(self.slot.mapped(), reads, address, octets)
    }

    /// Takes the next packet's claim. None when nothing is left.
    #[inline]
    pub(crate) fn take(&self) -> Option<Claim> {
        self.left.set(self.left.get().checked_sub(1)?);
        Some(Claim::on(self.slot.count()))
    }

    /// Takes the claims of so many packets, which are left; [`Self::untake`] gives back those that were of no use.
    #[inline]
    pub(crate) fn take_some(&self, packets: u32) {
        self.left.set(self.left.get() - packets);
    }

    /// So many claims of [`Self::take_some`] were given to nobody.
    #[inline]
    pub(crate) fn untake(&self, packets: u32) {
        self.left.set(self.left.get() + packets);
    }

    /// What counts the claims.
    #[inline]
    pub(crate) fn count(&self) -> NonNull<Count> {
        NonNull::from(self.slot.count())
    }

    /// Counts a packet that refers to nothing: it was copied, or it is empty.
    #[inline]
    pub(crate) fn pass(&self) {
        drop(self.take());
    }

    /// Where a device finds all of the lease at once; `None` when it has to be asked for each packet.
    #[inline]
    pub(crate) fn linear(&self, reads: Reads) -> Option<Linear> {
        let address = self.slot.address();
        let iova = match (self.slot.mapped(), reads) {
            (Some(_), _) => self.slot.linear_iova()?,
            (None, Reads::Process) => address.addr() as u64,
            (None, Reads::Registered) => return None,
        };
        Some(Linear { address, iova, octets: self.slot.octets() })
    }
}

/// A lease whose octets follow one another for the device too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    address: *const u8,
    iova: u64,
    /// Of the lease.
    pub(crate) octets: u32,
}

impl Linear {
    /// The process's and the device's address of octet `start`, which must lie within the lease.
    #[inline]
    pub(crate) fn at(&self, start: u32) -> (*const u8, u64) {
        // wrapping_add keeps the provenance of the lease's own pointer.
        (self.address.wrapping_add(start as usize), self.iova.wrapping_add(u64::from(start)))
    }
}

impl<L> Drop for Payload<L> {
    fn drop(&mut self) {
        self.slot.count().release(self.left.get());
    }
}

/// A fixed number of places for leases. Allocates at construction only.
#[derive(Debug)]
pub(crate) struct PayloadTable<L: StableBytes> {
    slots: Box<[Arc<Slot<L>>]>,
    /// Indices of slots without a lease, and of those with one. Together as long as `slots`.
    free: Vec<u32>,
    used: Vec<u32>,
}

impl<L: StableBytes> PayloadTable<L> {
    /// Room for `limit` leases at a time.
    pub(crate) fn new(limit: u16) -> Self {
        Self {
            slots: (0..limit).map(|_| Arc::new(Slot::empty())).collect(),
            free: (0..u32::from(limit)).rev().collect(),
            used: Vec::with_capacity(usize::from(limit)),
        }
    }

    /// Takes a lease in; gives it back when there is no room ([`TxFull::Payloads`]) or when it announces more packets than
    /// can be counted ([`TxFull::Packets`]). A lease of more than 2³² − 1 octets counts as that long.
    pub(crate) fn attach(&mut self, lease: L, packets: u32) -> Result<Payload<L>, (TxFull, L)> {
        if packets > PACKETS_MAX {
            return Err((TxFull::Packets, lease));
        }
        let Some(index) = self.free.pop() else { return Err((TxFull::Payloads, lease)) };
        let shared = &mut self.slots[index as usize];
        // What is in `free` is referred to by nobody else.
        let Some(slot) = Arc::get_mut(shared) else { return Err((TxFull::Payloads, lease)) };
        slot.take_in(lease);
        slot.count().preset(packets);
        self.used.push(index);
        Ok(Payload { slot: Arc::clone(shared), left: Cell::new(packets) })
    }

    /// Drops the leases that are done with.
    pub(crate) fn reap(&mut self) {
        let Self { slots, free, used, .. } = self;
        used.retain(|&index| {
            let shared = &mut slots[index as usize];
            if !shared.is_done() {
                return true;
            }
            // get_mut acquires; pairs with the release of the payload's Arc drop.
            let Some(slot) = Arc::get_mut(shared) else { return true };
            slot.let_go();
            free.push(index);
            false
        });
    }

    /// Leases held.
    pub(crate) const fn held(&self) -> usize {
        self.used.len()
    }
}

impl<L: StableBytes> Drop for PayloadTable<L> {
    fn drop(&mut self) {
        self.reap();
        for &index in &self.used {
            retired::keep(Arc::clone(&self.slots[index as usize]) as _);
        }
    }
}
