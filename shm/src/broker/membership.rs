//! Consumers: how one is let into a ring, and how its seat comes free again.
//!
//! Joining: admission, a lease page and two life pipes, then the flow's writer is asked; only when it has answered is
//! anything given to the consumer. A consumer is gone when its life pipe hangs up and not before: a connection that
//! closes, or time that passes, frees nothing that a live process may still be reading. What was never given out goes
//! the same way: the broker drops its end of the pipe, and the pipe hangs up.

use std::os::fd::AsFd;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use media::{GrainIndex, Name};
use rustix::io::Errno;

use super::admission::{admit, free_seat};
use super::flow::{Flow, WriterSide};
use super::snapshot::{ConsumerSnapshot, ConsumerState};
use super::state::{State, WAITING};
use crate::access::Peer;
use crate::pipe::{LifeEnd, LifeWatch, life_pipe};
use crate::poll::Token;
use crate::protocol::{BrokerMessage, Refusal};
use crate::{Access, ConsumerClass, Geometry, LeasePage, Mail, Mapping, Notice, RegionFds, RingProbe, Trust};

/// How soon to look for what a writer of ours answers.
const JOINING: Duration = Duration::from_millis(1);
const LEAVING: Duration = Duration::from_millis(5);
const READING: Duration = Duration::from_millis(50);

/// One consumer of one ring, from its request until its seat is free again.
#[derive(Debug)]
pub(super) struct Membership {
    flow: Name,
    seat: u8,
    class: ConsumerClass,
    nonce: u64,
    /// Who reads; none is the gateway itself.
    holder: Option<Peer>,
    stage: Stage,
    /// What the consumer gets once the writer has let it in.
    offer: Option<Offer>,
    /// Its lease page, for status.
    page: Option<Mapping>,
    /// Hangs up when the consumer is gone. Held where the gateway produces; a pod that produces holds its own.
    life: Option<LifeWatch>,
    /// Tells the consumer that the gateway lives, where the gateway produces.
    producer: Option<LifeEnd>,
    /// Hangs up when the pod that produces for the gateway is gone.
    producer_life: Option<LifeWatch>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Joining(Instant),
    Live(GrainIndex),
    Evicted(GrainIndex),
    /// Gone, or never told that it is in. `true` once the writer has mail that says so.
    Leaving {
        posted: bool,
    },
}

#[derive(Debug)]
struct Offer {
    subscriber: Subscriber,
    page: LeasePage,
    life: LifeEnd,
    producer_life: LifeWatch,
}

/// Who waits for the answer to a subscription.
#[derive(Clone, Debug)]
pub(super) enum Subscriber {
    /// A pod.
    Pod {
        connection: u64,
        request: u32,
    },
    /// A thread of this process.
    Gateway(SyncSender<Result<Box<Seat>, Refusal>>),
}

/// What a consumer in this process builds its reader from.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) geometry: Geometry,
    pub(super) ring: RegionFds,
    pub(super) page: LeasePage,
    pub(super) seat: u8,
    pub(super) nonce: u64,
    pub(super) trust: Trust,
    pub(super) life: LifeEnd,
}

/// The descriptors that a new consumer needs.
struct Kit {
    page: LeasePage,
    life: (LifeEnd, LifeWatch),
    producer: (LifeEnd, LifeWatch),
    nonce: u64,
}

impl Kit {
    fn make() -> Result<Self, Errno> {
        let mut nonce = [0; 8];
        rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty()))?;
        // Never 0: a fresh lease page acknowledges 0.
        let nonce = u64::from_le_bytes(nonce) | 1;
        Ok(Self { page: LeasePage::create()?, life: life_pipe()?, producer: life_pipe()?, nonce })
    }
}

impl Membership {
    const fn is_joining(&self) -> bool {
        matches!(self.stage, Stage::Joining(_))
    }

