//! Flows: a sealed ring, who writes it, and who reads it.

use std::sync::Arc;

use media::Name;

use super::access_list;
use super::snapshot::{FlowEvent, FlowSnapshot};
use super::state::State;
use crate::access::Peer;
use crate::protocol::{Blocking, FlowEntry, FlowOrigin, FlowRight, Refusal, SuccessionToken, Version};
use crate::{CONSUMERS_MAX, Fallback, Mailbox, RingProbe, SealedRegion, WakeMode, WriterCounters};

/// One epoch of a flow: what its name stands for, until it is succeeded.
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
        let taken = self.flows.named(name).map(Flow::epoch) != succeeds;
        if taken || self.makings.values().any(|making| making.name == *name && !making.is_abandoned()) {
            return Err(Refusal::NameTaken);
        }
        if self.flows.len() + self.makings.len() >= self.limits.flows as usize {
            return Err(Refusal::Flows { limit: self.limits.flows });
        }
        if let Some(id) = producer {
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

    /// A ring becomes a flow.
    pub(super) fn add_flow(&mut self, flow: Flow, fallback: Option<Fallback>) {
        let name = flow.name.clone();
        if let Some(fallback) = fallback {
            self.events.push(FlowEvent::PlainPages { name: name.clone(), fallback });
        }
        let succeeds = self.flows.named(&name).is_some();
        self.flows.insert(flow);
        self.events.push(if succeeds { FlowEvent::Succeeded { name } } else { FlowEvent::Added { name } });
    }

    /// Ends a flow: those who wait for it are refused, those who read it hear that the producer is gone.
    pub(super) fn end_flow(&mut self, epoch: u128) {
        let current = self.flows.of_epoch(epoch).is_some_and(|flow| self.flows.is_current(flow));
        let Some(flow) = self.flows.remove(epoch) else { return };
        for id in flow.seats.iter().flatten() {
            self.drop_membership(*id, Refusal::FlowEnded);
        }
        self.waker.remove(epoch);
        if current {
            self.events.push(FlowEvent::Removed { name: flow.name });
        }
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
        flows.sort_by(|a, b| a.name.cmp(&b.name).then(a.succeeded.cmp(&b.succeeded)));
        flows
    }

    fn snapshot_of(&self, flow: &Flow) -> FlowSnapshot {
        let geometry = flow.ring.geometry();
        let probe = flow.probe.as_ref();
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        FlowSnapshot {
            name: flow.name.clone(),
            id: geometry.flow,
            format: geometry.format,
            origin: flow.writer.origin(),
            epoch: geometry.epoch,
            succeeded: !self.flows.is_current(flow),
            adopted: flow.adopted,
            slots: geometry.slots,
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
