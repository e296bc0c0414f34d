//! The clock seam: workers read time through [`Clock`], tests drive it by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::Tai;

/// A source of TAI. Reading it never blocks, allocates or enters the kernel.
pub trait Clock {
    /// Now.
    fn now(&self) -> Tai;

    /// Whether TAI is trustworthy. When it is not (no TAI offset, no PTP), every stream is async.
    fn is_locked(&self) -> bool;

    /// Nanoseconds of a clock that nobody steps; only the difference of two readings means something. TAI itself where
    /// there is no other.
    fn steady_nanos(&self) -> u64 {
        self.now().as_nanos().max(0).unsigned_abs()
    }
}

/// A clock that moves only when told to. Clones share one time line.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    nanos: Arc<AtomicI64>,
    unlocked: Arc<AtomicBool>,
}

impl ManualClock {
    /// A locked clock that stands at `at`.
    #[must_use]
    pub fn at(at: Tai) -> Self {
        let clock = Self::default();
        clock.set(at);
        clock
    }

    /// Steps to `at`, forwards or backwards.
    pub fn set(&self, at: Tai) {
        self.nanos.store(at.as_nanos(), Ordering::Relaxed);
    }

    /// Moves forward by `nanos`.
    pub fn advance_nanos(&self, nanos: i64) {
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Gains or loses the lock to PTP.
    pub fn set_locked(&self, locked: bool) {
        self.unlocked.store(!locked, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Tai {
        Tai::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn is_locked(&self) -> bool {
        !self.unlocked.load(Ordering::Relaxed)
    }
}

impl<C: Clock> Clock for &C {
    fn now(&self) -> Tai {
        (**self).now()
    }

    fn is_locked(&self) -> bool {
        (**self).is_locked()
    }

    fn steady_nanos(&self) -> u64 {
        (**self).steady_nanos()
    }
}
