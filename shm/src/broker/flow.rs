//! Flows: a sealed ring, who writes it, and who reads it.

use std::sync::Arc;

use media::Name;

use super::access_list;
use super::making::Making;
use super::snapshot::{FlowEvent, FlowSnapshot};
use super::state::State;
use crate::access::Peer;
use crate::protocol::{Blocking, FlowEntry, FlowOrigin, FlowRight, Refusal, SuccessionToken, Version};
use crate::{CONSUMERS_MAX, Fallback, Mailbox, RingProbe, SealedRegion, WakeMode, WriterCounters};

/// One epoch of a flow.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) name: Name,
    pub(super) ring: SealedRegion,
    pub(super) writer: WriterSide,
    /// The membership in each of the ring's seats.
    pub(super) seats: [Option<u64>; CONSUMERS_MAX as usize],
    /// Looks into the ring for status.
    pub(super) probe: Option<RingProbe>,
    /// Consumers that its writer has evicted.
    pub(super) evictions: u64,
    /// Whether consumers may block its writer.
    pub(super) blocking: Blocking,
    /// Who wakes its consumers.
    pub(super) wake: WakeMode,
    /// It outlived an earlier broker.
    pub(super) adopted: bool,
}

/// Who writes a flow.
#[derive(Debug)]
pub(super) enum WriterSide {
    /// A worker of this process.
    Gateway {
        /// The way to its writer.
        mailbox: Arc<Mailbox>,
        counters: Arc<WriterCounters>,
    },
    /// A pod.
    Pod {
        /// The way to its housekeeping thread.
        connection: u64,
        peer: Peer,
        /// Who has it may succeed the epoch; none if the kernel gave no random number.
        token: Option<SuccessionToken>,
    },
}

impl WriterSide {
    /// A pod's, with a new token.
    pub(super) fn pod(connection: u64, peer: Peer) -> Self {
        Self::Pod { connection, peer, token: SuccessionToken::random().ok() }
    }

    pub(super) const fn origin(&self) -> FlowOrigin {
        match self {
            Self::Gateway { .. } => FlowOrigin::Gateway,
            Self::Pod { peer, .. } => FlowOrigin::Pod { uid: peer.uid, pid: peer.pid },
        }
    }
}

impl Flow {
    pub(super) fn new(name: Name, ring: SealedRegion, writer: WriterSide) -> Self {
        let mapped = ring.map_for_reading().ok();
        let probe = mapped.and_then(|(control, _)| RingProbe::new(ring.geometry(), control).ok());
        let seats = [None; CONSUMERS_MAX as usize];
        let (blocking, wake) = (Blocking::Refused, WakeMode::None);
        Self { name, ring, writer, seats, probe, evictions: 0, blocking, wake, adopted: false }
    }

    pub(super) fn epoch(&self) -> u128 {
        self.ring.geometry().epoch
    }

    /// Whose pod produces it, if one does.
    pub(super) const fn producing_uid(&self) -> Option<u32> {
        match self.writer {
            WriterSide::Gateway { .. } => None,
            WriterSide::Pod { peer, .. } => Some(peer.uid),
        }
    }

    /// The connection that produces it, if a pod does.
    pub(super) const fn producer(&self) -> Option<u64> {
        match self.writer {
            WriterSide::Gateway { .. } => None,
            WriterSide::Pod { connection, .. } => Some(connection),
        }
    }

    /// What it takes to succeed it.
    pub(super) const fn token(&self) -> Option<SuccessionToken> {
        match self.writer {
            WriterSide::Gateway { .. } => None,
            WriterSide::Pod { token, .. } => token,
        }
    }

    /// The user of the pod that produces it.
    pub(super) const fn uid(&self) -> Option<u32> {
        match self.writer {
            WriterSide::Gateway { .. } => None,
            WriterSide::Pod { peer, .. } => Some(peer.uid),
        }
    }
}

impl State {
    /// Whether a new flow of this name may be made for `producer` (none: the gateway), as the successor of an epoch or by
    /// itself.
    pub(super) fn check_new_flow(
        &self,
        name: &Name,
        producer: Option<u64>,
        succeeds: Option<u128>,
    ) -> Result<(), Refusal> {
        if self.mason.is_none() {
            return Err(Refusal::Stopping);
        }
        let is_made = |making: &Making| making.name == *name && !making.is_abandoned();
        // Successors may wait in any number: the name moves on from one to the next as they come and go.
        if succeeds.is_none() && (self.flows.named(name).is_some() || self.makings.values().any(is_made)) {
            return Err(Refusal::NameTaken);
        }
        if let Some(id) = producer {
            if self.flows_of_pods() >= self.limits.flows as usize {
                return Err(Refusal::Flows { limit: self.limits.flows });
            }
            if self.connections.get(&id).is_some_and(|asker| self.is_kept_from(asker.peer.uid, name)) {
                return Err(Refusal::NameKept);
            }
            let flows = self.flows.all().filter(|flow| flow.producer() == Some(id)).count();
            let makings = self.makings.values().filter(|making| making.connection() == Some(id)).count();
            if flows + makings >= self.limits.flows_per_connection as usize {
                return Err(Refusal::Flows { limit: self.limits.flows_per_connection });
            }
        }
        Ok(())
    }

