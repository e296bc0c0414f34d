//! How a consumer is let into a ring: admission, a lease page and two life pipes, then the flow's writer is asked. Only
//! when it has answered is anything given to the consumer.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{GrainIndex, Name};
use rustix::io::Errno;

use super::access_list;
use super::admission::{admit, free_seat};
use super::connection::Connection;
use super::flow::{Flow, WriterSide};
use super::given_file::GivenFile;
use super::left_page::LeftPage;
use super::membership::{Membership, Offer, Seat, Stage, Subscriber};
use super::state::State;
use crate::WakeMode;
use crate::access::Peer;
use crate::pipe::{LifeEnd, LifeWatch, life_pipe};
use crate::poll::Token;
use crate::protocol::{Blocking, BrokerMessage, FlowRight, Refusal, Version};
use crate::wake::{Bell, bell_pair};
use crate::{Access, ConsumerClass, LeasePage, Mail, MapError, RegionError, Start, Trust};

/// The descriptors that a new consumer needs.
pub(super) struct Kit {
    pub(super) page: LeasePage,
    life: (LifeEnd, LifeWatch),
    producer: (LifeEnd, LifeWatch),
    nonce: u64,
    /// The consumer's end and its waker's.
    pub(super) bell: (Bell, Arc<Bell>),
}

/// Who waits to be let into a ring, and what for.
pub(super) struct Asking {
    subscriber: Subscriber,
    holder: Option<Peer>,
    class: ConsumerClass,
    start: Start,
}

impl Kit {
    fn make() -> Result<Self, Errno> {
        let mut nonce = [0; 8];
        rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty()))?;
        // Never 0: a fresh lease page acknowledges 0.
        let nonce = u64::from_le_bytes(nonce) | 1;
        let (ours, wakers) = bell_pair()?;
        let bell = (ours, Arc::new(wakers));
        Ok(Self { page: LeasePage::create()?, life: life_pipe()?, producer: life_pipe()?, nonce, bell })
    }
}

impl State {
    /// Asks the flow's writer to let a consumer in. The answer to `subscriber` comes later. Where that writer's connection
    /// turns out to be closed, the next epoch's writer is asked: perhaps it is closed because that one follows.
    ///
    /// # Errors
    /// A refusal that the caller passes on.
    pub(super) fn subscribe(
        &mut self,
        subscriber: &Subscriber,
        holder: Option<Peer>,
        name: &Name,
        class: ConsumerClass,
        start: Start,
    ) -> Result<(), Refusal> {
        loop {
            let current = self.flows.current(name);
            let asked = self.ask_current(subscriber, holder, name, class, start);
            if asked != Err(Refusal::FlowEnded) {
                return asked;
            }
            let producer = self.flows.named(name).and_then(Flow::producer);
            producer.into_iter().for_each(|connection| self.disconnect(connection));
            let now = self.flows.current(name);
            if now.is_none() || now == current {
                return asked;
            }
        }
    }

