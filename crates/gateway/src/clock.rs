//! TAI from the time-stamp counter.
//!
//! Workers read the counter through a (count, TAI, rate) triple that [`ClockKeeper`] publishes from the
//! kernel's `CLOCK_TAI`: reading it makes no system call. A TAI offset of 0 means that nobody told the kernel
//! (no PTP): the clock then counts as unlocked, and every stream is async.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence};

use media::{Clock, Tai};
use rustix::time::{DynamicClockId, clock_gettime_dynamic};

/// Fractional bits of the rate: nanoseconds per count in 32.32 fixed point.
const RATE_BITS: u32 = 32;

/// Shortest baseline over which the rate is measured anew.
const BASELINE_NANOS: i64 = 1_000_000_000;

/// The published triple, guarded by a sequence: odd while it is being written.
#[derive(Debug, Default)]
struct Triple {
    sequence: AtomicU64,
    count: AtomicU64,
    tai: AtomicI64,
    rate: AtomicU64,
    locked: AtomicBool,
    tai_offset_seconds: AtomicI64,
}

/// A cheap handle on TAI; clones read the same triple.
#[derive(Clone, Debug)]
pub struct TaiClock {
    triple: Arc<Triple>,
    counter: quanta::Clock,
}

impl TaiClock {
    fn count(&self) -> u64 {
        self.counter.raw()
    }

    /// TAI − UTC as the kernel has it, seconds; 0 when nobody set it.
    #[must_use]
    pub fn tai_offset_seconds(&self) -> i64 {
        self.triple.tai_offset_seconds.load(Ordering::Relaxed)
    }
}

impl Clock for TaiClock {
    fn now(&self) -> Tai {
        loop {
            let before = self.triple.sequence.load(Ordering::Acquire); // pairs with ClockKeeper::publish
            let count = self.triple.count.load(Ordering::Relaxed);
            let tai = self.triple.tai.load(Ordering::Relaxed);
            let rate = self.triple.rate.load(Ordering::Relaxed);
            fence(Ordering::Acquire); // pairs with ClockKeeper::publish
            if before & 1 == 0 && self.triple.sequence.load(Ordering::Relaxed) == before {
                // A core whose counter lags behind the keeper's, or that read it early, stands at the triple's instant.
                let counts = self.count().wrapping_sub(count).cast_signed().max(0).unsigned_abs();
                let elapsed = (u128::from(counts) * u128::from(rate)) >> RATE_BITS;
                return Tai::from_nanos(tai.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX)));
            }
            std::hint::spin_loop();
        }
    }

    fn is_locked(&self) -> bool {
        self.triple.locked.load(Ordering::Relaxed)
    }

    /// By the counter's own calibration, which nobody disciplines: good to some parts in a million.
    fn steady_nanos(&self) -> u64 {
        self.counter.delta_as_nanos(0, self.count())
    }
}

/// The housekeeping side: measures and publishes.
#[derive(Debug)]
pub struct ClockKeeper {
    clock: TaiClock,
    anchor: (u64, i64),
    rate: u64,
}

impl ClockKeeper {
    /// Measures the counter against `CLOCK_TAI` for the first time.
    #[must_use]
    pub fn start() -> Self {
        let counter = quanta::Clock::new();
        let rate = nominal_rate(&counter);
        let clock = TaiClock { triple: Arc::default(), counter };
        let anchor = sample(&clock.counter);
        let mut keeper = Self { clock, anchor, rate };
        keeper.publish(anchor);
        keeper
    }

    /// A handle for readers.
    #[must_use]
    pub fn clock(&self) -> TaiClock {
        self.clock.clone()
    }

    /// Measures again and publishes; to be called some times a second.
    pub fn tick(&mut self) {
        let now = sample(&self.clock.counter);
        let counts = now.0.wrapping_sub(self.anchor.0);
        let nanos = now.1.saturating_sub(self.anchor.1);
        if nanos >= BASELINE_NANOS && counts > 0 {
            let measured = (u128::from(nanos.unsigned_abs()) << RATE_BITS) / u128::from(counts);
            self.adopt(u64::try_from(measured).unwrap_or(self.rate));
            self.anchor = now;
        } else if nanos < 0 {
            self.anchor = now; // the kernel's clock stepped back: measure afresh from here
        }
        self.publish(now);
    }

