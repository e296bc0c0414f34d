//! Whether a worker turns: its turns are counted, and a count that does not move is a worker that stands still.
//!
//! A standstill is told twice: while it lasts (nobody serves the worker's flows), and how long it was when it is over. A
//! worker tells the second of itself, so that one too short for us to see is told as well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{PulseStatus, SpanStatus};
use worker::{PulseCounters, SpanCounts, WorkerCounters};

/// Without a turn for so long, beyond a rest that it means to take, a worker counts as standing still. The host of a
/// virtual machine takes a core away for 50 ms; nobody could do anything about that while it lasts.
const STILL: Duration = Duration::from_millis(200);

/// Follows one worker.
pub(super) struct Heartbeat {
    counters: Arc<WorkerCounters>,
    pulse: Arc<PulseCounters>,
    /// The turns at the last look, and when they last moved.
    turns: u64,
    moved: Instant,
    is_still: bool,
    standstills: u64,
}

/// What an operator should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// It does not turn, and has not for so long.
    Still(Duration),
    /// It turns again.
    Again,
    /// It stood still, so often since the last look and so long the last time.
    Stood { times: u64, last: Duration },
}

impl Heartbeat {
    pub(super) fn new(counters: Arc<WorkerCounters>, pulse: Arc<PulseCounters>, now: Instant) -> Self {
        Self { counters, pulse, turns: 0, moved: now, is_still: false, standstills: 0 }
    }

    /// Looks now; tells what is news.
    pub(super) fn look(&mut self, now: Instant) -> Option<Beat> {
        let turns = self.counters.turns.value();
        if turns != self.turns {
            (self.turns, self.moved) = (turns, now);
        }
        let still = self.still_for(now);
        let was_still = std::mem::replace(&mut self.is_still, still.is_some());
        let stood = self.stood();
        match (was_still, still) {
            (false, Some(still)) => Some(Beat::Still(still)),
            (true, None) => Some(stood.unwrap_or(Beat::Again)),
            _ => stood,
        }
    }

    fn stood(&mut self) -> Option<Beat> {
        let now = &self.pulse.now;
        let times = now.standstills.value();
        let before = std::mem::replace(&mut self.standstills, times);
        let last = Duration::from_nanos(now.last_standstill_nanos.value());
        (times != before).then(|| Beat::Stood { times: times.wrapping_sub(before), last })
    }

    /// How long it has stood still, where it does.
    fn still_for(&self, now: Instant) -> Option<Duration> {
        if self.counters.turns.value() != self.turns {
            return None;
        }
        let rest = Duration::from_nanos(self.pulse.now.rest_nanos.value());
        let silent = now.saturating_duration_since(self.moved);
        silent.checked_sub(rest).filter(|still| *still >= STILL)
    }

    pub(super) fn status(&self, now: Instant) -> PulseStatus {
        let (look, standing) = (self.pulse.look(), &self.pulse.now);
        PulseStatus {
            still: self.still_for(now),
            standstills: standing.standstills.value(),
            longest_standstill_ns: standing.longest_standstill_nanos.value(),
            turns: spans(&look.turns),
            rests: spans(&look.rests),
        }
    }
}

fn spans(counts: &SpanCounts) -> SpanStatus {
    SpanStatus {
        sum_ns: counts.sum_nanos,
        median_ns: counts.quantile_nanos(500_000),
        p99_ns: counts.quantile_nanos(990_000),
        p999_ns: counts.quantile_nanos(999_000),
        longest_ns: counts.longest_nanos,
        by_power_of_two: counts.counts.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stage {
        counters: Arc<WorkerCounters>,
        pulse: Arc<PulseCounters>,
        heartbeat: Heartbeat,
        start: Instant,
    }

    impl Stage {
        fn new() -> Self {
            let (counters, pulse, start): (Arc<WorkerCounters>, Arc<PulseCounters>, _) =
                (Arc::default(), Arc::default(), Instant::now());
            let heartbeat = Heartbeat::new(Arc::clone(&counters), Arc::clone(&pulse), start);
            Self { counters, pulse, heartbeat, start }
        }

        fn look(&mut self, ms: u64) -> Option<Beat> {
            self.heartbeat.look(self.start + Duration::from_millis(ms))
        }

        fn still(&self, ms: u64) -> Option<Duration> {
            self.heartbeat.status(self.start + Duration::from_millis(ms)).still
        }
    }

    #[test]
    fn a_worker_that_stops_turning_is_told_once_and_again_when_it_goes_on() {
        let mut stage = Stage::new();
        stage.counters.turns.add(5);
        assert_eq!(stage.look(100), None);
        assert_eq!((stage.look(299), stage.still(299)), (None, None));
        assert_eq!(stage.look(300), Some(Beat::Still(Duration::from_millis(200))));
        assert_eq!((stage.look(900), stage.still(900)), (None, Some(Duration::from_millis(800))));
        stage.counters.turns.add(1);
        assert_eq!(stage.still(1000), None, "also before the next look");
        assert_eq!(stage.look(1000), Some(Beat::Again));
        assert_eq!(stage.look(1100), None);
    }

    #[test]
    fn a_standstill_too_short_to_be_seen_is_told_afterwards() {
        let mut stage = Stage::new();
        for ms in [50, 100] {
            stage.counters.turns.add(1);
            assert_eq!(stage.look(ms), None);
        }
        stage.pulse.now.last_standstill_nanos.set(104_000_000);
        stage.pulse.now.standstills.add(2);
        stage.counters.turns.add(1);
        assert_eq!(stage.look(150), Some(Beat::Stood { times: 2, last: Duration::from_millis(104) }));
        assert_eq!(stage.look(200), None);
    }

    #[test]
    fn a_rest_that_is_meant_is_no_standstill() {
        let mut stage = Stage::new();
        stage.counters.turns.add(1);
        stage.look(0);
        stage.pulse.now.rest_nanos.set(1_000_000_000);
        assert_eq!(stage.look(1_100), None);
        assert_eq!(stage.look(1_200), Some(Beat::Still(STILL)));
        stage.pulse.now.rest_nanos.set(u64::MAX);
        assert_eq!(stage.still(100_000), None);
    }
}
