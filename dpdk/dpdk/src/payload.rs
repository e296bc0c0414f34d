//! Payloads: leases that packets refer to without a copy.
//!
//! A packet's buffer points into the lease; DPDK counts such buffers in a `rte_mbuf_ext_shared_info`, whose count has 16
//! bits. A lease therefore has one or more parts of at most `PART_PACKETS` references each, preset when it is
//! attached. Packets take references from the parts in order; what is never gathered is subtracted. A lease ends when
//! nobody can gather from it and all its parts are done.
//!
//! Whoever frees the last buffer of a part (the device's driver in a later burst, another worker that received over a
//! net_ring, a stopping port) runs the part's callback: one atomic store. Leases are dropped by their owner, in
//! `PayloadTable::reap`. Queue, payload and packets may drop in any order: a place that is still referred to when its
//! table drops is kept, counted, and collected later ([`retired_leases`]). Memory under DMA is never given back early.

mod part;
mod retired;
mod slot;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::rte_mbuf_ext_shared_info;
use netio::{StableBytes, TxFull};

pub use retired::retired_leases;
use slot::Slot;

use crate::iova::{self, Piece, Pieces, Reads};

/// References of one part at most. The count has 16 bits; the upper half is for packets that need more than one buffer.
pub const PART_PACKETS: u32 = 32_768;

/// Parts of one lease at most: enough for 262,144 packets, eight 2160p frames.
pub const PARTS_MAX: usize = 8;

/// An attached lease. Dropped, it is cancelled: no more packets can be made of it.
#[derive(Debug)]
pub struct Payload<L> {
    slot: Arc<Slot<L>>,
    /// Announced packets that have not been gathered.
    left: Cell<u32>,
    /// The part that gives the next reference, and how many it still has to give.
    part: Cell<usize>,
    part_left: Cell<u32>,
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

    /// Takes the next packet's reference. The caller's `buffers` give it back when the last of them is freed.
    ///
    /// `None`, and nothing is taken, when nothing is left, or when so many buffers do not fit the count for now.
    #[inline]
    pub(crate) fn take(&self, buffers: u16) -> Option<NonNull<rte_mbuf_ext_shared_info>> {
        if self.left.get() == 0 {
            return None;
        }
        self.turn_to_next_part();
        let part = self.slot.part(self.part.get());
        if buffers != 1 && !part.add(buffers.checked_sub(1)?) {
            return None;
        }
        self.left.set(self.left.get() - 1);
        self.part_left.set(self.part_left.get() - 1);
        Some(part.shared_info())
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

    /// What the next packets of one buffer each are attached to, and how many of them may be; [`Self::took`] counts them.
    #[inline]
    pub(crate) fn references(&self) -> (NonNull<rte_mbuf_ext_shared_info>, u32) {
        if self.left.get() > 0 {
            self.turn_to_next_part();
        }
        (self.slot.part(self.part.get()).shared_info(), self.part_left.get().min(self.left.get()))
    }

    /// Counts `packets` that were attached, no more than [`Self::references`] allowed.
    #[inline]
    pub(crate) fn took(&self, packets: u32) {
        debug_assert!(packets <= self.part_left.get().min(self.left.get()));
        self.left.set(self.left.get() - packets);
        self.part_left.set(self.part_left.get() - packets);
    }

    /// Counts a packet that refers to nothing: it was copied, or it is empty.
    #[inline]
    pub(crate) fn pass(&self) {
        if self.left.get() == 0 {
            return;
        }
        self.turn_to_next_part();
        self.left.set(self.left.get() - 1);
        self.part_left.set(self.part_left.get() - 1);
        self.slot.part(self.part.get()).release(1);
    }

    /// Something is left: if not in this part, then in the next.
    #[inline]
    fn turn_to_next_part(&self) {
        if self.part_left.get() == 0 {
            self.part.set(self.part.get() + 1);
            self.part_left.set(self.slot.part_packets(self.part.get()));
        }
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
    /// `octets` from `start` on, which must lie within the lease.
    #[inline]
    pub(crate) fn piece(&self, start: u32, octets: u16) -> Piece {
        // wrapping_add keeps the provenance of the lease's own pointer.
        Piece { address: self.address.wrapping_add(start as usize), iova: self.iova + u64::from(start), octets }
    }
}

impl<L> Drop for Payload<L> {
    fn drop(&mut self) {
        if self.left.get() == 0 {
            return;
        }
        self.slot.part(self.part.get()).release(self.part_left.get());
        for part in self.part.get() + 1..self.slot.parts() {
            self.slot.part(part).release(self.slot.part_packets(part));
        }
    }
}

/// A fixed number of places for leases. Allocates at construction only.
#[derive(Debug)]
pub(crate) struct PayloadTable<L: StableBytes> {
    slots: Box<[Arc<Slot<L>>]>,
    /// Indices of slots without a lease, and of those with one. Together as long as `slots`.
    free: Vec<u32>,
    used: Vec<u32>,
    part_packets: u32,
}

impl<L: StableBytes> PayloadTable<L> {
    /// Room for `limit` leases at a time.
    pub(crate) fn new(limit: u16) -> Self {
        Self::with_parts_of(limit, PART_PACKETS)
    }

    /// As [`Self::new`], with smaller parts: what is split at 32,768 packets can be tried with few.
    pub(crate) fn with_parts_of(limit: u16, part_packets: u32) -> Self {
        Self {
            slots: (0..limit).map(|_| Arc::new(Slot::empty())).collect(),
            free: (0..u32::from(limit)).rev().collect(),
            used: Vec::with_capacity(usize::from(limit)),
            part_packets: part_packets.clamp(1, PART_PACKETS),
        }
    }

    /// Takes a lease in; gives it back when there is no room ([`TxFull::Payloads`]) or when it announces more packets than
    /// can be counted ([`TxFull::Packets`]). A lease of more than 2³² − 1 octets counts as that long.
    pub(crate) fn attach(&mut self, lease: L, packets: u32) -> Result<Payload<L>, (TxFull, L)> {
        if packets.div_ceil(self.part_packets) as usize > PARTS_MAX {
            return Err((TxFull::Packets, lease));
        }
        let Some(index) = self.free.pop() else { return Err((TxFull::Payloads, lease)) };
        let shared = &mut self.slots[index as usize];
        // What is in `free` is referred to by nobody else.
        let Some(slot) = Arc::get_mut(shared) else { return Err((TxFull::Payloads, lease)) };
        slot.take_in(lease, packets, self.part_packets);
        shared.arm();
        self.used.push(index);
        let part_left = Cell::new(shared.part_packets(0));
        Ok(Payload { slot: Arc::clone(shared), left: Cell::new(packets), part: Cell::new(0), part_left })
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