    /// Takes a measured rate unless a step of the kernel's clock lies in the baseline.
    fn adopt(&mut self, measured: u64) {
        let difference = measured.abs_diff(self.rate);
        if difference < self.rate / 1000 {
            self.rate = measured;
        }
    }

    fn publish(&mut self, (count, tai): (u64, i64)) {
        let triple = &self.clock.triple;
        let offset = tai_offset_seconds();
        triple.tai_offset_seconds.store(offset, Ordering::Relaxed);
        triple.locked.store(offset != 0, Ordering::Relaxed);
        let sequence = triple.sequence.load(Ordering::Relaxed);
        triple.sequence.store(sequence | 1, Ordering::Relaxed);
        fence(Ordering::Release); // pairs with TaiClock::now
        triple.count.store(count, Ordering::Relaxed);
        triple.tai.store(tai, Ordering::Relaxed);
        triple.rate.store(self.rate, Ordering::Relaxed);
        triple.sequence.store((sequence | 1).wrapping_add(1), Ordering::Release); // pairs with TaiClock::now
    }
}

/// Nanoseconds per count as the counter's own calibration has it.
fn nominal_rate(counter: &quanta::Clock) -> u64 {
    let counts = 1_000_000_000;
    let nanos = counter.delta_as_nanos(0, counts).max(1);
    u64::try_from((u128::from(nanos) << RATE_BITS) / u128::from(counts)).unwrap_or(1 << RATE_BITS)
}

/// A count and the TAI that belongs to it: of some tries the one with the least time between two counts.
fn sample(counter: &quanta::Clock) -> (u64, i64) {
    let tries = (0..5).map(|_| {
        let before = counter.raw();
        let tai = kernel_nanos(DynamicClockId::Tai);
        let width = counter.raw().wrapping_sub(before);
        (width, before.wrapping_add(width / 2), tai)
    });
    let (_, count, tai) = tries.min_by_key(|(width, ..)| *width).unwrap_or_default();
    (count, tai)
}

/// The kernel's clock; the epoch where the kernel lacks it (`CLOCK_TAI` is there since Linux 3.10).
fn kernel_nanos(clock: DynamicClockId<'_>) -> i64 {
    let Ok(now) = clock_gettime_dynamic(clock) else { return 0 };
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

fn tai_offset_seconds() -> i64 {
    let difference =
        kernel_nanos(DynamicClockId::Tai) - kernel_nanos(DynamicClockId::Known(rustix::time::ClockId::Realtime));
    difference.saturating_add(500_000_000).div_euclid(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_follows_the_kernels_tai() {
        let mut keeper = ClockKeeper::start();
        let clock = keeper.clock();
        for _ in 0..50 {
            let kernel_before = kernel_nanos(DynamicClockId::Tai);
            let ours = clock.now().as_nanos();
            let kernel_after = kernel_nanos(DynamicClockId::Tai);
            // A thread may be held up anywhere between the three readings: only the order is certain,
            // within what a fresh triple may be off.
            assert!(ours >= kernel_before - 5_000_000 && ours <= kernel_after + 5_000_000);
            keeper.tick();
        }
    }

    #[test]
    fn a_step_of_the_kernels_clock_does_not_become_a_rate() {
        let mut keeper = ClockKeeper::start();
        let rate = keeper.rate;
        keeper.adopt(rate * 2);
        assert_eq!(keeper.rate, rate);
        keeper.adopt(rate + rate / 100_000);
        assert_ne!(keeper.rate, rate);
    }

    #[test]
    fn a_counter_behind_the_triple_is_no_leap_of_centuries() {
        let mut keeper = ClockKeeper::start();
        let ahead = keeper.clock().count() + (1 << 40);
        keeper.publish((ahead, 1_000));
        assert_eq!(keeper.clock().now(), Tai::from_nanos(1_000));
    }

    #[test]
    fn no_tai_offset_means_unlocked() {
        let clock = ClockKeeper::start().clock();
        assert_eq!(clock.is_locked(), clock.tai_offset_seconds() != 0);
    }
}
