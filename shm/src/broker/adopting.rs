//! Rings that outlived an earlier broker: their producers bring them, and they are flows again.
//!
//! Nothing is believed that the kernel or the record does not say: the memory must be that of the record
//! ([`super::brought`]); the producer must be of the user that it was; the geometry is the record's. What the producer
//! says of its consumers only occupies seats of its own ring. The memory cannot be mapped for devices any more, so the
//! producer is asked for a successor.
//!
//! Until their producers are back, the names of such rings are kept for their users.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use media::Name;

use super::access_list;
use super::brought;
use super::flow::{Flow, WriterSide};
use super::mason::Job;
use super::membership::{Membership, Stage};
use super::state::State;
use crate::CONSUMERS_MAX;
use crate::access::Peer;
use crate::protocol::{AdoptionFault, BrokerMessage, FlowRight, Member, MemberStage, Refusal, RingRecord, Succession};

/// How long producers have to come back. They try every two seconds.
pub(super) const RETURN: Duration = Duration::from_secs(60);

/// Consumers that a pod has named and not yet brought their ring for.
#[derive(Debug, Default)]
pub(super) struct Named {
    members: Vec<Member>,
    too_many: bool,
}

impl Named {
    /// Takes one more; one too many is remembered, not kept.
    pub(super) fn push(&mut self, member: Member) {
        if self.members.len() < usize::from(CONSUMERS_MAX) {
            self.members.push(member);
        } else {
            self.too_many = true;
        }
    }

    /// The consumers, if they can all be of one ring.
    fn of(self, epoch: u128) -> Result<Vec<Member>, AdoptionFault> {
        if self.too_many {
            return Err(AdoptionFault::Members { limit: CONSUMERS_MAX });
        }
        for (at, member) in self.members.iter().enumerate() {
            if member.epoch != epoch {
                return Err(AdoptionFault::Mixed);
            }
            let twice = |other: &Member| other.consumer == member.consumer || other.join == member.join;
            if self.members[..at].iter().any(twice) {
                return Err(AdoptionFault::Seat { seat: member.consumer });
            }
        }
        Ok(self.members)
    }
}

impl State {
    /// Takes over a ring that a pod brings, with the consumers that it has named.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn adopt(
        &mut self,
        (connection, request): (u64, u32),
        peer: Peer,
        (epoch, name): (u128, Name),
        fds: &[OwnedFd],
    ) -> Result<(), Refusal> {
        let named = self.connections.get_mut(&connection).map(|c| std::mem::take(&mut c.named)).unwrap_or_default();
        let record = self.check_record(&peer, epoch, &name)?.clone();
        let members = named.of(epoch)?;
        let ring = brought::ring(&record, fds)?;
        access_list::check(&self.rules, &peer, FlowRight::Produce, &name)?;
        let octets = record.geometry.octets();
        // It counted already, as what was left.
        self.left_records.remove(&epoch);
        let room = self.check_new_flow(&name, Some(connection), None);
        if let Err(refusal) = room.and_then(|()| self.check_memory(peer.uid, octets)) {
            self.left_records.insert(epoch, record);
            return Err(refusal);
        }
        let RingRecord { blocking, wake, .. } = record;
        let flow = Flow::new(name, ring, WriterSide::pod(connection, peer));
        let token = flow.token();
        self.add_flow(Flow { blocking, wake, adopted: true, ..flow }, None);
        members.iter().for_each(|member| self.seat_adopted(member));
        self.counters.adopted += 1;
        // Both must fit while one passes into the other.
        let room = self.check_memory(peer.uid, octets).is_ok();
        let successor = if room { Succession::Wanted } else { Succession::NotNeeded };
        self.tell(connection, request, &BrokerMessage::Adopted { epoch, successor, token }, &[]);
        Ok(())
    }

    fn check_record(&self, peer: &Peer, epoch: u128, name: &Name) -> Result<&RingRecord, AdoptionFault> {
        if self.flows.of_epoch(epoch).is_some() {
            return Err(AdoptionFault::Known);
        }
        if self.access.overflow == Some(peer.uid) {
            return Err(AdoptionFault::Unmapped { uid: peer.uid });
        }
        let record = self.left_records.get(&epoch).ok_or(AdoptionFault::NoRecord)?;
        if record.uid != peer.uid {
            return Err(AdoptionFault::User { uid: peer.uid });
        }
        if record.name != *name {
            return Err(AdoptionFault::Name);
        }
        let taken = self.flows.named(name).is_some();
        if taken { Err(AdoptionFault::NameTaken) } else { Ok(record) }
    }

    /// Whether the name is that of a ring of another user, who may be back any moment: what that user's consumers read
    /// under it shall not be somebody else's. The same user may be a pod that was started anew.
    pub(super) fn is_kept_from(&self, uid: u32, name: &Name) -> bool {
        self.left_records.values().any(|record| record.name == *name && record.uid != uid)
    }

    /// A consumer that the producer has let in under an earlier broker.
    fn seat_adopted(&mut self, member: &Member) {
        let id = self.fresh_id();
        let stage = match member.stage {
            MemberStage::Live { first } => Stage::Live { first },
            MemberStage::Evicted { first, end } => Stage::Evicted { first, end },
        };
        let Some(flow) = self.flows.of_epoch_mut(member.epoch) else { return };
        flow.seats[usize::from(member.consumer)] = Some(id);
        let seated = Membership::adopted(member, stage);
        self.memberships.insert(id, seated);
    }

    /// Gives up the records of rings that nobody has brought.
    pub(super) fn expire_records(&mut self, now: Instant) {
        if !self.left_records.is_empty() && now.saturating_duration_since(self.since) >= RETURN {
            for epoch in std::mem::take(&mut self.left_records).into_keys() {
                self.forget_record(epoch);
            }
        }
    }

    /// When records are given up, if there are any.
    pub(super) fn patience_for_records(&self) -> Option<Duration> {
        (!self.left_records.is_empty()).then(|| RETURN.saturating_sub(self.since.elapsed()))
    }

    /// Has the record of an epoch removed that will never be brought back. The mason does it: the folder may be on a disk,
    /// and this thread does not wait for one.
    pub(super) fn forget_record(&mut self, epoch: u128) {
        let Some(records) = self.records.clone() else { return };
        if !self.hand_to_mason(Job::Forget(epoch)) {
            // The broker stops: nobody waits any more.
            records.remove(epoch);
        }
    }
}
