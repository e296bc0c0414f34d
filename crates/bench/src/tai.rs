//! TAI for the workers of a run: the kernel's, carried on by its monotonic clock, which nobody steps meanwhile; or a clock
//! that moves by grains, for a sender that is to send as fast as it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use media::{Clock, Tai};
use rustix::time::{DynamicClockId, clock_gettime_dynamic};

use crate::clock;

/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct RunClock {
    began: u64,
    at: Tai,
    /// Nanoseconds that it was moved by, where it does not move by itself.
    moved: Option<Arc<AtomicI64>>,
}

impl RunClock {
    /// Real time. Two hosts whose clocks agree read the same.
    ///
    /// # Panics
    /// Never: Linux has `CLOCK_TAI` since 3.10.
    #[must_use]
    pub fn real() -> Self {
        let tai = clock_gettime_dynamic(DynamicClockId::Tai).expect("Linux has CLOCK_TAI");
        let at = Tai::from_nanos(tai.tv_sec * 1_000_000_000 + tai.tv_nsec);
        Self { began: clock::now(), at, moved: None }
    }

    /// Stands still where this one is now, but for [`Self::step`].
    #[must_use]
    pub fn stepped(&self) -> Self {
        Self { began: self.began, at: self.now(), moved: Some(Arc::default()) }
    }

    /// Moves a stepped clock on.
    pub fn step(&self, nanos: i64) {
        if let Some(moved) = &self.moved {
            // Relaxed: whoever steps it also reads it.
            moved.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}

impl Clock for RunClock {
    #[inline]
    fn now(&self) -> Tai {
        let nanos = match &self.moved {
            Some(moved) => moved.load(Ordering::Relaxed),
            None => clock::now().saturating_sub(self.began) as i64,
        };
        self.at.plus_nanos(nanos)
    }

    /// Runs are async, whatever the machine knows of PTP: figures are to be the same everywhere.
    fn is_locked(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_clock_moves_when_it_is_told_to() {
        let real = RunClock::real();
        let stepped = real.stepped();
        let other = stepped.clone();
        let at = stepped.now();
        while real.now() <= at {}
        assert_eq!(stepped.now(), at);
        stepped.step(1_000);
        assert_eq!(other.now().nanos_since(at), 1_000);
        real.step(1 << 60);
        assert!(real.now().nanos_since(at) < 1 << 59);
    }
}
