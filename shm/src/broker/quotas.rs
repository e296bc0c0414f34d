//! What one user, and all of them together, may take of the gateway.

use super::flow::{Flow, WriterSide};
use super::state::State;
use crate::ConsumerClass;
use crate::access::Peer;
use crate::protocol::Refusal;

impl State {
    /// Whether `uid` may have another ring of so many octets.
    ///
    /// # Errors
    /// The refusal, with what is left.
    pub(super) fn check_memory(&mut self, uid: u32, octets: u64) -> Result<(), Refusal> {
        let limits = self.limits;
        if octets > limits.ring_octets {
            return Err(Refusal::RingTooLarge { octets, limit: limits.ring_octets });
        }
        self.check_rings(uid, octets).or_else(|_| {
            // Who has just let go of a ring may have the next one.
            self.collect_released();
            self.check_rings(uid, octets)
        })
    }

    fn check_rings(&self, uid: u32, octets: u64) -> Result<(), Refusal> {
        let limits = self.limits;
        let left = limits.pod_octets.saturating_sub(self.rings_of(None).1);
        if octets > left {
            return Err(Refusal::PodMemory { octets, left });
        }
        let (rings, taken) = self.rings_of(Some(uid));
        if rings >= limits.flows_per_uid as usize {
            return Err(Refusal::UserFlows { uid, limit: limits.flows_per_uid });
        }
        let left = limits.octets_per_uid.saturating_sub(taken);
        if octets > left {
            return Err(Refusal::UserMemory { uid, octets, left });
        }
        Ok(())
    }

    /// Number and octets of the rings of one user's pods (none: of all pods): made, being made, not known to be released,
    /// or left by an earlier broker and not brought yet.
    fn rings_of(&self, uid: Option<u32>) -> (usize, u64) {
        let made = self.flows.all().filter_map(|flow| match &flow.writer {
            WriterSide::Pod { peer, .. } => Some((peer.uid, flow.ring.geometry().octets())),
            WriterSide::Gateway { .. } => None,
        });
        let making = self.makings.values().filter_map(|making| Some((making.uid()?, making.octets())));
        let held = self.remainders.iter().map(|remainder| (remainder.uid, remainder.octets));
        let left = self.left_records.values().map(|record| (record.uid, record.geometry.octets()));
        let rings = made.chain(making).chain(held).chain(left).filter(|(owner, _)| uid.is_none_or(|uid| uid == *owner));
        rings.fold((0, 0), |(count, sum), (_, octets)| (count + 1, sum + octets))
    }

    /// Whether a user may have another consumer of this class in the ring.
    ///
    /// # Errors
    /// The refusal, with what is left.
    pub(super) fn check_user(&self, flow: &Flow, holder: Option<Peer>, class: ConsumerClass) -> Result<(), Refusal> {
        let Some(Peer { uid, .. }) = holder else { return Ok(()) };
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        let own = members.filter(|member| member.holder.is_some_and(|holder| holder.uid == uid));
        let classes: Vec<_> = own.map(|member| member.class).collect();
        let limit = self.limits.consumers_per_uid;
        if classes.len() >= limit as usize {
            return Err(Refusal::UserConsumers { uid, limit });
        }
        let left = self.limits.slots_per_uid.saturating_sub(classes.iter().map(|class| slots_of(*class)).sum());
        match class.holds() {
            Some(k) if slots_of(class) > left => Err(Refusal::UserSlots { uid, k, left }),
            _ => Ok(()),
        }
    }
}

/// Slots that a consumer holds at the most: its window is found to be too wide when it has one grain more.
fn slots_of(class: ConsumerClass) -> u32 {
    class.holds().map_or(0, |k| u32::from(k) + 1)
}
