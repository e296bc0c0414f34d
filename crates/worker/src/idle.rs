//! Back-off of a worker that finds nothing to do.
//!
//! A rack spins. A small node naps, a little longer with every empty turn, but never past the next packet that is due, nor
//! past what its queues buffer; and where all that it waits for can wake it, it sleeps in the end until something does.

use std::time::Duration;

/// What to do on an empty turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Busy polling: lowest latency, a whole core.
    Spin,
    /// Nap between empty turns, at most this long.
    Sleep {
        /// Longest nap.
        longest: Duration,
    },
    /// Some naps, then sleep until a packet, a command or a grain ends it. Naps go on where one of these cannot.
    Event {
        /// Longest nap.
        longest: Duration,
    },
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Turn again at once.
    Spin,
    /// Be away for so long.
    Nap(Duration),
    /// Sleep until something happens, at most so long; where that cannot be, the nap.
    Sleep {
        /// The longest sleep.
        longest: Duration,
        /// What to do where nothing would end it.
        or_nap: Duration,
    },
}

/// The state of the back-off.
#[derive(Debug)]
pub struct Idle {
    policy: IdlePolicy,
    empty_turns: u32,
}

/// Empty turns that only spin, before the first nap.
const SPINNING_TURNS: u32 = 8;

/// The first nap; each further one doubles.
const FIRST_NAP: Duration = Duration::from_micros(20);

/// Naps before the first sleep: 20 to 320 µs. While packets come every few microseconds, being woken by each would cost more
/// than looking for some of them at once.
const NAPS: u32 = 5;

/// The longest sleep: consumers that join or leave a ring ring no bell. Each wake of a virtual machine's core takes some 60 µs
/// of it, so a hundred a second would be most of what an idle worker takes.
const LONGEST_SLEEP: Duration = Duration::from_millis(40);

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

    /// What to do after one more empty turn, when the next packet is due in `due_in_nanos`.
    pub fn next(&mut self, due_in_nanos: Option<i64>) -> Rest {
        let (longest, sleeps) = match self.policy {
            IdlePolicy::Spin => return Rest::Spin,
            IdlePolicy::Sleep { longest } => (longest, false),
            IdlePolicy::Event { longest } => (longest, true),
        };
        self.empty_turns = self.empty_turns.saturating_add(1);
        let Some(step) = self.empty_turns.checked_sub(SPINNING_TURNS) else { return Rest::Spin };
        let due = due_in_nanos.map_or(Duration::MAX, |nanos| Duration::from_nanos(nanos.max(0).unsigned_abs()));
        let nap = FIRST_NAP.saturating_mul(1 << step.min(16)).min(longest).min(due);
        if nap.is_zero() {
            Rest::Spin
        } else if sleeps && step >= NAPS {
            Rest::Sleep { longest: LONGEST_SLEEP.min(due), or_nap: nap }
        } else {
            Rest::Nap(nap)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(250);

    fn rests(policy: IdlePolicy, due_in_nanos: Option<i64>) -> Vec<Rest> {
        let mut idle = Idle::new(policy);
        (0..24).map(|_| idle.next(due_in_nanos)).skip(SPINNING_TURNS as usize - 1).collect()
    }

    #[test]
    fn naps_grow_to_the_bound_and_start_over() {
        let mut idle = Idle::new(IdlePolicy::Sleep { longest: LONGEST });
        let naps: Vec<_> = (0..20).map(|_| idle.next(None)).skip_while(|rest| *rest == Rest::Spin).collect();
        let micros = [20, 40, 80, 160, 250, 250].map(|micros| Rest::Nap(Duration::from_micros(micros)));
        assert_eq!((naps.len(), &naps[..6]), (13, &micros[..]));
        idle.awake();
        assert_eq!(idle.next(None), Rest::Spin);
    }

    #[test]
    fn what_can_be_woken_naps_first_and_then_sleeps() {
        let rests = rests(IdlePolicy::Event { longest: LONGEST }, None);
        let naps = rests.iter().filter(|rest| matches!(rest, Rest::Nap(_))).count();
        assert_eq!(naps, NAPS as usize);
        assert!(rests[naps..].iter().all(|rest| *rest == Rest::Sleep { longest: LONGEST_SLEEP, or_nap: LONGEST }));
    }

    #[test]
    fn a_due_packet_shortens_every_rest() {
        let due = Duration::from_micros(7);
        for policy in [IdlePolicy::Sleep { longest: LONGEST }, IdlePolicy::Event { longest: LONGEST }] {
            for rest in rests(policy, Some(7_000)) {
                assert!(rest == Rest::Nap(due) || rest == Rest::Sleep { longest: due, or_nap: due }, "{rest:?}");
            }
            assert!(rests(policy, Some(-1)).iter().all(|rest| *rest == Rest::Spin));
        }
    }

    #[test]
    fn spinning_never_rests() {
        assert!(rests(IdlePolicy::Spin, None).iter().all(|rest| *rest == Rest::Spin));
    }
}
