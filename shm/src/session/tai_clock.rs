//! TAI as the kernel tells it.

use media::{Clock, Tai};
use rustix::time::{ClockId, DynamicClockId, Timespec, clock_gettime, clock_gettime_dynamic};

/// The kernel's TAI clock. Locked when the kernel knows how far TAI is from UTC.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelTai;

impl KernelTai {
    /// TAI − UTC in whole seconds as the kernel has it; 0 where nobody told it.
    #[must_use]
    pub fn offset_seconds(self) -> i64 {
        let utc = nanos(clock_gettime(ClockId::Realtime));
        // The two clocks are read one after the other, some nanoseconds apart.
        (self.now().as_nanos() - utc + 500_000_000).div_euclid(1_000_000_000)
    }
}

impl Clock for KernelTai {
    fn now(&self) -> Tai {
        // Linux has had this clock since 3.10, long before sealed memory: it never fails where rings work.
        let time = clock_gettime_dynamic(DynamicClockId::Tai).unwrap_or_else(|_| clock_gettime(ClockId::Realtime));
        Tai::from_nanos(nanos(time))
    }

    fn is_locked(&self) -> bool {
        self.offset_seconds() != 0
    }
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
