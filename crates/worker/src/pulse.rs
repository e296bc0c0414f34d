//! A worker's pulse: that it turns, how long its turns and its rests are, and when it stood still.
//!
//! A turn is measured from its beginning to the beginning of the next, or to the rest before that: whatever kept the
//! thread is in it (work, an interrupt, another thread on its core). A rest is a sleep on purpose. What a rest takes longer
//! than it was meant to is time in which nobody polled, as is a long turn: both are a standstill from
//! [`STANDSTILL_NANOS`] on.

use std::sync::Arc;

use netio::Counter;

use crate::spans::Spans;

/// A worker that did nothing for so long stood still: three frames at 59.94 per second, half of what the rings of a port
/// hold unless they are told otherwise.
pub const STANDSTILL_NANOS: u64 = 50_000_000;

/// What a worker tells of its turns, read by anyone.
#[derive(Debug, Default)]
pub struct PulseCounters {
    /// Turns by their length.
    pub turns: Spans,
    /// Rests by their length.
    pub rests: Spans,
    /// What rests were longer than they were meant to be.
    pub overslept: Spans,
    /// What the worker does now.
    pub now: Standing,
}

/// What a worker does now, and when it did nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Standing {
    /// Longest that the rest is to be which the worker takes, nanoseconds; 0 while it turns, `u64::MAX` until it is
    /// woken.
    pub rest_nanos: Counter,
    /// Standstills so far.
    pub standstills: Counter,
    /// How long the last standstill was, nanoseconds.
    pub last_standstill_nanos: Counter,
    /// The longest time without a turn that was not meant, nanoseconds.
    pub longest_standstill_nanos: Counter,
}

impl PulseCounters {
    /// How many polls of the worker's queues came later than they were meant to by `nanos`, since it had counted
    /// `earlier`; good to a factor of two. A rest is no delay: it is as short as the queues need it, or a packet ends it.
    #[must_use]
    pub fn late_since(&self, earlier: &PulseLook, nanos: u64) -> u64 {
        self.look().late_since(earlier, nanos)
    }

    /// What was counted so far.
    #[must_use]
    pub fn look(&self) -> PulseLook {
        PulseLook { turns: self.turns.counted(), rests: self.rests.counted(), overslept: self.overslept.counted() }
    }
}

/// What a [`PulseCounters`] had counted at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PulseLook {
    /// Of turns.
    pub turns: crate::spans::SpanCounts,
    /// Of rests.
    pub rests: crate::spans::SpanCounts,
    /// Of what rests were too long.
    pub overslept: crate::spans::SpanCounts,
}

impl PulseLook {
    /// As [`PulseCounters::late_since`], of what had been counted by now.
    #[must_use]
    pub fn late_since(&self, earlier: &Self, nanos: u64) -> u64 {
        self.turns.as_long_since(&earlier.turns, nanos) + self.overslept.as_long_since(&earlier.overslept, nanos)
    }
}

/// The worker's side.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    state: State,
    counters: Arc<PulseCounters>,
}

/// Since when what is done. Readings of [`media::Clock::steady_nanos`].
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    New,
    Turning {
        since: u64,
    },
    Resting {
        since: u64,
        meant: u64,
    },
}

impl Pulse {
    pub(crate) fn counters(&self) -> Arc<PulseCounters> {
        Arc::clone(&self.counters)
    }

    /// A turn begins.
    #[inline]
    pub(crate) fn turn(&mut self, now: u64) {
        match self.state {
            State::Turning { since } => self.end_turn(since, now),
            State::Resting { since, meant } => self.end_rest(since, meant, now),
            State::New => {}
        }
        self.state = State::Turning { since: now };
    }

    /// The turns pause for a rest that is meant to be so long at most.
    #[inline]
    pub(crate) fn rest(&mut self, now: u64, meant: u64) {
        if let State::Turning { since } = self.state {
            self.end_turn(since, now);
        }
        self.counters.now.rest_nanos.set(meant);
        self.state = State::Resting { since: now, meant };
    }

    #[inline]
    fn end_turn(&self, since: u64, now: u64) {
        let nanos = now.saturating_sub(since);
        self.counters.turns.note(nanos);
        if nanos >= STANDSTILL_NANOS {
            self.stood(nanos);
        }
    }

    #[inline]
    fn end_rest(&self, since: u64, meant: u64, now: u64) {
        let nanos = now.saturating_sub(since);
        self.counters.rests.note(nanos);
        self.counters.now.rest_nanos.set(0);
        let over = nanos.saturating_sub(meant);
        if over > 0 {
            self.counters.overslept.note(over);
        }
        if over >= STANDSTILL_NANOS {
            self.stood(over);
        }
    }

    #[cold]
    fn stood(&self, nanos: u64) {
        let Standing { standstills, last_standstill_nanos, longest_standstill_nanos, .. } = &self.counters.now;
        last_standstill_nanos.set(nanos);
        longest_standstill_nanos.set(longest_standstill_nanos.value().max(nanos));
        standstills.add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_turn_lasts_until_the_next_one_or_the_rest_before_it() {
        let mut pulse = Pulse::default();
        let counters = pulse.counters();
        pulse.turn(1_000);
        pulse.turn(1_100);
        pulse.rest(1_400, 10_000);
        assert_eq!(counters.now.rest_nanos.value(), 10_000);
        pulse.turn(13_400);
        assert_eq!(counters.now.rest_nanos.value(), 0);
        let look = counters.look();
        assert_eq!((look.turns.total(), look.turns.sum_nanos, look.turns.longest_nanos), (2, 400, 300));
        assert_eq!((look.rests.total(), look.rests.sum_nanos), (1, 12_000));
        assert_eq!(counters.now.standstills.value(), 0);
    }

    #[test]
    fn a_long_turn_and_a_rest_that_was_not_meant_to_be_so_long_are_standstills() {
        let mut pulse = Pulse::default();
        let counters = pulse.counters();
        pulse.turn(0);
        pulse.turn(100 * MS);
        let stood =
            |counters: &PulseCounters| (counters.now.standstills.value(), counters.now.last_standstill_nanos.value());
        assert_eq!(stood(&counters), (1, 100 * MS));
        pulse.rest(101 * MS, 500 * MS);
        pulse.turn(602 * MS);
        assert_eq!(stood(&counters), (1, 100 * MS), "a rest as long as it was meant to be");
        pulse.rest(603 * MS, 10 * MS);
        pulse.turn(683 * MS);
        assert_eq!(stood(&counters), (2, 70 * MS));
        pulse.rest(684 * MS, u64::MAX);
        pulse.turn(9_000 * MS);
        assert_eq!(stood(&counters), (2, 70 * MS), "a rest until it is woken");
        assert_eq!(counters.now.longest_standstill_nanos.value(), 100 * MS);
    }

    #[test]
    fn polls_that_came_late_are_found_whether_by_a_turn_or_a_rest() {
        let mut pulse = Pulse::default();
        let counters = pulse.counters();
        pulse.turn(0);
        pulse.turn(9 * MS);
        let before = counters.look();
        pulse.turn(10 * MS);
        assert_eq!(counters.late_since(&before, 5 * MS), 0);
        pulse.rest(10 * MS, MS);
        pulse.turn(20 * MS);
        assert_eq!(counters.late_since(&before, 5 * MS), 1);
    }

    #[test]
    fn a_clock_that_steps_back_counts_nothing() {
        let mut pulse = Pulse::default();
        pulse.turn(100 * MS);
        pulse.turn(1);
        assert_eq!(pulse.counters().look().turns.sum_nanos, 0);
    }
}
