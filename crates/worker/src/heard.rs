//! A stream as it is heard, on one leg or on several (ST 2022-7).

use std::sync::Arc;

use media::{ExtSeqNum, Tai};
use rtp::{Arrival, Heard, Merge, RtpHeader};

use crate::counters::HeardLegCounters;

/// After so long without a packet another leg carries what belongs to no followed stream.
const SILENT_NANOS: i64 = 250_000_000;

/// The sequence of one stream, and what each leg brings of it.
#[derive(Debug)]
pub(crate) struct HeardLegs {
    merge: Merge,
    lost_before: u64,
    /// One for each leg where there are several.
    counters: Box<[Arc<HeardLegCounters>]>,
    /// The leg by which packets go on that have no place in the sequence, so that no copy can be told.
    carrier: u8,
    carrier_heard_at: Tai,
}

impl HeardLegs {
    /// A stream on so many legs. What it needs is allocated here.
    pub(crate) fn new(legs: usize) -> Self {
        let counted = if legs > 1 { legs } else { 0 };
        let counters = (0..counted).map(|_| Arc::default()).collect();
        Self { merge: Merge::new(legs), lost_before: 0, counters, carrier: 0, carrier_heard_at: Tai::EPOCH }
    }

    /// What each leg brings, for whoever reports it; empty where there is one leg.
    pub(crate) fn counters(&self) -> Vec<Arc<HeardLegCounters>> {
        self.counters.to_vec()
    }

    /// Another SSRC begins; what was lost of the one before stays lost.
    pub(crate) fn begin(&mut self) {
        self.lost_before += self.merge.counters().lost();
        self.merge.reset();
    }

    /// Takes the next packet's number.
    #[inline]
    pub(crate) fn observe(&mut self, leg: u8, header: &RtpHeader, arrival: Tai, now: Tai) -> (ExtSeqNum, Arrival) {
        if leg == self.carrier {
            self.carrier_heard_at = now;
        }
        let heard = Heard { sequence: header.sequence, timestamp: header.timestamp, arrival };
        self.merge.observe(usize::from(leg), heard, now)
    }

    /// Packets that never came by any leg, of all that was followed.
    pub(crate) fn lost(&self) -> u64 {
        self.lost_before + self.merge.counters().lost()
    }

    /// Whether more than one leg brings the stream now, so that what is missing may still come.
    pub(crate) fn is_protected(&self, now: Tai) -> bool {
        self.counters.len() > 1 && self.merge.following(now) > 1
    }

    /// Whether a packet that came by `leg` and has no place in the sequence is the only copy that counts: one leg carries
    /// all of those, until it is silent.
    pub(crate) fn carries(&mut self, leg: u8, now: Tai) -> bool {
        if leg != self.carrier && now.nanos_since(self.carrier_heard_at).saturating_abs() > SILENT_NANOS {
            self.carrier = leg;
        }
        if leg == self.carrier {
            self.carrier_heard_at = now;
        }
        leg == self.carrier
    }

    /// Publishes what each leg has brought.
    #[inline]
    pub(crate) fn mirror(&self) {
        for (at, counters) in self.counters.iter().enumerate() {
            let Some(leg) = self.merge.leg(at) else { continue };
            counters.packets.set(leg.packets);
            counters.packets_lost.set(leg.lost());
            counters.behind_ns.set(leg.behind_nanos);
        }
    }
}
