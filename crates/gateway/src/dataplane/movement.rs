//! Whether a stream is alive: when its counter last moved.

use std::time::{Duration, Instant};

/// After so long without a packet a stream counts as silent, at least; slow rates have three periods.
const SILENCE: Duration = Duration::from_secs(1);

/// When a counter last moved.
#[derive(Default)]
pub(super) struct Movement {
    value: u64,
    at: Option<Instant>,
}

impl Movement {
    pub(super) fn note(&mut self, value: u64, now: Instant) {
        if value != self.value {
            self.value = value;
            self.at = Some(now);
        }
    }

    /// Forgets that it moved: what counts from now on is something else.
    pub(super) fn restart(&mut self, value: u64) {
        *self = Self { value, at: None };
    }

    /// Whether it moved lately, for grains that come `period` apart.
    pub(super) fn is_recent(&self, period: Duration) -> bool {
        self.at.is_some_and(|at| at.elapsed() < SILENCE.max(period * 3))
    }
}
