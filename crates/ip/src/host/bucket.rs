//! How often something may be done.

use media::Tai;

const SECOND_NS: i64 = 1_000_000_000;

/// A token bucket: full at the start, refilled at a constant rate.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Time that one token takes to come.
    interval_ns: i64,
    /// The time that all tokens take.
    depth_ns: i64,
    /// When the bucket was, or will be, full.
    full_at: Tai,
}

impl Bucket {
    pub(super) fn per_second(rate: i64, burst: i64, now: Tai) -> Self {
        let interval_ns = SECOND_NS / rate;
        Self { interval_ns, depth_ns: interval_ns * burst, full_at: now }
    }

    /// Takes a token; false when there is none.
    pub(super) fn take(&mut self, now: Tai) -> bool {
        let full_at = self.full_at.max(now).plus_nanos(self.interval_ns);
        let taken = full_at.nanos_since(now) <= self.depth_ns;
        if taken {
            self.full_at = full_at;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let mut now = Tai::from_nanos(5);
        let mut bucket = Bucket::per_second(10, 3, now);
        let mut takes = |now| (0..10).filter(|_| bucket.take(now)).count();
        assert_eq!(takes(now), 3);
        now = now.plus_nanos(SECOND_NS / 10);
        assert_eq!(takes(now), 1);
        now = now.plus_nanos(SECOND_NS * 1_000);
        assert_eq!(takes(now), 3);
    }
}
