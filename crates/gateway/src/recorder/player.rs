//! Grains into a ring, each at its time.

use std::thread;
use std::time::{Duration, Instant};

use control::ReplayTiming;
use media::recording::Entry;
use media::{Clock, GrainIndex, Tai, grain_index_nearest, grain_start};
use shm::{FrameWriter, GrainEnd, OpenError};

use crate::clock::TaiClock;

/// Between two looks at the ring's consumers.
const TURN: Duration = Duration::from_millis(1);
/// Rows that are published at a time.
const STRIPE_ROWS: u16 = 64;
/// What is more between two grains is no gap: the recorded clock was set.
const GAP_SECONDS_MAX: u64 = 10;
/// What is later than this is not made up for: the clock was set, or the machine stood still.
const LATE_NANOS_MAX: i64 = 1_000_000_000;

/// See the module.
pub(super) struct Player {
    writer: FrameWriter,
    clock: TaiClock,
    timing: ReplayTiming,
    /// The last grain: its index as recorded and as played, and when that was.
    last: Option<(GrainIndex, GrainIndex, Instant)>,
}

/// Where a grain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    recorded: GrainIndex,
    /// Its index in the flow.
    pub(super) index: GrainIndex,
    /// When it begins.
    pub(super) at: Tai,
}

impl Player {
    pub(super) fn new(writer: FrameWriter, clock: TaiClock, timing: ReplayTiming) -> Self {
        Self { writer, clock, timing, last: None }
    }

    /// Where a grain goes that comes after the last one that was placed.
    pub(super) fn place(&self, entry: &Entry) -> Place {
        let rate = self.writer.geometry().format.rate();
        let nearest = grain_index_nearest(self.clock.now(), rate);
        let index = match self.last {
            None => GrainIndex(nearest.0 + 2),
            Some((recorded, played, _)) => {
                let most = GAP_SECONDS_MAX * u64::from(rate.num()) / u64::from(rate.den());
                let step = match self.timing {
                    ReplayTiming::Recorded => entry.index.0.saturating_sub(recorded.0),
                    ReplayTiming::Dense => 1,
                };
                let step = if (1..=most).contains(&step) { step } else { 1 };
                let index = GrainIndex(played.0 + step);
                let late = self.clock.now().nanos_since(grain_start(index, rate));
                if late > LATE_NANOS_MAX { GrainIndex(nearest.0.max(index.0)) } else { index }
            }
        };
        Place { recorded: entry.index, index, at: grain_start(index, rate) }
    }

    /// Notes that the grain has had its time, whether it was played or not.
    pub(super) fn passed(&mut self, place: Place) {
        self.last = Some((place.recorded, place.index, Instant::now()));
    }

    /// Looks after the consumers for a moment, at most until `at`. Returns whether that time has come.
    pub(super) fn turn_until(&mut self, place: Place) -> bool {
        let now = self.clock.now();
        self.writer.poll(now);
        let left = place.at.nanos_since(now);
        if left <= 0 || self.has_waited_enough(place) {
            return true;
        }
        thread::sleep(TURN.min(Duration::from_nanos(left.unsigned_abs())));
        false
    }

    /// Whether the clock was set back: then grains come a period after one another, by the counter.
    fn has_waited_enough(&self, place: Place) -> bool {
        let rate = self.writer.geometry().format.rate();
        self.last.is_some_and(|(_, played, at)| {
            let apart = grain_start(place.index, rate).nanos_since(grain_start(played, rate)).max(0);
            at.elapsed() > Duration::from_nanos(apart.unsigned_abs()) + Duration::from_secs(1)
        })
    }

    /// How late the grain is.
    pub(super) fn lateness(&self, place: Place) -> Duration {
        Duration::from_nanos(self.clock.now().nanos_since(place.at).max(0).unsigned_abs())
    }

    /// Writes a grain. Its lost lines are lost again.
    ///
    /// # Errors
    /// [`OpenError`]: nobody sees it.
    pub(super) fn play(&mut self, place: Place, entry: &Entry, octets: &[u8]) -> Result<(), OpenError> {
        let now = self.clock.now();
        let stamp = self.writer.geometry().stamp_of(place.index);
        let key = self.writer.open(place.index, stamp, now)?;
        entry.lost.iter().for_each(|line| self.writer.mark_lost(key, *line));
        let (rows, row_octets) = (self.writer.geometry().slices, self.writer.geometry().slice_octets);
        for start in (0..rows).step_by(STRIPE_ROWS.into()) {
            let end = start.saturating_add(STRIPE_ROWS).min(rows);
            let from = usize::from(start) * row_octets as usize;
            // The recording's format is the ring's, so both are as long.
            if let (Ok(lines), Some(octets)) = (self.writer.lines_mut(key, start..end), octets.get(from..)) {
                let length = lines.len().min(octets.len());
                lines[..length].copy_from_slice(&octets[..length]);
            }
            self.writer.publish(key, end);
        }
        let end = GrainEnd { first_arrival: now, last_arrival: self.clock.now(), octets: None };
        self.writer.commit(key, end);
        Ok(())
    }

    /// Stays for two periods, so that readers finish the last grain before the flow ends.
    pub(super) fn linger(&mut self) {
        let period = self.writer.geometry().format.rate().period_nanos().unsigned_abs();
        let begun = Instant::now();
        let long = Duration::from_nanos(2 * period).clamp(Duration::from_millis(50), Duration::from_secs(1));
        while begun.elapsed() < long {
            let now = self.clock.now();
            self.writer.poll(now);
            thread::sleep(TURN);
        }
    }
}