    /// How soon this consumer may need attention that no descriptor asks for: the gateway's own writers answer
    /// without a system call. Pods that produce send messages.
    pub(super) fn patience(&self) -> Option<Duration> {
        let ours = self.producer.is_some();
        match self.stage {
            Stage::Joining(_) if ours => Some(JOINING),
            Stage::Leaving { .. } if ours => Some(LEAVING),
            Stage::Live(_) | Stage::Evicted(_) if ours => Some(READING),
            Stage::Joining(_) => Some(WAITING),
            _ => None,
        }
    }

    pub(super) fn snapshot(&self, probe: Option<&RingProbe>) -> ConsumerSnapshot {
        let state = match self.stage {
            Stage::Joining(_) => ConsumerState::Joining,
            Stage::Live(first) => ConsumerState::Live { first },
            Stage::Evicted(end) => ConsumerState::Evicted { end },
            Stage::Leaving { .. } => ConsumerState::Leaving,
        };
        let reads = matches!(state, ConsumerState::Live { .. });
        let lag = probe.zip(self.page.as_ref()).filter(|_| reads).map(|(probe, page)| probe.lag(page));
        let (uid, pid) = (self.holder.map(|peer| peer.uid), self.holder.and_then(|peer| peer.pid));
        ConsumerSnapshot { number: self.seat, uid, pid, class: self.class, state, lag }
    }
}

impl State {
    /// Asks the flow's writer to let a consumer in. The answer to `subscriber` comes later.
    ///
    /// # Errors
    /// A refusal that the caller passes on.
    pub(super) fn subscribe(
        &mut self,
        subscriber: &Subscriber,
        holder: Option<Peer>,
        name: &Name,
        class: ConsumerClass,
    ) -> Result<(), Refusal> {
        let flow = self.flows.get(name).ok_or(Refusal::NoSuchFlow)?;
        admit(flow.ring.geometry(), &self.leases_of(flow), class)?;
        self.check_user(flow, holder)?;
        let seat = free_seat(&flow.seats)?;
        let kit = Kit::make().map_err(descriptors)?;
        let status_page = kit.page.map(Access::ReadOnly).ok();
        let id = self.fresh_id();
        let ours = self.ask_writer(id, name, seat, class, &kit)?;
        let Kit { page, life: (life_end, life_watch), producer: (producer_end, producer_life), nonce } = kit;
        let member = Membership {
            flow: name.clone(),
            seat,
            class,
            nonce,
            holder,
            stage: Stage::Joining(Instant::now()),
            offer: Some(Offer { subscriber: subscriber.clone(), page, life: life_end, producer_life }),
            page: status_page,
            life: ours.then_some(life_watch),
            producer: ours.then_some(producer_end),
            producer_life: None,
        };
        self.memberships.insert(id, member);
        if let Some(flow) = self.flows.get_mut(name) {
            flow.seats[usize::from(seat)] = Some(id);
        }
        Ok(())
    }

    /// The K of every leased consumer whose slots are not released.
    fn leases_of(&self, flow: &Flow) -> Vec<u16> {
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        let leases = members.filter_map(|member| match member.class {
            ConsumerClass::Leased { k, .. } => Some(k),
            ConsumerClass::Lossy => None,
        });
        leases.collect()
    }

    /// One user may not take every seat of a flow.
    fn check_user(&self, flow: &Flow, holder: Option<Peer>) -> Result<(), Refusal> {
        let Some(peer) = holder else { return Ok(()) };
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        let of_user = members.filter(|member| member.holder.is_some_and(|holder| holder.uid == peer.uid)).count();
        let limit = self.limits.consumers_per_uid;
        if of_user < limit as usize { Ok(()) } else { Err(Refusal::UserConsumers { uid: peer.uid, limit }) }
    }

