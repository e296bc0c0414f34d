//! Payloads: leases that packets refer to.
//!
//! The reference count of a lease is the strong count of its slot: the table holds one, the [`Payload`] one, each
//! gathered packet one. A slot whose count is one is free or done. So an address that a packet carries is good as long
//! as the packet exists, whatever is dropped first: queue, payload or table.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use shm::StableBytes;

use crate::TxFull;

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
        self.slot.octets
    }

    /// Announced packets that have not been gathered.
    #[must_use]
    pub fn ungathered(&self) -> u32 {
        self.left.get()
    }

    /// One packet's reference to `range`.
    pub(crate) fn gather(&self, range: Range<u32>) -> Result<PayloadRange<L>, TxFull> {
        if range.start > range.end || range.end > self.slot.octets {
            return Err(TxFull::Range);
        }
        let left = self.left.get().checked_sub(1).ok_or(TxFull::Packets)?;
        self.left.set(left);
        Ok(PayloadRange { slot: Arc::clone(&self.slot), start: range.start, octets: range.end - range.start })
    }
}

/// What one packet refers to: a checked range of a lease that lives at least as long.
#[derive(Debug)]
pub(crate) struct PayloadRange<L> {
    slot: Arc<Slot<L>>,
    start: u32,
    octets: u32,
}

impl<L> PayloadRange<L> {
    pub(crate) const fn octets(&self) -> usize {
        self.octets as usize
    }

    /// Address of the first octet, good for [`Self::octets`] as long as `self` exists. Others may write there.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        // `gather` checked that the range lies inside; wrapping_add keeps the provenance of the lease's own pointer.
        self.slot.address.0.wrapping_add(self.start as usize)
    }

    /// Copies the octets out, as the kernel would.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.octets());
        // SAFETY: `gather` checked the range against the lease, which the slot holds while `self` exists, so the source
        // is readable (StableBytes); `reserve` made room for as many octets behind the vector's length; the fresh
        // memory of a vector does not overlap a lease. No reference to the source is formed. Another process may
        // write it meanwhile: the octets are then any mix of old and new, each of them initialised.
        unsafe {
            ptr::copy_nonoverlapping(self.as_ptr(), out.as_mut_ptr().add(out.len()), self.octets());
            out.set_len(out.len() + self.octets());
        }
    }
}

/// The start of a lease.
#[derive(Clone, Copy, Debug)]
struct Address(*const u8);

// SAFETY: an address by itself grants nothing; those who read through it rely on `StableBytes`, whose octets are readable
// on whichever thread.
unsafe impl Send for Address {}
// SAFETY: as for Send.
unsafe impl Sync for Address {}

/// A lease that can be held from several threads because nobody can reach it.
struct Held<L>(L);

// SAFETY: a shared reference to `Held` gives no access to the lease: the field is private to this module, which only moves
// the lease in and drops it, both by value or by unique reference. Dropping on another thread is what `L: Send` allows.
unsafe impl<L: Send> Sync for Held<L> {}

/// A place for one lease.
struct Slot<L> {
    /// Start of the lease; dangling when there is none.
    address: Address,
    octets: u32,
    lease: Option<Held<L>>,
}

impl<L> std::fmt::Debug for Slot<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("octets", &self.octets).field("held", &self.lease.is_some()).finish()
    }
}

impl<L> Slot<L> {
    const fn empty() -> Self {
        Self { address: Address(ptr::null()), octets: 0, lease: None }
    }
}

/// A fixed number of places for leases. Allocates at construction only.
#[derive(Debug)]
pub(crate) struct PayloadTable<L> {
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

    /// Takes a lease in; gives it back when there is no room. A lease of more than 2³² − 1 octets counts as that long.
    pub(crate) fn attach(&mut self, lease: L, packets: u32) -> Result<Payload<L>, (TxFull, L)> {
        let Some(index) = self.free.pop() else { return Err((TxFull::Payloads, lease)) };
        // What is in `free` is referred to by nobody else.
        let shared = &mut self.slots[index as usize];
        let Some(slot) = Arc::get_mut(shared) else { return Err((TxFull::Payloads, lease)) };
        slot.address = Address(lease.as_ptr());
        slot.octets = u32::try_from(lease.octets()).unwrap_or(u32::MAX);
        slot.lease = Some(Held(lease));
        self.used.push(index);
        Ok(Payload { slot: Arc::clone(shared), left: Cell::new(packets) })
    }

    /// Drops the leases that neither a payload nor a packet refers to.
    pub(crate) fn reap(&mut self) {
        let Self { slots, free, used } = self;
        used.retain(|&index| {
            // get_mut acquires; pairs with the release of the last packet's Arc drop.
            let Some(slot) = Arc::get_mut(&mut slots[index as usize]) else { return true };
            *slot = Slot::empty();
            free.push(index);
            false
        });
    }

    /// Leases held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.used.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OwnedBytes;

    fn lease(octets: usize) -> OwnedBytes {
        OwnedBytes::new((0..octets).map(|n| n as u8).collect())
    }

    #[test]
    fn a_range_reads_what_it_names() {
        let mut table = PayloadTable::new(1);
        let payload = table.attach(lease(200), 2).unwrap();
        let mut out = vec![0xee];
        payload.gather(10..13).unwrap().append_to(&mut out);
        payload.gather(200..200).unwrap().append_to(&mut out);
        assert_eq!(out, [0xee, 10, 11, 12]);
    }

    #[test]
    fn ranges_outside_and_unannounced_packets_are_refused() {
        let mut table = PayloadTable::new(1);
        let payload = table.attach(lease(10), 1).unwrap();
        let inverted = Range { start: 3, end: 2 };
        for range in [0..11, 11..11, inverted, 5..u32::MAX] {
            assert_eq!(payload.gather(range).err(), Some(TxFull::Range));
        }
        assert_eq!(payload.ungathered(), 1);
        let _packet = payload.gather(0..10).unwrap();
        assert_eq!(payload.gather(0..10).err(), Some(TxFull::Packets));
    }

    #[test]
    fn a_full_table_gives_the_lease_back_and_has_room_after_reaping() {
        let mut table = PayloadTable::new(2);
        let a = table.attach(lease(1), 1).unwrap();
        let _b = table.attach(lease(2), 1).unwrap();
        let (full, back) = table.attach(lease(3), 1).unwrap_err();
        assert_eq!((full, back.octets()), (TxFull::Payloads, 3));
        drop(a);
        assert!(table.attach(back, 1).is_err(), "not reaped yet");
        table.reap();
        assert_eq!(table.held(), 1);
        assert!(table.attach(lease(4), 1).is_ok());
    }

    #[test]
    fn a_packet_keeps_its_lease_beyond_payload_and_table() {
        let mut table = PayloadTable::new(1);
        let lease = lease(4);
        let watch = lease.watch();
        let payload = table.attach(lease, 1).unwrap();
        let packet = payload.gather(1..3).unwrap();
        drop(payload);
        table.reap();
        drop(table);
        assert!(watch.is_held());
        let mut out = Vec::new();
        packet.append_to(&mut out);
        assert_eq!(out, [1, 2]);
        drop(packet);
        assert!(!watch.is_held());
    }
}
