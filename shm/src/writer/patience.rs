//! The writer's own clock for deadlines: it counts what passes between polls, and never by leaps.

use media::Tai;

/// Nanoseconds of attention. A step of TAI, or a writer that was itself stopped, must not cost a consumer
/// its lease: steps back count nothing, and no step counts more than [`Patience::STEP_NANOS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Patience {
    last: Option<Tai>,
    nanos: i64,
}

impl Patience {
    /// Most that one step may count.
    pub(super) const STEP_NANOS_MAX: i64 = 1_000_000_000;

    /// The count at `now`.
    pub(super) fn advance(&mut self, now: Tai) -> i64 {
        if let Some(last) = self.last {
            let step = now.nanos_since(last).clamp(0, Self::STEP_NANOS_MAX);
            self.nanos = self.nanos.saturating_add(step);
        }
        self.last = Some(now);
        self.nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaps_and_steps_back_do_not_count_in_full() {
        let mut patience = Patience::default();
        let second = Patience::STEP_NANOS_MAX;
        let steps = [(5, 0), (8, 3), (2, 3), (3, 4), (i64::MAX, 4 + second), (i64::MIN, 4 + second)];
        for (now, expected) in steps {
            assert_eq!(patience.advance(Tai::from_nanos(now)), expected, "at {now}");
        }
    }
}
