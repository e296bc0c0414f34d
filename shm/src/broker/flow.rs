//! Flows: a sealed ring, who writes it, and who reads it.

use std::sync::Arc;

use media::Name;

use super::snapshot::{FlowEvent, FlowSnapshot};
use super::state::State;
use crate::access::Peer;
use crate::protocol::{FlowEntry, FlowOrigin, Refusal};
use crate::{CONSUMERS_MAX, Fallback, Mailbox, RingProbe, SealedRegion, WriterCounters};

/// A flow that can be subscribed to.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) ring: SealedRegion,
    pub(super) writer: WriterSide,
    /// The membership in each of the ring's seats.
    pub(super) seats: [Option<u64>; CONSUMERS_MAX as usize],
    /// Looks into the ring for status.
    pub(super) probe: Option<RingProbe>,
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
    },
}

impl WriterSide {
    pub(super) const fn origin(&self) -> FlowOrigin {
        match self {
            Self::Gateway { .. } => FlowOrigin::Gateway,
            Self::Pod { peer, .. } => FlowOrigin::Pod { uid: peer.uid, pid: peer.pid },
        }
    }
}

impl Flow {
    pub(super) fn new(ring: SealedRegion, writer: WriterSide) -> Self {
        let mapped = ring.map_for_reading().ok();
        let probe = mapped.and_then(|(control, _)| RingProbe::new(ring.geometry(), control).ok());
        Self { ring, writer, seats: [None; CONSUMERS_MAX as usize], probe }
    }

    /// The connection that produces it, if a pod does.
    pub(super) const fn producer(&self) -> Option<u64> {
        match self.writer {
            WriterSide::Gateway { .. } => None,
            WriterSide::Pod { connection, .. } => Some(connection),
        }
    }
}

impl State {
    /// Whether a new flow of this name may be made for `producer` (none: the gateway).
    pub(super) fn check_new_flow(&self, name: &Name, producer: Option<u64>) -> Result<(), Refusal> {
        if self.mason.is_none() {
            return Err(Refusal::Stopping);
        }
        if self.flows.contains_key(name) || self.makings.values().any(|making| making.name == *name) {
            return Err(Refusal::NameTaken);
        }
        if self.flows.len() + self.makings.len() >= self.limits.flows as usize {
            return Err(Refusal::Flows { limit: self.limits.flows });
        }
        if let Some(id) = producer {
            let flows = self.flows.values().filter(|flow| flow.producer() == Some(id)).count();
            let makings = self.makings.values().filter(|making| making.connection() == Some(id)).count();
            if flows + makings >= self.limits.flows_per_connection as usize {
                return Err(Refusal::Flows { limit: self.limits.flows_per_connection });
            }
        }
        Ok(())
    }

    /// A ring becomes a flow.
    pub(super) fn add_flow(&mut self, name: Name, flow: Flow, fallback: Option<Fallback>) {
        if let Some(fallback) = fallback {
            self.events.push(FlowEvent::PlainPages { name: name.clone(), fallback });
        }
        self.flows.insert(name.clone(), flow);
        self.events.push(FlowEvent::Added { name });
    }

    /// Ends a flow: those who wait for it are refused, those who read it hear that the producer is gone.
    pub(super) fn end_flow(&mut self, name: &Name) {
        let Some(flow) = self.flows.remove(name) else { return };
        for id in flow.seats.iter().flatten() {
            self.drop_membership(*id, Refusal::FlowEnded);
        }
        self.events.push(FlowEvent::Removed { name: name.clone() });
        self.retire(flow.ring.into_view());
    }

    /// The name of the flow with this epoch.
    pub(super) fn flow_of_epoch(&self, epoch: u128) -> Option<Name> {
        self.flows.iter().find(|(_, flow)| flow.ring.geometry().epoch == epoch).map(|(name, _)| name.clone())
    }

    /// The page of the list that follows `after`, and whether more follow.
    pub(super) fn list_flows(&self, after: Option<&Name>, most: usize) -> (Vec<FlowEntry>, bool) {
        let mut rest = self.flows.iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        let entries = rest.by_ref().take(most).map(|(name, flow)| flow.entry(name)).collect();
        (entries, rest.next().is_some())
    }

    pub(super) fn snapshot(&self) -> Vec<FlowSnapshot> {
        self.flows.iter().map(|(name, flow)| self.snapshot_of(name, flow)).collect()
    }

    fn snapshot_of(&self, name: &Name, flow: &Flow) -> FlowSnapshot {
        let geometry = flow.ring.geometry();
        let probe = flow.probe.as_ref();
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        FlowSnapshot {
            name: name.clone(),
            id: geometry.flow,
            format: geometry.format,
            origin: flow.writer.origin(),
            epoch: geometry.epoch,
            slots: geometry.slots,
            pages: geometry.pages,
            newest: probe.and_then(RingProbe::newest),
            consumers: members.map(|member| member.snapshot(probe)).collect(),
            counters: match &flow.writer {
                WriterSide::Gateway { counters, .. } => Some(Arc::clone(counters)),
                WriterSide::Pod { .. } => None,
            },
        }
    }
}

impl Flow {
    fn entry(&self, name: &Name) -> FlowEntry {
        let geometry = self.ring.geometry();
        FlowEntry {
            name: name.clone(),
            id: geometry.flow,
            format: geometry.format,
            origin: self.writer.origin(),
            slots: geometry.slots,
            consumers: self.seats.iter().flatten().count() as u16,
        }
    }
}
