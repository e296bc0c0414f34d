//! A lease over octets on the heap, for what is not in a ring (and for tests of what leases).

use std::fmt;
use std::sync::{Arc, Weak};

use shm::StableBytes;

/// Octets on the heap as a lease.
pub struct OwnedBytes {
    octets: Box<[u8]>,
    token: Arc<()>,
}

/// Tells whether an [`OwnedBytes`] is still held.
#[derive(Clone, Debug)]
pub struct LeaseWatch(Weak<()>);

impl OwnedBytes {
    /// A lease over `octets`.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self { octets: octets.into_boxed_slice(), token: Arc::new(()) }
    }

    /// Watches for the end of this lease.
    #[must_use]
    pub fn watch(&self) -> LeaseWatch {
        LeaseWatch(Arc::downgrade(&self.token))
    }
}

impl LeaseWatch {
    /// Whether the lease has not been dropped.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl fmt::Debug for OwnedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedBytes({} octets)", self.octets.len())
    }
}

// SAFETY: the box owns its octets until it drops, moving the value does not move what the box points to, and
// nothing here gives write access or takes the box out.
unsafe impl StableBytes for OwnedBytes {
    fn as_ptr(&self) -> *const u8 {
        self.octets.as_ptr()
    }

    fn octets(&self) -> usize {
        self.octets.len()
    }
}
