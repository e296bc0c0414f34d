//! A port for which the gateway answers: an [`ip::Host`] between the exchange and the paths' questions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ip::{Event, Host, HostConfig, MacAddr};
use media::Tai;

use super::hops::Asked;
use super::journal::conflict;
use super::port_state::PortState;
use super::report::host_counters;
use super::wanted::Sources;

/// Frames in one turn, each way.
const BURST: usize = 64;
/// Questions and events in one turn.
const ITEMS: usize = 32;

/// The gateway's side of one port.
pub(super) struct Answers {
    host: Host,
    started: Instant,
    joined: BTreeMap<IpAddr, Sources>,
    refused: BTreeMap<IpAddr, String>,
    conflicts: BTreeMap<IpAddr, MacAddr>,
    frame: Vec<u8>,
}

impl Answers {
    pub(super) fn new(state: &PortState, now: Instant) -> Self {
        let spec = &state.spec;
        let config = HostConfig {
            mac: spec.mac.into(),
            network: spec.network.clone(),
            vlan: spec.vlan,
            mtu: spec.mtu,
            probe_interval_ns: i64::try_from(spec.probe_interval.as_nanos()).unwrap_or(i64::MAX),
        };
        Self {
            host: Host::new(config, Tai::EPOCH),
            started: now,
            joined: BTreeMap::new(),
            refused: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            frame: Vec::new(),
        }
    }

    /// The host's time: no wall clock, so nothing that sets one makes it answer late or twice.
    fn time(&self, now: Instant) -> Tai {
        let nanos = now.saturating_duration_since(self.started).as_nanos();
        Tai::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// Moves what there is to move, boundedly. True when there was something.
    pub(super) fn turn(&mut self, state: &mut PortState, now: Instant) -> bool {
        let time = self.time(now);
        let asked = self.questions(state, time);
        let received = self.receive(state, time);
        if self.host.next_deadline().is_some_and(|deadline| deadline <= time) {
            self.host.poll(time);
        }
        let told = self.events(state, now);
        let sent = self.send(state);
        asked || received || told || sent
    }

    fn questions(&mut self, state: &mut PortState, time: Tai) -> bool {
        for taken in 0..ITEMS {
            let Some(question) = state.host.request() else { return taken > 0 };
            match state.hops.ask(&question) {
                Asked::First => self.host.resolve(question.next_hop, time),
                Asked::Again => {}
                Asked::Full => state.counts.neighbour_limit_requests += 1,
            }
        }
        true
    }

    fn receive(&mut self, state: &mut PortState, time: Tai) -> bool {
        for taken in 0..BURST {
            let Some(frame) = state.host.receive() else { return taken > 0 };
            self.host.receive(&frame, time);
        }
        true
    }

    fn send(&mut self, state: &mut PortState) -> bool {
        for taken in 0..BURST {
            if !self.host.transmit(&mut self.frame) {
                return taken > 0;
            }
            // What is refused is counted by the exchange; the host says again what matters.
            state.host.send(&self.frame);
        }
        true
    }

    fn events(&mut self, state: &mut PortState, now: Instant) -> bool {
        for taken in 0..ITEMS {
            let Some(event) = self.host.event() else { return taken > 0 };
            match event {
                Event::Ready { address } => tracing::info!("port {}: {address} is in use", state.spec.name),
                Event::Resolved { address, mac } => {
                    let change = state.hops.found(address, mac.octets());
                    state.note(address, change, Some(mac.octets()), now);
                }
                Event::Unanswered { address } => {
                    let change = state.hops.silent(address);
                    state.note(address, change, None, now);
                }
                Event::Conflict { address, mac } => {
                    state.counts.conflicts += 1;
                    self.conflicts.insert(address, mac);
                    state.journal.conflict(address, mac, now);
                }
                Event::ConflictOver { address } => {
                    self.conflicts.remove(&address);
                    state.journal.conflict_over(address, now);
                }
            }
        }
        true
    }

    /// Becomes a member of the groups that are wanted, and of no other.
    pub(super) fn join(&mut self, state: &mut PortState, now: Instant) {
        let time = self.time(now);
        let wanted = state.wanted.groups();
        let gone: Vec<IpAddr> = self.joined.keys().filter(|group| !wanted.contains_key(group)).copied().collect();
        for group in gone {
            self.joined.remove(&group);
            self.host.leave(group, time);
        }
        self.refused.clear();
        for (group, sources) in wanted {
            if self.joined.get(&group) == Some(&sources) {
                continue;
            }
            match self.host.join(group, &sources, time) {
                Ok(()) => drop(self.joined.insert(group, sources)),
                Err(cause) => {
                    state.counts.join_failures += 1;
                    let words = format!("cannot join {cause}");
                    state.journal.warn("join", now, &words);
                    self.refused.insert(group, words);
                }
            }
        }
    }

    /// The link is up again: says what others may have missed.
    pub(super) fn link_up(&mut self, now: Instant) {
        let time = self.time(now);
        self.host.link_up(time);
    }

    /// What is due now and then.
    pub(super) fn tick(&mut self, state: &mut PortState) {
        for hop in state.hops.sweep() {
            self.host.forget(hop);
        }
    }

    /// What an operator should see to now.
    pub(super) fn troubles(&self) -> impl Iterator<Item = String> {
        let conflicts = self.conflicts.iter().map(|(address, mac)| conflict(*address, *mac));
        conflicts.chain(self.refused.values().cloned())
    }

    /// What the host has counted.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        host_counters(&self.host.counters())
    }
}