    /// Passes the question to the flow's writer. True if it is ours, and so are the producer's ends of the pipes.
    fn ask_writer(
        &mut self,
        id: u64,
        name: &Name,
        seat: u8,
        class: ConsumerClass,
        kit: &Kit,
    ) -> Result<bool, Refusal> {
        let flow = self.flows.get(name).ok_or(Refusal::NoSuchFlow)?;
        match &flow.writer {
            WriterSide::Gateway { mailbox, .. } => {
                let lease = kit.page.map(Access::ReadOnly).map_err(|_| Refusal::Descriptors { errno: 0 })?;
                self.poll.watch_hang_up(&kit.life.1, Token::Consumer(id)).map_err(descriptors)?;
                if mailbox.post(Mail::Join { consumer: seat, class, lease, nonce: kit.nonce }).is_err() {
                    self.poll.forget(&kit.life.1);
                    return Err(Refusal::WriterSilent { waited_ms: 0 });
                }
                Ok(true)
            }
            WriterSide::Pod { connection, .. } => {
                let (connection, epoch) = (*connection, flow.ring.geometry().epoch);
                let page = kit.page.producer_fd().map_err(descriptors)?;
                let message = BrokerMessage::Join { join: id, epoch, consumer: seat, class, nonce: kit.nonce };
                let fds = [page.as_fd(), kit.life.1.as_fd(), kit.producer.0.as_fd()];
                if self.tell(connection, 0, &message, &fds) { Ok(false) } else { Err(Refusal::FlowEnded) }
            }
        }
    }

    /// The writer has let the consumer in: it gets its descriptors.
    pub(super) fn joined(&mut self, id: u64, first: GrainIndex) {
        let Some(member) = self.memberships.get_mut(&id).filter(|member| member.is_joining()) else { return };
        let Some(offer) = member.offer.take() else { return };
        member.stage = Stage::Live(first);
        let subscriber = offer.subscriber.clone();
        // Whatever the offer holds closes on the way out, and so the seat comes free again.
        match self.fulfil(id, first, offer) {
            Ok(()) => self.counters.joined += 1,
            Err(refusal) => self.refuse_subscriber(&subscriber, refusal),
        }
    }

    /// Gives a consumer what it reads with.
    fn fulfil(&mut self, id: u64, first: GrainIndex, offer: Offer) -> Result<(), Refusal> {
        let Offer { subscriber, page, life, producer_life } = offer;
        let member = self.memberships.get(&id).ok_or(Refusal::FlowEnded)?;
        let flow = self.flows.get(&member.flow).ok_or(Refusal::FlowEnded)?;
        let (seat, nonce, geometry) = (member.seat, member.nonce, *flow.ring.geometry());
        let trust = if flow.producer().is_some() { Trust::Pod } else { Trust::Gateway };
        let ring = flow.ring.consumer_fds().map_err(|_| Refusal::Descriptors { errno: 0 })?;
        match subscriber {
            Subscriber::Pod { connection, request } => {
                let page = page.consumer_fd().map_err(descriptors)?;
                let message = BrokerMessage::Subscribed { geometry, trust, consumer: seat, nonce, first };
                let ends = [life.as_fd(), producer_life.as_fd()];
                let fds = [ring.control.as_fd(), ring.data.as_fd(), page.as_fd(), ends[0], ends[1]];
                self.answer(connection, request, &message, &fds);
            }
            Subscriber::Gateway(waiting) => {
                if trust == Trust::Pod {
                    self.watch_producer(id, producer_life);
                }
                // If nobody waits any more, it closes here.
                let _ = waiting.try_send(Ok(Box::new(Seat { geometry, ring, page, seat, nonce, trust, life })));
            }
        }
        Ok(())
    }

    /// The gateway reads a pod's flow: it hears from the pipe when the producer is gone.
    fn watch_producer(&mut self, id: u64, watch: LifeWatch) {
        // Should this fail, the producer's connection still tells.
        let _ = self.poll.watch_hang_up(&watch, Token::Producer(id));
        if let Some(member) = self.memberships.get_mut(&id) {
            member.producer_life = Some(watch);
        }
    }

    /// The producer could not let the consumer in; it keeps nothing of it.
    pub(super) fn not_joined(&mut self, id: u64) {
        if self.memberships.get(&id).is_some_and(Membership::is_joining) {
            self.drop_membership(id, Refusal::ProducerRefused);
        }
    }

