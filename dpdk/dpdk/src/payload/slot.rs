//! A place for one lease, and the count of what refers to it.

use std::fmt;
use std::ptr;

use netio::StableBytes;

use super::claim::Count;
use crate::extmem::Mapped;

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

/// A place for one lease. It stays where it is from the preset of its count until [`Self::is_done`].
pub(super) struct Slot<L> {
    /// Start of the lease; null when there is none.
    address: Address,
    octets: u32,
    /// Where devices find it, when it is registered.
    mapped: Option<Mapped>,
    /// What they call its first octet, when all others follow.
    linear_iova: Option<u64>,
    count: Count,
    lease: Option<Held<L>>,
}

impl<L> Slot<L> {
    pub(super) const fn empty() -> Self {
        Self {
            address: Address(ptr::null()),
            octets: 0,
            mapped: None,
            linear_iova: None,
            count: Count::zero(),
            lease: None,
        }
    }

    pub(super) const fn octets(&self) -> u32 {
        self.octets
    }

    pub(super) const fn address(&self) -> *const u8 {
        self.address.0
    }

    pub(super) const fn mapped(&self) -> Option<&Mapped> {
        self.mapped.as_ref()
    }

    pub(super) const fn linear_iova(&self) -> Option<u64> {
        self.linear_iova
    }

    pub(super) const fn count(&self) -> &Count {
        &self.count
    }

    /// Whether nobody refers to the lease, or ever will.
    pub(super) fn is_done(&self) -> bool {
        self.count.is_zero()
    }

    /// Drops the lease.
    pub(super) fn let_go(&mut self) {
        self.lease = None;
        self.address = Address(ptr::null());
        self.octets = 0;
        self.mapped = None;
        self.linear_iova = None;
    }
}

impl<L: StableBytes> Slot<L> {
    pub(super) fn take_in(&mut self, lease: L) {
        self.address = Address(lease.as_ptr());
        self.octets = u32::try_from(lease.octets()).unwrap_or(u32::MAX);
        let (address, octets) = (lease.as_ptr().addr(), self.octets as usize);
        self.mapped = Mapped::find(address, octets);
        let run = self.mapped.as_ref().and_then(|mapped| mapped.run(address, octets));
        self.linear_iova = run.filter(|run| run.octets >= octets).map(|run| run.iova);
        self.lease = Some(Held(lease));
    }
}

impl<L> fmt::Debug for Slot<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("octets", &self.octets)
            .field("claims", &self.count.claims())
            .field("held", &self.lease.is_some())
            .finish()
    }
}
