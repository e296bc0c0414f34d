//! Which SSRC a relay follows, and the order of its packets.

use media::{ExtSeqNum, RtpTimestamp, Ssrc, Tai};
use rtp::{Arrival, RtpHeader};

use crate::counters::RelayCounters;
use crate::heard::HeardLegs;

/// Silence after which another SSRC may take the stream over, nanoseconds. Still longer than slow streams pause.
const SILENT_NANOS: i64 = 1_000_000_000;

/// Whose packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Of the SSRC that is followed.
    Ours,
    /// Of one that is followed from now on.
    Candidate,
    /// Of another, while ours is alive.
    Foreign,
}

/// The followed SSRC and its reception.
#[derive(Debug)]
pub(super) struct Stream {
    current: Option<Ssrc>,
    last_packet: Tai,
    last_timestamp: Option<RtpTimestamp>,
    legs: HeardLegs,
    run: u32,
}

impl Stream {
    pub(super) fn new(legs: usize) -> Self {
        let legs = HeardLegs::new(legs);
        Self { current: None, last_packet: Tai::EPOCH, last_timestamp: None, legs, run: 0 }
    }

    /// Its legs.
    pub(super) const fn legs(&self) -> &HeardLegs {
        &self.legs
    }

    /// As [`HeardLegs::carries`].
    #[inline]
    pub(super) fn carries(&mut self, leg: u8, now: Tai) -> bool {
        self.legs.carries(leg, now)
    }

    #[inline]
    pub(super) fn identify(&self, ssrc: Ssrc, now: Tai) -> Identity {
        match self.current {
            Some(current) if current == ssrc => Identity::Ours,
            // A clock that has stepped back says nothing about the silence: then, too, it may be another's turn.
            Some(_) if now.nanos_since(self.last_packet).saturating_abs() <= SILENT_NANOS => Identity::Foreign,
            _ => Identity::Candidate,
        }
    }

    /// Follows `ssrc` from now on; returns whether it replaces another.
    #[cold]
    pub(super) fn adopt(&mut self, ssrc: Ssrc) -> bool {
        self.legs.begin();
        self.begin_run();
        self.current.replace(ssrc).is_some()
    }

    fn begin_run(&mut self) {
        self.run = self.run.wrapping_add(1);
        self.last_timestamp = None;
    }

    /// Counts changes of the SSRC and restarts.
    #[inline]
    pub(super) const fn run(&self) -> u32 {
        self.run
    }

    /// Takes the next packet's number, and mirrors the statistics.
    #[inline]
    pub(super) fn observe(
        &mut self,
        leg: u8,
        header: &RtpHeader,
        arrival: Tai,
        now: Tai,
        counters: &RelayCounters,
    ) -> (ExtSeqNum, Arrival) {
        self.last_packet = now;
        let observed = self.legs.observe(leg, header, arrival, now);
        match observed.1 {
            Arrival::InOrder => return observed,
            Arrival::Reordered => counters.reordered.add(1),
            Arrival::Doubtful => counters.doubtful.add(1),
            Arrival::Restarted => {
                counters.sequence_restarts.add(1);
                self.begin_run();
            }
            Arrival::AfterGap(_) | Arrival::Duplicate => {}
        }
        counters.packets_lost.set(self.legs.lost());
        observed
    }

    /// Whether a packet with `timestamp` begins another picture than the packet before it.
    #[inline]
    pub(super) fn begins(&mut self, timestamp: RtpTimestamp) -> bool {
        self.last_timestamp.replace(timestamp) != Some(timestamp)
    }
}