    /// The writer has evicted the consumer.
    pub(super) fn evicted(&mut self, id: u64, end: GrainIndex) {
        if let Some(member) = self.memberships.get_mut(&id).filter(|member| matches!(member.stage, Stage::Live(_))) {
            member.stage = Stage::Evicted(end);
            self.counters.evicted += 1;
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

    /// The life pipe of a producer that the gateway reads hung up.
    pub(super) fn producer_gone(&mut self, id: u64) {
        let Some(member) = self.memberships.get_mut(&id) else { return };
        if let Some(watch) = member.producer_life.take() {
            self.poll.forget(&watch);
        }
        let name = member.flow.clone();
        self.end_flow(&name);
    }

    /// Whether this membership is one of a flow that `connection` produces.
    pub(super) fn is_producer_of(&self, connection: u64, id: u64) -> bool {
        let flow = self.memberships.get(&id).and_then(|member| self.flows.get(&member.flow));
        flow.is_some_and(|flow| flow.producer() == Some(connection))
    }

    /// Takes a membership out of the books; who still waits for it is refused.
    pub(super) fn drop_membership(&mut self, id: u64, refusal: Refusal) {
        let Some(member) = self.memberships.remove(&id) else { return };
        for watch in member.life.iter().chain(&member.producer_life) {
            self.poll.forget(watch);
        }
        if let Some(flow) = self.flows.get_mut(&member.flow)
            && let Some(seat) = flow.seats.get_mut(usize::from(member.seat))
            && *seat == Some(id)
        {
            *seat = None;
        }
        if let Some(offer) = member.offer {
            self.refuse_subscriber(&offer.subscriber, refusal);
        }
    }

    /// A connection is closed: what it was about to be given is not given.
    pub(super) fn withdraw_offers(&mut self, connection: u64) {
        for member in self.memberships.values_mut() {
            let waits = |offer: &Offer| {
                matches!(offer.subscriber, Subscriber::Pod { connection: asker, .. } if asker == connection)
            };
            if member.offer.as_ref().is_some_and(waits) {
                member.offer = None;
                member.stage = Stage::Leaving { posted: false };
            }
        }
    }

    /// What the writers of the gateway's own flows have to tell.
    pub(super) fn drain_notices(&mut self) {
        let mut notices = Vec::new();
        for flow in self.flows.values() {
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

    /// Tells the gateway's own writers who is gone, as soon as their mailboxes have room.
    pub(super) fn settle_departures(&mut self) {
        for member in self.memberships.values_mut() {
            let Stage::Leaving { posted } = &mut member.stage else { continue };
            // While the pipe has not hung up the consumer may still read; a pod that produces hears it by itself.
            if *posted || member.life.is_some() {
                continue;
            }
            if let Some(WriterSide::Gateway { mailbox, .. }) = self.flows.get(&member.flow).map(|flow| &flow.writer) {
                *posted = mailbox.post(Mail::Gone { consumer: member.seat, nonce: member.nonce }).is_ok();
            }
        }
    }

    /// Refuses those whose flow's writer does not answer. Their seats stay taken until it does.
    pub(super) fn expire_joins(&mut self, now: Instant) {
        let limit = Duration::from_millis(self.limits.join_ms.into());
        let mut late = Vec::new();
        for member in self.memberships.values_mut() {
            if matches!(member.stage, Stage::Joining(since) if now.saturating_duration_since(since) >= limit) {
                member.stage = Stage::Leaving { posted: false };
                late.extend(member.offer.take());
            }
        }
        for offer in late {
            self.refuse_subscriber(&offer.subscriber, Refusal::WriterSilent { waited_ms: self.limits.join_ms });
        }
    }

    fn refuse_subscriber(&mut self, subscriber: &Subscriber, refusal: Refusal) {
        self.counters.refused += 1;
        match subscriber {
            Subscriber::Pod { connection, request } => {
                self.answer(*connection, *request, &BrokerMessage::Refused(refusal), &[]);
            }
            Subscriber::Gateway(waiting) => {
                let _ = waiting.try_send(Err(refusal));
            }
        }
    }
}

fn descriptors(errno: Errno) -> Refusal {
    Refusal::Descriptors { errno: errno.raw_os_error().unsigned_abs() }
}
