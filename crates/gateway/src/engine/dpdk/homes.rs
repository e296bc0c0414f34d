//! Whom the engine serves, and where.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use worker::{ReceiverKey, SenderKey};

use super::rules::Steered;
use crate::pool::WorkerIndex;

/// By key, as the data plane names them.
#[derive(Default)]
pub(super) struct Homes {
    pub(super) receivers: BTreeMap<ReceiverKey, ReceiverHome>,
    pub(super) relays: BTreeMap<ReceiverKey, ReceiverHome>,
    /// Packets that each relay may keep.
    pub(super) backlogs: BTreeMap<ReceiverKey, u32>,
    pub(super) senders: BTreeMap<SenderKey, SenderHome>,
}

/// Where a receiver or a relay is.
#[derive(Clone, Debug)]
pub(super) struct ReceiverHome {
    /// Its ways; there is one at least.
    pub(super) ways: Vec<HeardWay>,
    /// What it was placed for.
    pub(super) packets_per_second: u64,
}

impl Homes {
    /// The ways of a receiver or a relay.
    pub(super) fn ways_of(&self, key: ReceiverKey) -> Vec<HeardWay> {
        let home = self.receivers.get(&key).or_else(|| self.relays.get(&key));
        home.map(|home| home.ways.clone()).unwrap_or_default()
    }

    /// Packets that the relays of a port's lane may keep.
    pub(super) fn backlog_of(&self, port: usize, lane: usize) -> u64 {
        let is_there = |way: &HeardWay| (way.port, way.lane) == (port, lane);
        let is_heard = |key: &ReceiverKey| self.relays.get(key).is_some_and(|home| home.ways.iter().any(is_there));
        self.backlogs.iter().filter(|(key, _)| is_heard(key)).map(|(_, packets)| u64::from(*packets)).sum()
    }
}

impl ReceiverHome {
    /// The ports of all its ways with the lane of each, each once.
    pub(super) fn lanes(&self) -> Vec<(usize, usize)> {
        let mut lanes: Vec<(usize, usize)> = self.ways.iter().map(|way| (way.port, way.lane)).collect();
        lanes.dedup();
        lanes
    }

    /// The port of its first way.
    pub(super) fn port(&self) -> usize {
        self.ways.first().map_or(0, |way| way.port)
    }
}

/// What a port listens to for a receiver or a relay.
#[derive(Clone, Debug)]
pub(super) struct HeardWay {
    /// Among the engine's ports.
    pub(super) port: usize,
    /// The lane of the port whose queue brings it.
    pub(super) lane: usize,
    pub(super) destination: SocketAddr,
    pub(super) sources: Vec<IpAddr>,
    /// False once that has been taken back.
    pub(super) is_listening: bool,
    /// How it comes to that queue.
    pub(super) steered: Steered,
}

impl HeardWay {
    /// The same, with the rule, which stays nowhere else.
    pub(super) fn taken(&mut self) -> Self {
        Self { steered: std::mem::replace(&mut self.steered, Steered::AsItComes), ..self.clone() }
    }
}

/// Where a sender is, and what it was placed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct SenderHome {
    /// Among the engine's ports.
    pub(super) port: usize,
    /// That of its second leg.
    pub(super) second: Option<usize>,
    /// Where it is while it does not forward.
    pub(super) worker: WorkerIndex,
    /// Where its packets are sent while it does: the relay's.
    pub(super) forwarded_by: Option<WorkerIndex>,
    pub(super) packets_per_second: u64,
}
