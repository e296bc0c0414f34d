//! How many packets a leg may send now, and what came of it.

use media::Tai;
use netio::{Counter, Pacing};
use st2110::{Bucket, Schedule};

use super::book::Book;
use super::launch::{self, LOOK_AHEAD_NANOS, Launches};
use crate::counters::SenderCounters;

/// The first packet that waits for a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    /// Which one of its grain.
    pub(super) packet: u32,
    /// Its grain's.
    pub(super) t_vd: Tai,
    /// When the port is to send it.
    pub(super) launch: Option<Tai>,
}

impl Front {
    /// Whether `packet` of the grain with `t_vd` comes next behind so many that wait, all in order.
    #[inline]
    pub(super) fn is_followed_by(&self, waiting: usize, packet: u32, t_vd: Tai) -> bool {
        self.packet + waiting as u32 == packet && self.t_vd == t_vd
    }
}

/// What paces a leg.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    schedule: Schedule,
    bucket: Bucket,
    is_free: bool,
    /// The port sends each packet at its time.
    launches: bool,
    /// The latest time that a packet was given.
    last_launch: Option<Tai>,
}

impl Pacer {
    /// Holds a leg to `schedule` and `bucket`; one that is free is only measured.
    pub(super) const fn new(schedule: Schedule, bucket: Bucket, is_free: bool) -> Self {
        Self { schedule, bucket, is_free, launches: false, last_launch: None }
    }

    /// As the port paces. One that is free sends as packets come, whatever the port can.
    pub(super) fn on(self, pacing: Pacing) -> Self {
        Self { launches: pacing == Pacing::LaunchTime && !self.is_free, ..self }
    }

    /// Whether neither schedule nor C_MAX holds it.
    pub(super) const fn is_free(&self) -> bool {
        self.is_free
    }

    /// Whether the port sends each packet at its time.
    pub(super) const fn is_launching(&self) -> bool {
        self.launches
    }

    /// C_MAX.
    pub(super) const fn c_max(&self) -> u32 {
        self.bucket.c_max()
    }

    /// Packets that may be made at `now` beside those that wait for the queue.
    #[inline]
    pub(super) fn room(&mut self, now: Tai, waiting: usize) -> u32 {
        if self.is_free {
            u32::MAX
        } else if self.launches {
            let first = launch::after(self.last_launch, &self.bucket, now);
            let left_nanos = now.plus_nanos(LOOK_AHEAD_NANOS).nanos_since(first);
            if left_nanos < 0 { 0 } else { self.bucket.drained_in(left_nanos).saturating_add(1) }
        } else {
            self.bucket.room(now).saturating_sub(waiting as u32)
        }
    }

    /// The times of packets from `first` of the grain with `t_vd` on, where the port wants them.
    #[inline]
    pub(super) fn launches(&self, first: u32, t_vd: Tai, now: Tai) -> Option<Launches<'_>> {
        let not_before = self.launches.then(|| launch::after(self.last_launch, &self.bucket, now))?;
        Some(Launches::new((&self.schedule, &self.bucket), (first, t_vd), not_before))
    }

    /// A packet was given this time, and none a later one.
    #[inline]
    pub(super) fn launched(&mut self, last: Tai) {
        self.last_launch = Some(last);
    }

    /// Packets of a grain with `t_vd` that are to be handed over.
    #[inline]
    pub(super) fn due(&self, now: Tai, t_vd: Tai) -> u32 {
        if self.is_free { self.schedule.packets() } else { self.schedule.due(now.plus_nanos(self.ahead_nanos()), t_vd) }
    }

    #[inline]
    const fn ahead_nanos(&self) -> i64 {
        if self.launches { LOOK_AHEAD_NANOS } else { 0 }
    }

    /// Nanoseconds until packet `next` may go; none when nobody can say.
    pub(super) fn wait_nanos(&mut self, next: u32, t_vd: Tai, now: Tai) -> Option<i64> {
        if self.is_free {
            return None;
        }
        let schedule = self.schedule.at(next, t_vd).nanos_since(now) - self.ahead_nanos();
        let network = if self.launches {
            launch::after(self.last_launch, &self.bucket, now).nanos_since(now) - LOOK_AHEAD_NANOS
        } else {
            self.bucket.wait_nanos(now)
        };
        let nanos = schedule.max(network);
        (nanos > 0).then_some(nanos)
    }

    /// A queue has taken `packets`, of which the one that `front` tells of was the first; returns what it is to tell of the next.
    ///
    /// They fall into the bucket when the queue has them, not when they were found to be due: what was on the wire earlier has
    /// drained more than that, never less, however long the turn took.
    #[inline]
    pub(super) fn sent<C>(&mut self, packets: u32, front: Front, book: &Book<'_, C>) -> Front {
        let now = book.watch.now();
        let counters = book.counters;
        let (level, leaves) = match front.launch {
            Some(launch) => (self.put_launched(packets, front, now), launch.max(now)),
            None => (self.bucket.put(packets, now), now),
        };
        if u64::from(level) > counters.bunched_largest.value() {
            counters.bunched_largest.set(level.into());
        }
        counters.packets_over_c_max.add(level.saturating_sub(self.bucket.c_max()).min(packets).into());
        let late_nanos = leaves.nanos_since(self.schedule.at(front.packet, front.t_vd));
        match u64::try_from(late_nanos) {
            Ok(nanos) => {
                book.lateness.note_many(nanos, packets.into());
                bucket(counters, nanos).add(packets.into());
            }
            Err(_) => counters.packets_early.add(packets.into()),
        }
        let launch = front.launch.map(|launch| self.from(front, launch).at(front.packet + packets));
        Front { packet: front.packet + packets, launch, ..front }
    }
}

impl Pacer {
    /// The times of the packets from the front on, which leaves no earlier than `not_before`.
    const fn from(&self, front: Front, not_before: Tai) -> Launches<'_> {
        Launches::new((&self.schedule, &self.bucket), (front.packet, front.t_vd), not_before)
    }

    /// The port holds each packet until its time, or sends it at once when that has passed; returns the most that bunches.
    fn put_launched(&mut self, packets: u32, front: Front, now: Tai) -> u32 {
        let not_before = front.launch.unwrap_or(now);
        let mut most = 0;
        for packet in front.packet..front.packet + packets {
            let leaves = self.from(front, not_before).at(packet).max(now);
            most = most.max(self.bucket.put(1, leaves));
        }
        most
    }
}

/// The count of packets that are so late.
#[inline]
const fn bucket(counters: &SenderCounters, nanos: u64) -> &Counter {
    match nanos {
        0..=10_000 => &counters.packets_late_to_10us,
        10_001..=100_000 => &counters.packets_late_to_100us,
        100_001..=1_000_000 => &counters.packets_late_to_1ms,
        1_000_001..=10_000_000 => &counters.packets_late_to_10ms,
        10_000_001..=100_000_000 => &counters.packets_late_to_100ms,
        _ => &counters.packets_late_beyond,
    }
}
