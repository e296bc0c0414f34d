//! A grain that is in use, with the rest of its slot: what must move in whole pages or blocks takes the padding along.

use crate::grain::GrainLease;
use crate::stable::StableBytes;

/// As the [`GrainLease`] it is made of, but it reaches to where the next slot begins. Behind the grain lies what nobody
/// writes, or whatever a pod wrote into a ring of its own.
#[derive(Debug)]
pub struct SlotLease(GrainLease);

impl From<GrainLease> for SlotLease {
    fn from(grain: GrainLease) -> Self {
        Self(grain)
    }
}

impl SlotLease {
    /// The grain.
    #[must_use]
    pub fn grain(&self) -> &GrainLease {
        &self.0
    }
}

// SAFETY: as of the grain's own bytes, which lie in the slot; `range` checks that the whole slot lies in the mapping.
unsafe impl StableBytes for SlotLease {
    fn as_ptr(&self) -> *const u8 {
        self.0.slot_start()
    }

    fn octets(&self) -> usize {
        self.0.slot_octets()
    }
}
