//! Which grain goes next, and when: after the source's own timing, or on the grid of TAI × rate.

use media::{GrainIndex, Rate, RtpTimestamp, Tai, VIDEO_CLOCK_HZ, grain_index_nearest, grain_start, rtp_timestamp};
use shm::{FrameReader, GrainLease, ReadError};
use st2110::{Decision, FrameSync, Schedule};

use crate::counters::SenderCounters;

/// When grains go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderTiming {
    /// Each as it comes, under the source's RTP timestamps.
    Source,
    /// One per tick of the grid, under the grid's timestamps: a frame synchroniser.
    Grid,
}

/// Grains that wait before the synchroniser begins.
const SYNC_DEPTH: u32 = 1;

/// Sightings that are remembered: more than a reader may hold of a ring at rest.
const SIGHTINGS: usize = 8;

/// A leased grain and its place in time.
pub(super) struct Picked {
    pub(super) lease: GrainLease,
    pub(super) t_vd: Tai,
    pub(super) timestamp: RtpTimestamp,
}

/// Picks grains for one sender.
pub(super) struct Picker {
    timing: SenderTiming,
    sightings: Sightings,
    sync: FrameSync,
    last_tick: Option<GrainIndex>,
    /// The last grain, kept to be sent again.
    kept: Option<GrainLease>,
}

impl Picker {
    pub(super) fn new(timing: SenderTiming) -> Self {
        Self { timing, sightings: Sightings::default(), sync: FrameSync::new(SYNC_DEPTH), last_tick: None, kept: None }
    }

    /// Drops all that belongs to the source: its leases end.
    pub(super) fn forget(&mut self) {
        *self = Self { last_tick: self.last_tick, ..Self::new(self.timing) };
    }

    /// There was no lease for a grain that was due. What was seen of the source stays true, but the grid begins anew. Returns
    /// whether the same grain is asked for again.
    pub(super) fn refuse(&mut self) -> bool {
        if self.timing == SenderTiming::Grid {
            self.forget();
        }
        self.timing == SenderTiming::Source
    }

    /// Notes when grains appear, also while an earlier one is being sent.
    pub(super) fn observe(&mut self, reader: &FrameReader, now: Tai) {
        if self.timing == SenderTiming::Source
            && let Some(newest) = reader.newest()
        {
            self.sightings.note(newest, now);
        }
    }

    /// The next grain, if it is time for one.
    pub(super) fn pick(
        &mut self,
        reader: &mut FrameReader,
        schedule: &Schedule,
        rate: Rate,
        now: Tai,
        counters: &SenderCounters,
    ) -> Result<Option<Picked>, ReadError> {
        match self.timing {
            SenderTiming::Source => self.pick_source(reader, now),
            SenderTiming::Grid => self.pick_grid(reader, schedule, rate, now, counters),
        }
    }

    fn pick_source(&mut self, reader: &mut FrameReader, now: Tai) -> Result<Option<Picked>, ReadError> {
        let Some(index) = reader.next_available() else { return Ok(None) };
        let lease = reader.lease(index)?;
        let timestamp = lease.stamp().rtp;
        Ok(Some(Picked { lease, t_vd: self.sightings.of(index).unwrap_or(now), timestamp }))
    }

    fn pick_grid(
        &mut self,
        reader: &mut FrameReader,
        schedule: &Schedule,
        rate: Rate,
        now: Tai,
        counters: &SenderCounters,
    ) -> Result<Option<Picked>, ReadError> {
        let tick = tick_at(now, rate);
        // One back is a clock that is steered. Further back it has stepped, and the grid goes on from there.
        if self.last_tick.is_some_and(|last| last == tick || last == tick.next()) {
            return Ok(None);
        }
        self.last_tick = Some(tick);
        let lease = match self.sync.tick(u32::from(reader.waiting())) {
            Decision::Repeat => self.repeat(reader, counters)?,
            Decision::Take { drop } => Some(self.take(reader, drop, counters)?),
        };
        let t_vd = schedule.t_vd(grain_start(tick, rate));
        let timestamp = rtp_timestamp(tick, rate, VIDEO_CLOCK_HZ);
        Ok(lease.map(|lease| Picked { lease, t_vd, timestamp }))
    }

    fn repeat(&self, reader: &mut FrameReader, counters: &SenderCounters) -> Result<Option<GrainLease>, ReadError> {
        let Some(kept) = &self.kept else { return Ok(None) };
        let lease = reader.lease_again(kept)?;
        counters.grains_repeated.add(1);
        Ok(Some(lease))
    }

    fn take(
        &mut self,
        reader: &mut FrameReader,
        drop: u32,
        counters: &SenderCounters,
    ) -> Result<GrainLease, ReadError> {
        for _ in 0..drop {
            if let Some(index) = reader.next_available() {
                reader.skip_to(index.next());
                counters.grains_dropped.add(1);
            }
        }
        let (next, newest) = (reader.next_index(), reader.newest());
        let index = reader.next_available().ok_or(ReadError::NotYet { index: next, newest })?;
        self.kept = None;
        let lease = reader.lease(index)?;
        self.kept = Some(reader.lease_again(&lease)?);
        Ok(lease)
    }

    /// Nanoseconds until the next tick; `None` where the source sets the time.
    pub(super) fn due_in(&self, rate: Rate, now: Tai) -> Option<i64> {
        let next = tick_at(now, rate).next();
        (self.timing == SenderTiming::Grid).then(|| grain_start(next, rate).nanos_since(now))
    }
}

/// The grid's last tick at `now`.
fn tick_at(now: Tai, rate: Rate) -> GrainIndex {
    let nearest = grain_index_nearest(now, rate);
    if grain_start(nearest, rate) > now { GrainIndex(nearest.0.saturating_sub(1)) } else { nearest }
}

/// When the newest grains were first seen open.
#[derive(Debug, Default)]
struct Sightings {
    seen: [Option<(GrainIndex, Tai)>; SIGHTINGS],
    next: usize,
}

impl Sightings {
    fn note(&mut self, index: GrainIndex, now: Tai) {
        let last = self.seen[(self.next + SIGHTINGS - 1) % SIGHTINGS];
        if last.is_some_and(|(seen, _)| seen >= index) {
            return;
        }
        self.seen[self.next] = Some((index, now));
        self.next = (self.next + 1) % SIGHTINGS;
    }

    /// When `index`, or the first grain after it, was seen.
    fn of(&self, index: GrainIndex) -> Option<Tai> {
        let at_or_after = self.seen.iter().flatten().filter(|(seen, _)| *seen >= index);
        at_or_after.min_by_key(|(seen, _)| *seen).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_is_the_one_that_has_begun() {
        let rate = Rate::new(25, 1).unwrap();
        assert_eq!(tick_at(Tai::from_nanos(39_999_999), rate), GrainIndex(0));
        assert_eq!(tick_at(Tai::from_nanos(40_000_000), rate), GrainIndex(1));
        assert_eq!(tick_at(Tai::from_nanos(79_999_999), rate), GrainIndex(1));
    }

    #[test]
    fn a_grain_that_was_not_seen_itself_has_the_time_of_the_next() {
        let mut sightings = Sightings::default();
        for (index, at) in [(5, 100), (6, 200), (6, 250), (9, 300)] {
            sightings.note(GrainIndex(index), Tai::from_nanos(at));
        }
        assert_eq!(sightings.of(GrainIndex(6)), Some(Tai::from_nanos(200)));
        assert_eq!(sightings.of(GrainIndex(7)), Some(Tai::from_nanos(300)));
        assert_eq!(sightings.of(GrainIndex(10)), None);
    }
}
