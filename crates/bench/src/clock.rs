//! One clock for all processes of a run: CLOCK_MONOTONIC, nanoseconds.
//!
//! The vDSO reads the counter ordered after every load before it, so that an instant taken after a read is not taken
//! while the read is still on its way. A reading costs 20 to 30 ns, in every figure of every peer alike.

use rustix::time::ClockId;

/// Now, ns.
#[must_use]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns at `instant`, without sleeping.
pub fn spin_until(instant: u64) {
    while now() < instant {
        std::hint::spin_loop();
    }
}

/// What one reading costs, ns: the mean of many.
#[must_use]
pub fn cost_ns() -> f64 {
    const READINGS: u64 = 10_000;
    let began = now();
    for _ in 1..READINGS {
        std::hint::black_box(now());
    }
    (now() - began) as f64 / READINGS as f64
}
