//! Back-off of a worker that finds nothing to do.
//!
//! A rack spins; a small node sleeps, a little longer with every empty turn, but never past the next packet
//! that is due nor past `sleep_max`.

use std::time::Duration;

/// What to do on an empty turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Busy polling: lowest latency, a whole core.
    Spin,
    /// Sleep between empty turns, at most this long.
    Sleep {
        /// Longest sleep.
        longest: Duration,
    },
}

/// The state of the back-off.
#[derive(Debug)]
pub struct Idle {
    policy: IdlePolicy,
    empty_turns: u32,
}

/// Empty turns that only spin, before the first sleep.
const SPINNING_TURNS: u32 = 8;

/// The first sleep; each further one doubles.
const FIRST_SLEEP: Duration = Duration::from_micros(20);

impl Idle {
    /// Fresh, awake.
    #[must_use]
    pub fn new(policy: IdlePolicy) -> Self {
        Self { policy, empty_turns: 0 }
    }

    /// A turn did something: start over.
    pub fn awake(&mut self) {
        self.empty_turns = 0;
    }

    /// How long to sleep after one more empty turn, when the next packet is due in `due_in_nanos`.
    /// `None` means: turn again at once.
    pub fn next_sleep(&mut self, due_in_nanos: Option<i64>) -> Option<Duration> {
        let IdlePolicy::Sleep { longest } = self.policy else { return None };
        self.empty_turns = self.empty_turns.saturating_add(1);
        let step = self.empty_turns.checked_sub(SPINNING_TURNS)?;
        let wanted = FIRST_SLEEP.saturating_mul(1 << step.min(16)).min(longest);
        let due = due_in_nanos.map_or(Duration::MAX, |nanos| Duration::from_nanos(nanos.max(0).unsigned_abs()));
        let sleep = wanted.min(due);
        (!sleep.is_zero()).then_some(sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(250);

    #[test]
    fn sleeps_grow_to_the_bound_and_start_over() {
        let mut idle = Idle::new(IdlePolicy::Sleep { longest: LONGEST });
        let sleeps: Vec<_> = (0..20).filter_map(|_| idle.next_sleep(None)).collect();
        assert_eq!(sleeps[0], FIRST_SLEEP);
        assert!(sleeps.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(sleeps.last(), Some(&LONGEST));
        idle.awake();
        assert_eq!(idle.next_sleep(None), None);
    }

    #[test]
    fn a_due_packet_shortens_the_sleep() {
        let mut idle = Idle::new(IdlePolicy::Sleep { longest: LONGEST });
        for _ in 0..SPINNING_TURNS + 10 {
            idle.next_sleep(None);
        }
        assert_eq!(idle.next_sleep(Some(7_000)), Some(Duration::from_micros(7)));
        assert_eq!(idle.next_sleep(Some(-1)), None);
    }

    #[test]
    fn spinning_never_sleeps() {
        let mut idle = Idle::new(IdlePolicy::Spin);
        assert!((0..100).all(|_| idle.next_sleep(None).is_none()));
    }
}
