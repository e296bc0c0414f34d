//! TAI for the workers of a run: the kernel's, carried on by its monotonic clock, which nobody steps meanwhile.

use media::{Clock, Tai};
use rustix::time::{DynamicClockId, clock_gettime_dynamic};

use crate::clock;

/// Two hosts whose clocks agree read the same.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    began: u64,
    at: Tai,
}

impl RunClock {
    /// From now on.
    ///
    /// # Panics
    /// Never: Linux has `CLOCK_TAI` since 3.10.
    #[must_use]
    pub fn start() -> Self {
        let tai = clock_gettime_dynamic(DynamicClockId::Tai).expect("Linux has CLOCK_TAI");
        let at = Tai::from_nanos(tai.tv_sec * 1_000_000_000 + tai.tv_nsec);
        Self { began: clock::now(), at }
    }
}

impl Clock for RunClock {
    #[inline]
    fn now(&self) -> Tai {
        self.at.plus_nanos(clock::now().saturating_sub(self.began) as i64)
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
    fn clocks_that_began_at_different_times_agree() {
        let one = RunClock::start();
        let two = RunClock::start();
        let readings = [one.now(), two.now(), one.now()];
        // Each start reads two clocks, and a thread may be held up between them: by less than a minute.
        assert!(readings[2] >= readings[0]);
        assert!(readings[1].nanos_since(readings[0]).abs() < 60_000_000_000, "{readings:?}");
    }
}
