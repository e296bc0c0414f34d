//! Launch times, where the port sends each packet at its own ([`netio::Pacing::LaunchTime`]).
//!
//! Packets are handed over ahead of their time, no further than [`LOOK_AHEAD_NANOS`]: a queue sends in order, so a packet that
//! waits for its time holds up what others hand over behind it. Every packet's time is T_PRj; what comes too late for that
//! follows the one before it at the rate at which the network drains (ST 2110-21 §7.1), so that nothing is bunched.

use media::Tai;
use st2110::{Bucket, Schedule};

/// How far ahead of its time a packet is handed over, nanoseconds: longer than a worker's turn, far shorter than a line of the
/// slowest picture may be late.
pub(super) const LOOK_AHEAD_NANOS: i64 = 250_000;

/// The launch times of packets that follow one another, from packet `first` of a grain on.
#[derive(Clone, Copy)]
pub(super) struct Launches<'a> {
    schedule: &'a Schedule,
    bucket: &'a Bucket,
    t_vd: Tai,
    first: u32,
    /// Packet `first` does not leave before this.
    not_before: Tai,
}

impl<'a> Launches<'a> {
    pub(super) const fn new(
        (schedule, bucket): (&'a Schedule, &'a Bucket),
        (first, t_vd): (u32, Tai),
        not_before: Tai,
    ) -> Self {
        Self { schedule, bucket, t_vd, first, not_before }
    }

    /// That of `packet`. T_PRj are further apart than packets drain: who has caught up stays so.
    #[inline]
    pub(super) fn at(&self, packet: u32) -> Tai {
        let drained = self.bucket.drain_nanos(packet.saturating_sub(self.first));
        self.schedule.at(packet, self.t_vd).max(self.not_before.plus_nanos(drained))
    }
}

/// When a packet may leave after `last`, the latest that was given a time. Of a time further ahead than any is given the clock
/// has stepped back.
pub(super) fn after(last: Option<Tai>, bucket: &Bucket, now: Tai) -> Tai {
    match last {
        Some(last) if last.nanos_since(now) <= LOOK_AHEAD_NANOS => last.plus_nanos(bucket.drain_nanos(1)).max(now),
        _ => now,
    }
}