    /// Asks the writer of what the name stands for.
    fn ask_current(
        &mut self,
        subscriber: &Subscriber,
        holder: Option<Peer>,
        name: &Name,
        class: ConsumerClass,
        start: Start,
    ) -> Result<(), Refusal> {
        if let Some(peer) = &holder {
            access_list::check(&self.rules, peer, FlowRight::Read, name)?;
            let producer = self.flows.named(name).and_then(Flow::producing_uid);
            self.check_pages(peer.uid, producer)?;
        }
        let flow = self.flows.named(name).filter(|flow| flow.is_known_to(subscriber.version()));
        let flow = flow.ok_or(Refusal::NoSuchFlow)?;
        let (epoch, wake) = (flow.epoch(), flow.wake);
        let class = class.with_open(flow.ring.geometry().open_max);
        if matches!(class, ConsumerClass::Blocking { .. }) && flow.blocking == Blocking::Refused {
            return Err(Refusal::Live);
        }
        admit(flow.ring.geometry(), &self.leases_of(flow), class)?;
        self.check_user(flow, holder, class)?;
        let seat = free_seat(&flow.seats)?;
        let kit = Kit::make().map_err(descriptors)?;
        let status_page = kit.page.map(Access::ReadOnly).ok();
        let id = self.fresh_id();
        let watch = self.watch_sleeper(epoch, seat, subscriber, &kit)?;
        let ours = self.ask_writer(id, epoch, (seat, class, start), &kit);
        let ours = ours.inspect_err(|_| self.forget_sleeper(watch))?;
        let Kit { page, life: (life_end, life_watch), producer: (producer_end, producer_life), nonce, bell } = kit;
        // A pod that produces was given it with the question, whatever comes of that.
        let producer = self.flows.of_epoch(epoch).and_then(Flow::producing_uid);
        let asker = holder.filter(|_| producer.is_some());
        let given =
            asker.zip(page.keep_fd().ok()).map(|(peer, fd)| LeftPage::new(peer.uid, producer, GivenFile::new(fd)));
        let member = Membership {
            flow: epoch,
            join: id,
            seat,
            class,
            nonce,
            holder,
            outlived: false,
            stage: Stage::Joining(Instant::now()),
            offer: Some(Offer {
                subscriber: subscriber.clone(),
                start,
                page,
                life: life_end,
                producer_life,
                bell: bell.0,
            }),
            page: status_page,
            given,
            life: ours.then_some(life_watch),
            producer: ours.then_some(producer_end),
            producer_life: None,
            // A producer that wakes has its own; else the end is kept, so that the consumer's does not hang up.
            watch,
            _bell: Some(bell.1).filter(|_| ours || wake == WakeMode::None),
        };
        self.memberships.insert(id, member);
        if let Some(flow) = self.flows.of_epoch_mut(epoch) {
            flow.seats[usize::from(seat)] = Some(id);
        }
        Ok(())
    }

    /// The K of every consumer whose slots are not released.
    fn leases_of(&self, flow: &Flow) -> Vec<u16> {
        let members = flow.seats.iter().flatten().filter_map(|id| self.memberships.get(id));
        members.filter_map(|member| member.class.holds()).collect()
    }

    /// Passes the question to the flow's writer. True if it is ours, and so are the producer's ends of the pipes.
    fn ask_writer(
        &mut self,
        id: u64,
        epoch: u128,
        (seat, class, start): (u8, ConsumerClass, Start),
        kit: &Kit,
    ) -> Result<bool, Refusal> {
        let flow = self.flows.of_epoch(epoch).ok_or(Refusal::NoSuchFlow)?;
        match &flow.writer {
            WriterSide::Gateway { mailbox, .. } => {
                let lease = Arc::new(kit.page.map(Access::ReadOnly).map_err(unmapped)?);
                self.poll.watch_hang_up(&kit.life.1, Token::Consumer(id)).map_err(descriptors)?;
                if mailbox.post(Mail::Join { consumer: seat, class, start, lease, nonce: kit.nonce }).is_err() {
                    self.poll.forget(&kit.life.1);
                    return Err(Refusal::WriterSilent { waited_ms: 0 });
                }
                Ok(true)
            }
            WriterSide::Pod { connection, .. } => {
                let connection = *connection;
                let page = kit.page.producer_fd().map_err(descriptors)?;
                let version = self.connections.get(&connection).map(Connection::version).ok_or(Refusal::FlowEnded)?;
                if version == Version::V1 && start != Start::Live {
                    return Err(Refusal::LiveOnly);
                }
                let message = BrokerMessage::Join { join: id, epoch, consumer: seat, class, nonce: kit.nonce, start };
                let ends = [kit.life.1.as_fd(), kit.producer.0.as_fd(), kit.bell.1.as_fd()];
                let fds = [page.as_fd(), ends[0], ends[1], ends[2]];
                let told = self.tell(connection, 0, &message, &fds[..message.descriptors(version)]);
                if told { Ok(false) } else { Err(Refusal::FlowEnded) }
            }
        }
    }

    /// Takes back the questions of those who wait to be let in at these seats. What they were about to be given closes, so
    /// that a producer which has heard of them hears that they are gone.
    pub(super) fn take_askers(&mut self, seats: &[Option<u64>]) -> Vec<Asking> {
        let mut askers = Vec::new();
        for id in seats.iter().flatten() {
            let Some(member) = self.memberships.get_mut(id).filter(|member| member.is_joining()) else { continue };
            if let Some(Offer { subscriber, start, .. }) = member.offer.take() {
                member.stage = Stage::Leaving { posted: false };
                askers.push(Asking { subscriber, holder: member.holder, class: member.class, start });
            }
        }
        askers
    }

