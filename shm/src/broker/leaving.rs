//! How a consumer's seat comes free again.
//!
//! It is gone when its life pipe hangs up and not before: a connection that closes, or time that passes, frees nothing
//! that a live process may still be reading. What was never given out goes the same way: the broker drops its end of
//! the pipe, and the pipe hangs up.

use media::GrainIndex;

use super::flow::{Flow, WriterSide};
use super::membership::{Stage, Subscriber};
use super::state::State;
use crate::protocol::Refusal;
use crate::{Mail, Notice};

impl State {
    /// What the writers of the gateway's own flows have to tell.
    pub(super) fn drain_notices(&mut self) {
        let mut notices = Vec::new();
        for flow in self.flows.all() {
            if let WriterSide::Gateway { mailbox, .. } = &flow.writer {
                while let Some(notice) = mailbox.take_notice() {
                    notices.push((flow.seats, notice));
                }
            }
        }
        for (seats, notice) in notices {
            self.notice(&seats, &notice);
        }
    }

    fn notice(&mut self, seats: &[Option<u64>], notice: &Notice) {
        let (Notice::Joined { consumer, nonce, .. }
        | Notice::Refused { consumer, nonce, .. }
        | Notice::Evicted { consumer, nonce, .. }
        | Notice::Released { consumer, nonce, .. }) = notice;
        let Some(Some(id)) = seats.get(usize::from(*consumer)).copied() else { return };
        if self.memberships.get(&id).is_none_or(|member| member.nonce != *nonce) {
            return;
        }
        match notice {
            Notice::Joined { eff, .. } => self.joined(id, *eff),
            Notice::Refused { .. } => self.drop_membership(id, Refusal::ProducerRefused),
            Notice::Evicted { hi, .. } => self.evicted(id, *hi),
            Notice::Released { .. } => self.left(id),
        }
    }

    /// The writer has evicted the consumer.
    pub(super) fn evicted(&mut self, id: u64, end: GrainIndex) {
        let Some(member) = self.memberships.get_mut(&id) else { return };
        let Stage::Live { first } = member.stage else { return };
        member.stage = Stage::Evicted { first, end };
        self.counters.evicted += 1;
        if let Some(flow) = self.flows.of_epoch_mut(member.flow) {
            flow.evictions += 1;
        }
    }

    /// The consumer's seat is free again.
    pub(super) fn left(&mut self, id: u64) {
        self.counters.released += u64::from(self.memberships.contains_key(&id));
        self.drop_membership(id, Refusal::FlowEnded);
    }

    /// A consumer's life pipe hung up.
    pub(super) fn consumer_gone(&mut self, id: u64) {
        let Some(member) = self.memberships.get_mut(&id) else { return };
        if let Some(life) = member.life.take() {
            self.poll.forget(&life);
        }
        member.stage = Stage::Leaving { posted: false };
        self.settle_departures();
    }

    /// The life pipe of a producer that the gateway reads hung up. The producer lets go of it when this one reader has
    /// left, too: as long as it has its connection, it is not gone.
    pub(super) fn producer_gone(&mut self, id: u64) {
        let Some(member) = self.memberships.get_mut(&id) else { return };
        if let Some(watch) = member.producer_life.take() {
            self.poll.forget(&watch);
        }
        let epoch = member.flow;
        let producer = self.flows.of_epoch(epoch).and_then(Flow::producer);
        if !producer.is_some_and(|connection| self.connections.contains_key(&connection)) {
            self.end_flow(epoch);
        }
    }

    /// A connection is closed: what it was about to be given is not given.
    pub(super) fn withdraw_offers(&mut self, connection: u64) {
        for member in self.memberships.values_mut() {
            let asker = match member.offer.as_ref().map(|offer| &offer.subscriber) {
                Some(Subscriber::Pod { connection, .. }) => Some(*connection),
                _ => None,
            };
            if asker == Some(connection) {
                member.offer = None;
                member.stage = Stage::Leaving { posted: false };
            }
        }
    }

    /// Tells the gateway's own writers who is gone, as soon as their mailboxes have room.
    pub(super) fn settle_departures(&mut self) {
        for member in self.memberships.values_mut() {
            let Stage::Leaving { posted } = &mut member.stage else { continue };
            // While the pipe has not hung up the consumer may still read; a pod that produces hears it by itself.
            if *posted || member.life.is_some() {
                continue;
            }
            if let Some(WriterSide::Gateway { mailbox, .. }) = self.flows.of_epoch(member.flow).map(|flow| &flow.writer)
            {
                *posted = mailbox.post(Mail::Gone { consumer: member.seat, nonce: member.nonce }).is_ok();
            }
        }
    }
}
