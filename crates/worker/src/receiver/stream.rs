//! Who sends: the SSRC that a receiver follows, and the order of its packets.

use media::{ExtSeqNum, Rate, Ssrc, Tai};
use rtp::{Arrival, RtpHeader};

use crate::counters::ReceiverCounters;
use crate::heard::HeardLegs;

/// Frame periods of silence after which another SSRC may take the stream over.
const SILENT_PERIODS: i64 = 3;

/// The least such silence: peers burst whole frames, and hosts pause.
const SILENT_NANOS_MIN: i64 = 250_000_000;

/// Whose packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Of the SSRC that is followed.
    Ours,
    /// Of one that may be followed from now on, if its payload is sound.
    Candidate,
    /// Of another, while ours is alive.
    Foreign,
}

/// The followed SSRC and its reception. What an SDP says in `a=ssrc` is no filter: a sender that starts anew has
/// another one, and receivers keep the SDP that they were given.
#[derive(Debug)]
pub(super) struct Stream {
    current: Option<Ssrc>,
    last_packet: Tai,
    silent_nanos: i64,
    legs: HeardLegs,
}

impl Stream {
    pub(super) fn new(rate: Rate) -> Self {
        let silent_nanos = rate.period_nanos().saturating_mul(SILENT_PERIODS).max(SILENT_NANOS_MIN);
        Self { current: None, last_packet: Tai::EPOCH, silent_nanos, legs: HeardLegs::new(1) }
    }

    /// Is heard on so many legs. Before the first packet.
    pub(super) fn on_legs(&mut self, legs: usize) {
        self.legs = HeardLegs::new(legs);
    }

    /// Its legs.
    #[inline]
    pub(super) const fn legs(&self) -> &HeardLegs {
        &self.legs
    }

    /// Whether that SSRC is followed.
    #[inline]
    pub(super) fn follows(&self, ssrc: Ssrc) -> bool {
        self.current == Some(ssrc)
    }

    #[inline]
    pub(super) fn identify(&self, ssrc: Ssrc, now: Tai) -> Identity {
        match self.current {
            Some(current) if current == ssrc => Identity::Ours,
            // A clock that has stepped back says nothing about the silence: then, too, it may be another's turn.
            Some(_) if now.nanos_since(self.last_packet).saturating_abs() <= self.silent_nanos => Identity::Foreign,
            _ => Identity::Candidate,
        }
    }

    /// Follows `ssrc` from now on; returns whether it replaces another.
    pub(super) fn adopt(&mut self, ssrc: Ssrc) -> bool {
        self.legs.begin();
        self.current.replace(ssrc).is_some()
    }

    /// Takes the next packet's number, and mirrors the statistics.
    #[inline]
    pub(super) fn observe(
        &mut self,
        leg: u8,
        header: &RtpHeader,
        arrival: Tai,
        now: Tai,
        counters: &ReceiverCounters,
    ) -> (ExtSeqNum, Arrival) {
        self.last_packet = now;
        let observed = self.legs.observe(leg, header, arrival, now);
        if observed.1 != Arrival::InOrder {
            self.count(observed.1, counters);
        }
        observed
    }

    #[cold]
    fn count(&self, arrival: Arrival, counters: &ReceiverCounters) {
        counters.packets_lost.set(self.legs.lost());
        match arrival {
            Arrival::Reordered => counters.reordered.add(1),
            Arrival::Restarted => counters.sequence_restarts.add(1),
            _ => {}
        }
    }
}