    /// Asks again for what the name stands for now.
    pub(super) fn ask_again(&mut self, name: &Name, askers: Vec<Asking>) {
        for Asking { subscriber, holder, class, start } in askers {
            let asked = match self.flows.named(name) {
                Some(_) => self.subscribe(&subscriber, holder, name, class, start),
                None => Err(Refusal::FlowEnded),
            };
            asked.unwrap_or_else(|refusal| self.refuse_subscriber(&subscriber, refusal));
        }
    }

    /// The writer has let the consumer in: it gets its descriptors.
    pub(super) fn joined(&mut self, id: u64, first: GrainIndex) {
        let Some(member) = self.memberships.get_mut(&id).filter(|member| member.is_joining()) else { return };
        let Some(offer) = member.offer.take() else { return };
        member.stage = Stage::Live { first };
        let subscriber = offer.subscriber.clone();
        // Whatever the offer holds closes on the way out, and so the seat comes free again.
        match self.fulfil(id, first, offer) {
            Ok(()) => self.counters.joined += 1,
            Err(refusal) => self.refuse_subscriber(&subscriber, refusal),
        }
    }

    /// Gives a consumer what it reads with.
    fn fulfil(&mut self, id: u64, first: GrainIndex, offer: Offer) -> Result<(), Refusal> {
        let Offer { subscriber, page, life, producer_life, bell, .. } = offer;
        let member = self.memberships.get(&id).ok_or(Refusal::FlowEnded)?;
        let flow = self.flows.of_epoch(member.flow).ok_or(Refusal::FlowEnded)?;
        let (seat, nonce, geometry, wake) = (member.seat, member.nonce, *flow.ring.geometry(), flow.wake);
        let producer = flow.producing_uid();
        let trust = if producer.is_some() { Trust::Pod } else { Trust::Gateway };
        match subscriber {
            Subscriber::Pod { connection, request, version } => {
                let ring = flow.ring.consumer_fds().map_err(|error| unavailable(&error))?;
                let given = page.consumer_fd().map_err(descriptors)?;
                let message = BrokerMessage::Subscribed { geometry, trust, consumer: seat, nonce, first, wake };
                let fds: [BorrowedFd<'_>; 6] = [
                    ring.control.as_fd(),
                    ring.data.as_fd(),
                    given.as_fd(),
                    life.as_fd(),
                    producer_life.as_fd(),
                    bell.as_fd(),
                ];
                self.answer(connection, request, &message, &fds[..message.descriptors(version)]);
                if let Some(member) = self.memberships.get_mut(&id) {
                    let file = GivenFile::new(page.into_fd());
                    member.given = member.holder.map(|holder| LeftPage::new(holder.uid, producer, file));
                }
            }
            Subscriber::Gateway(waiting) => {
                let (control, data) = flow.ring.map_for_reading().map_err(|error| unavailable(&error))?;
                if trust == Trust::Pod {
                    self.watch_producer(id, producer_life);
                }
                // If nobody waits any more, it closes here.
                let wake = (if trust == Trust::Pod { wake } else { WakeMode::None }, bell);
                let seat = Seat { geometry, control, data, page, seat, nonce, trust, life, wake };
                let _ = waiting.try_send(Ok(Box::new(seat)));
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
}

fn unavailable(error: &RegionError) -> Refusal {
    match error {
        RegionError::Map(error) => unmapped(*error),
        RegionError::Descriptor(errno) => descriptors(*errno),
        // A ring that is a flow fails in no other way.
        _ => descriptors(Errno::INVAL),
    }
}

/// The kernel gave no mapping; that it is too short was seen when it was made.
fn unmapped(error: MapError) -> Refusal {
    descriptors(match error {
        MapError::Kernel(errno) => errno,
        MapError::Short { .. } | MapError::Size(_) => Errno::INVAL,
    })
}

fn descriptors(errno: Errno) -> Refusal {
    Refusal::Descriptors { errno: errno.raw_os_error().unsigned_abs() }
}
