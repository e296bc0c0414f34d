//! Relays as engines are told of them, and what their forwarders are told of the headers.

use std::sync::Arc;

use control::{Numbers, RelaySpec, Rewriting};
use media::{Name, SeqNum, Ssrc};
use netio::PacketBuf;
use worker::{
    HeardLegCounters, InputCounters, Leg, ReceiverKey, Relay, RelayConfig, RelayCounters, Rewrite, Timestamps,
};

use super::way::{Way, admitted};

/// A relay to be served.
#[derive(Clone, Copy, Debug)]
pub struct RelayOrder<'a> {
    /// Its name among all receivers of this gateway, never used twice.
    pub key: ReceiverKey,
    /// What was asked for.
    pub spec: &'a RelaySpec,
    /// The port that it was placed on; `None` for the kernel's choice.
    pub port: Option<&'a Name>,
    /// The port of its second leg.
    pub second_port: Option<&'a Name>,
}

impl<'a> RelayOrder<'a> {
    /// The ways by which its packets come.
    #[must_use]
    pub fn ways(&self) -> Vec<Way<'a>> {
        Way::of_relay(self.spec, [self.port, self.second_port])
    }

    /// Packets that it keeps at most, beside those of one turn.
    #[must_use]
    pub fn backlog_packets(&self) -> u16 {
        config(self.spec).backlog_packets
    }

    /// The relay, of what comes in by `legs`.
    #[must_use]
    pub fn build<B: PacketBuf>(&self, legs: impl Into<Box<[Leg]>>) -> Relay<B> {
        let config = RelayConfig { sources: admitted(&self.ways()), ..config(self.spec) };
        Relay::new(self.key, legs, &config)
    }
}

/// What the worker is told, but for the sources.
fn config(spec: &RelaySpec) -> RelayConfig {
    RelayConfig {
        sources: Vec::new(),
        clock_hz: spec.clock_hz,
        backlog_packets: spec.backlog_packets.unwrap_or(RelaySpec::DEFAULT_BACKLOG_PACKETS),
        backlog_nanos: i64::from(spec.backlog_ms.unwrap_or(RelaySpec::DEFAULT_BACKLOG_MS)) * 1_000_000,
    }
}

/// Packets that a relay keeps at most for senders that do not take them.
#[cfg(feature = "dpdk")]
pub(crate) fn packets_kept(spec: &RelaySpec) -> u32 {
    let kept = config(spec).packets_max(1 + usize::from(spec.second.is_some()));
    u32::try_from(kept).unwrap_or(u32::MAX)
}

/// A relay that an engine serves.
#[derive(Clone, Debug)]
pub struct Relaying {
    /// Its counters.
    pub counters: Arc<RelayCounters>,
    /// What each of its legs brings; empty where there is one only.
    pub legs: Vec<Arc<HeardLegCounters>>,
    /// Those of its queues, where it has queues of its own.
    pub inputs: Vec<Arc<InputCounters>>,
    /// What status should warn of as long as it is there.
    pub warning: Option<String>,
}

/// What a forwarder is told of the headers.
#[must_use]
pub(super) fn rewrite(rewriting: &Rewriting, ssrc: Ssrc, first_sequence: u32) -> Rewrite {
    Rewrite {
        payload_type: rewriting.payload_type,
        ssrc: (rewriting.ssrc == Numbers::Own).then_some(ssrc),
        first_sequence: (rewriting.sequence == Numbers::Own).then_some(SeqNum(first_sequence as u16)),
        timestamps: match rewriting.timestamp {
            Numbers::Own => Timestamps::Continue,
            Numbers::Source => Timestamps::Keep,
        },
    }
}
