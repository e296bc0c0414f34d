//! A lease over octets on the heap, for what is not in a ring (and for tests of what leases).

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use shm::StableBytes;

/// Octets on the heap as a lease.
pub struct OwnedBytes {
    octets: Arc<[AtomicU8]>,
}

/// Tells whether an [`OwnedBytes`] is still held, and may change its octets, as the owner of a ring may.
#[derive(Clone, Debug)]
pub struct LeaseWatch(Weak<[AtomicU8]>);

impl OwnedBytes {
    /// A lease over `octets`.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self { octets: octets.into_iter().map(AtomicU8::new).collect() }
    }

    /// Watches for the end of this lease.
    #[must_use]
    pub fn watch(&self) -> LeaseWatch {
        LeaseWatch(Arc::downgrade(&self.octets))
    }
}

impl LeaseWatch {
    /// Whether the lease has not been dropped.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Changes the octet at `index`. False when the lease has ended or is shorter.
    pub fn write(&self, index: usize, octet: u8) -> bool {
        let Some(octets) = self.0.upgrade() else { return false };
        octets.get(index).map(|at| at.store(octet, Ordering::Relaxed)).is_some()
    }
}

impl fmt::Debug for OwnedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedBytes({} octets)", self.octets.len())
    }
}

// SAFETY: the Arc keeps its octets until it drops, moving the value does not move what it points to, and nothing here
// takes it out. A watch writes through atomics, as another process might.
unsafe impl StableBytes for OwnedBytes {
    fn as_ptr(&self) -> *const u8 {
        self.octets.as_ptr().cast()
    }

    fn octets(&self) -> usize {
        self.octets.len()
    }
}
