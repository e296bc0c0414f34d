//! How many packets a leg may send now, and what came of it.

use media::{Clock, Tai};
use netio::Counter;
use st2110::{Bucket, Schedule};

use super::active::Book;
use crate::counters::SenderCounters;

/// What paces a leg.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    schedule: Schedule,
    bucket: Bucket,
    is_free: bool,
}

impl Pacer {
    /// Holds a leg to `schedule` and `bucket`; one that is free is only measured.
    pub(super) const fn new(schedule: Schedule, bucket: Bucket, is_free: bool) -> Self {
        Self { schedule, bucket, is_free }
    }

    /// C_MAX.
    pub(super) const fn c_max(&self) -> u32 {
        self.bucket.c_max()
    }

    /// Packets that may be sent at `now`, those that wait already included.
    #[inline]
    pub(super) fn room(&mut self, now: Tai) -> u32 {
        if self.is_free { u32::MAX } else { self.bucket.room(now) }
    }

    /// Packets of a grain with `t_vd` whose time has come.
    #[inline]
    pub(super) fn due(&self, now: Tai, t_vd: Tai) -> u32 {
        if self.is_free { self.schedule.packets() } else { self.schedule.due(now, t_vd) }
    }

    /// Nanoseconds until packet `next` may go; none when nobody can say.
    pub(super) fn wait_nanos(&mut self, next: u32, t_vd: Tai, now: Tai) -> Option<i64> {
        if self.is_free {
            return None;
        }
        let nanos = self.schedule.at(next, t_vd).nanos_since(now).max(self.bucket.wait_nanos(now));
        (nanos > 0).then_some(nanos)
    }

    /// A queue has taken `packets`, of which `first` of the grain with `t_vd` was the first.
    ///
    /// They fall into the bucket when the queue has them, not when they were found to be due: what was on the wire earlier has
    /// drained more than that, never less, however long the turn took.
    #[inline]
    pub(super) fn sent<C: Clock>(&mut self, packets: u32, (first, t_vd): (u32, Tai), book: &Book<'_, C>) {
        // One that is free bunches whatever it may: the time of every burst would cost it more than it tells.
        let now = if self.is_free { book.watch.now() } else { book.watch.look() };
        let counters = book.counters;
        let level = self.bucket.put(packets, now);
        if u64::from(level) > counters.bunched_largest.value() {
            counters.bunched_largest.set(level.into());
        }
        counters.packets_over_c_max.add(level.saturating_sub(self.bucket.c_max()).min(packets).into());
        let late_nanos = now.nanos_since(self.schedule.at(first, t_vd));
        match u64::try_from(late_nanos) {
            Ok(nanos) => {
                book.lateness.note_many(nanos, packets.into());
                bucket(counters, nanos).add(packets.into());
            }
            Err(_) => counters.packets_early.add(packets.into()),
        }
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