    /// Made, being made, and left by an earlier gateway. The gateway's own are not bound by what pods do.
    fn flows_of_pods(&self) -> usize {
        let made = self.flows.all().filter(|flow| flow.producer().is_some()).count();
        let makings = self.makings.values().filter(|making| making.uid().is_some()).count();
        made + makings + self.left_records.len()
    }

    /// A ring becomes a flow, or waits to succeed one.
    pub(super) fn add_flow(&mut self, flow: Flow, fallback: Option<Fallback>) {
        let name = flow.name.clone();
        if let Some(fallback) = fallback {
            let origin = flow.writer.origin();
            self.events.push(FlowEvent::PlainPages { name: name.clone(), origin, fallback });
        }
        let before = self.flows.current(&name);
        self.flows.insert(flow);
        self.tell_move(&name, before);
    }

    /// The producer at `connection` writes the successor of an epoch from now on.
    pub(super) fn conclude(&mut self, connection: u64, epoch: u128) {
        let Some(flow) = self.flows.of_epoch(epoch).filter(|flow| flow.producer() == Some(connection)) else { return };
        let (name, seats) = (flow.name.clone(), flow.seats);
        let before = self.flows.current(&name);
        self.flows.conclude(epoch);
        if self.tell_move(&name, before) {
            let askers = self.take_askers(&seats);
            self.ask_again(&name, askers);
        }
    }

    /// Ends a flow: those who read it hear that the producer is gone, those who wait for it are let into what its name
    /// stands for now, or refused.
    pub(super) fn end_flow(&mut self, epoch: u128) {
        let Some(name) = self.flows.of_epoch(epoch).map(|flow| flow.name.clone()) else { return };
        let before = self.flows.current(&name);
        let Some(flow) = self.flows.remove(epoch) else { return };
        let askers = self.take_askers(&flow.seats);
        for id in flow.seats.iter().flatten() {
            self.drop_membership(*id, Refusal::FlowEnded);
        }
        self.waker.remove(epoch);
        self.tell_move(&name, before);
        self.ask_again(&name, askers);
        // The flows of a broker that stops are there for the next one.
        if self.mason.is_some() {
            self.forget_record(epoch);
        }
        let octets = flow.ring.geometry().octets();
        let remains = flow.ring.into_remains();
        match flow.writer {
            WriterSide::Pod { peer, .. } => self.put_aside(peer.uid, octets, remains),
            WriterSide::Gateway { .. } => self.retire(remains.0),
        }
    }

    /// Tells the gateway that a name does not stand for what it stood for before. False if it does.
    fn tell_move(&mut self, name: &Name, before: Option<u128>) -> bool {
        let (name, now) = (name.clone(), self.flows.current(name));
        let event = match (before, now) {
            (None, Some(_)) => FlowEvent::Added { name },
            (Some(_), None) => FlowEvent::Removed { name },
            (before, now) if before != now => FlowEvent::Succeeded { name },
            _ => return false,
        };
        self.events.push(event);
        true
    }

    /// The page of the list that follows `after`, and whether more follow.
    pub(super) fn list_flows(
        &self,
        after: Option<&Name>,
        most: usize,
        version: Version,
        peer: &Peer,
    ) -> (Vec<FlowEntry>, bool) {
        let readable = |flow: &&Flow| access_list::check(&self.rules, peer, FlowRight::Read, &flow.name).is_ok();
        let mut rest = self.flows.after(after).filter(|flow| flow.is_known_to(version)).filter(readable);
        let entries = rest.by_ref().take(most).map(Flow::entry).collect();
        (entries, rest.next().is_some())
    }

    pub(super) fn snapshot(&self) -> Vec<FlowSnapshot> {
        let mut flows: Vec<_> = self.flows.all().map(|flow| self.snapshot_of(flow)).collect();
        flows.sort_by(|a, b| a.name.cmp(&b.name).then(a.standing.cmp(&b.standing)));
        flows
    }

    fn snapshot_of(&self, flow: &Flow) -> FlowSnapshot {
        let geometry = flow.ring.geometry();
        let standing = self.flows.standing(flow);
        let probe = flow.probe.as_ref();
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        FlowSnapshot {
            name: flow.name.clone(),
            id: geometry.flow,
            format: geometry.format,
            origin: flow.writer.origin(),
            epoch: geometry.epoch,
            standing,
            adopted: flow.adopted,
            slots: geometry.slots,
            open_max: geometry.open_max,
            pages: geometry.pages,
            newest: probe.and_then(RingProbe::newest),
            evictions: flow.evictions,
            blocking: flow.blocking,
            wake: flow.wake,
            consumers: members.map(|member| member.snapshot(probe)).collect(),
            counters: match &flow.writer {
                WriterSide::Gateway { counters, .. } => Some(Arc::clone(counters)),
                WriterSide::Pod { .. } => None,
            },
        }
    }
}

impl Flow {
    /// Whether a pod of this version knows such flows.
    pub(super) fn is_known_to(&self, version: Version) -> bool {
        version > Version::V1 || self.ring.geometry().format.as_video().is_some()
    }

    fn entry(&self) -> FlowEntry {
        let geometry = self.ring.geometry();
        FlowEntry {
            name: self.name.clone(),
            id: geometry.flow,
            format: geometry.format,
            origin: self.writer.origin(),
            slots: geometry.slots,
            consumers: self.seats.iter().flatten().count() as u16,
            epoch: Some(geometry.epoch),
            blocking: self.blocking,
            wake: self.wake,
        }
    }
}
