//! The housekeeping thread of a producer: lets consumers in, hears when they are gone, tells the broker.
//!
//! It goes on without the broker: when the gateway is gone, consumers that are in keep reading, and their life pipes
//! still say when they leave. When there is a gateway again, it brings the ring back ([`super::returning`]).

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use media::GrainIndex;
use rustix::io::Errno;

use super::error::SessionError;
use super::link::Link;
use super::next::Next;
use super::returning::{ADOPTION, Home, may_change};
use super::signals::{Role, Signals};
use super::waking::RingWaker;
use crate::pipe::{LifeEnd, LifeWatch};
use crate::poll::Token;
use crate::protocol::{BrokerMessage, Member, MemberStage, PodMessage, Refusal, Succession, SuccessionToken, Version};
use crate::seqpacket::Wait;
use crate::wake::{Bell, WatchId};
use crate::{Access, ConsumerClass, LeasePage, Mail, Mailbox, Notice, Start};

/// How soon to look for what the writer answers.
const SETTLING: Duration = Duration::from_millis(1);
const READING: Duration = Duration::from_millis(50);
/// Messages taken before the life pipes have their turn.
const MESSAGES_A_TURN: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Housekeeper {
    /// None once the broker is gone.
    link: Option<Link>,
    epoch: u128,
    mailbox: Arc<Mailbox>,
    /// Wakes the consumers; none if nobody does.
    waker: Option<RingWaker>,
    signals: Arc<Signals>,
    /// As it was at the last look.
    role: Role,
    /// By the broker's number of the join.
    consumers: HashMap<u64, Seated>,
    /// What the broker could not be told yet.
    unsaid: Vec<PodMessage>,
    home: Home,
    /// Where a successor of this ring goes.
    next: Arc<Next>,
}

/// A consumer of this producer's ring.
#[derive(Debug)]
struct Seated {
    seat: u8,
    nonce: u64,
    class: ConsumerClass,
    stage: MemberStage,
    settled: bool,
    /// Hangs up when the consumer is gone; none after that.
    life: Option<LifeWatch>,
    /// The writer has been told that it is gone.
    gone_posted: bool,
    /// Tells the consumer that this producer lives.
    _producer: LifeEnd,
    /// The end of its bell by which it is woken; none from a gateway of protocol version 1.
    _bell: Option<Arc<Bell>>,
    watch: Option<WatchId>,
}

/// What `Join` carries.
struct Joining {
    join: u64,
    seat: u8,
    class: ConsumerClass,
    nonce: u64,
    start: Start,
}

impl Housekeeper {
    pub(super) fn new(
        link: Link,
        epoch: u128,
        (mailbox, waker): (Arc<Mailbox>, Option<RingWaker>),
        signals: Arc<Signals>,
        (home, next): (Home, Arc<Next>),
    ) -> Result<Self, Errno> {
        signals.poll.watch_input(link.socket(), Token::Connection(0))?;
        let (link, consumers, unsaid, role) = (Some(link), HashMap::new(), Vec::new(), signals.role());
        Ok(Self { link, epoch, mailbox, waker, signals, role, consumers, unsaid, home, next })
    }

    /// Until the producer drops; then the flow is withdrawn and the pipes close.
    pub(super) fn run(mut self) {
        let mut tokens = Vec::new();
        while !self.signals.is_stopping() {
            if self.signals.poll.wait(self.patience(), &mut tokens).is_err() {
                // Only a bug of ours gets here; without a pause it would spin.
                std::thread::sleep(READING);
            }
            for token in tokens.drain(..) {
                match token {
                    Token::Connection(_) => self.serve(),
                    Token::Consumer(join) => self.consumer_gone(join),
                    Token::Wake | Token::Listener | Token::Producer(_) | Token::Bell(_) => {}
                }
            }
            self.home.found().into_iter().for_each(|link| self.come_back(link));
            self.drain_notices();
            self.settle_departures();
            self.note_role();
            self.speak();
        }
        self.unsaid.push(PodMessage::Withdraw { epoch: self.epoch });
        self.speak();
    }

    /// What the writer does with this epoch now.
    fn note_role(&mut self) {
        let role = self.signals.role();
        match (self.role, role) {
            // It was lost while it waited, and nobody looked for a gateway then.
            (Role::Waiting, Role::Written) if self.is_alone() => self.home.search(&self.signals),
            (Role::Waiting | Role::Written, Role::Concluded) if self.link.is_some() => {
                self.unsaid.push(PodMessage::Conclude { epoch: self.epoch });
            }
            _ => {}
        }
        self.role = role;
    }

    fn patience(&self) -> Option<Duration> {
        let unsettled = |seated: &Seated| !seated.settled || seated.life.is_none();
        if !self.unsaid.is_empty() || self.consumers.values().any(unsettled) {
            Some(SETTLING)
        } else if self.consumers.is_empty() {
            None
        } else {
            Some(READING)
        }
    }

    /// Reads what the broker says.
    fn serve(&mut self) {
        for _ in 0..MESSAGES_A_TURN {
            let Some(link) = &self.link else { return };
            match link.receive_now(Wait::Never) {
                Ok((_, BrokerMessage::Join { join, epoch, consumer: seat, class, nonce, start }, fds)) => {
                    let joining = Joining { join, seat, class, nonce, start };
                    let known = epoch == self.epoch && self.seat(&joining, fds).is_ok();
                    if !known {
                        self.unsaid.push(PodMessage::NotJoined { join });
                    }
                }
                Ok((_, BrokerMessage::Evict { join }, _)) => self.evict(join),
                Ok((ADOPTION, BrokerMessage::Adopted { successor, token, .. }, _)) => self.brought(successor, token),
                Ok((ADOPTION, BrokerMessage::Refused(refusal), _)) if self.is_alone() => return self.refused(refusal),
                // An answer that nobody waits for.
                Ok(_) => {}
                Err(SessionError::Connection(Errno::AGAIN)) => return,
                Err(_) => return self.lose_broker(),
            }
        }
    }

    /// Hands a new consumer to the writer.
    fn seat(&mut self, joining: &Joining, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let mut fds = fds.into_iter();
        let (Some(page), Some(life), Some(producer)) = (fds.next(), fds.next(), fds.next()) else {
            return Err(Errno::INVAL);
        };
        let Joining { join, seat, class, nonce, start } = *joining;
        let lease = Arc::new(LeasePage::map_received(&page, Access::ReadOnly).map_err(|_| Errno::INVAL)?);
        let bell = fds.next().map(|bell| Arc::new(Bell::from_fd(bell)));
        let watching = self.waker.as_ref().zip(bell.as_ref());
        let watch = watching.map(|(waker, bell)| waker.watch(seat, &lease, bell)).transpose()?;
        let life = LifeWatch::from_fd(life);
        let mail = Mail::Join { consumer: seat, class, start, lease, nonce };
        self.hand_over(join, &life, mail).inspect_err(|_| self.forget_sleeper(watch))?;
        let producer = LifeEnd::from_fd(producer);
        let seated = Seated {
            seat,
            nonce,
            class,
            // Until the writer has said where it begins, it begins nowhere.
            stage: MemberStage::Live { first: GrainIndex(GrainIndex::LIMIT) },
            settled: false,
            life: Some(life),
            gone_posted: false,
            _producer: producer,
            _bell: bell,
            watch,
        };
        self.consumers.insert(join, seated);
        Ok(())
    }

    fn hand_over(&self, join: u64, life: &LifeWatch, mail: Mail) -> Result<(), Errno> {
        self.signals.poll.watch_hang_up(life, Token::Consumer(join))?;
        self.mailbox.post(mail).map_err(|_| {
            self.signals.poll.forget(life);
            Errno::AGAIN
        })
    }

    fn forget_sleeper(&self, watch: Option<WatchId>) {
        if let Some((waker, watch)) = self.waker.as_ref().zip(watch) {
            waker.forget(watch);
        }
    }

    /// The operator wants a consumer out. A mailbox without room forgets it: the operator sees that it reads on.
    fn evict(&mut self, join: u64) {
        if let Some(seated) = self.consumers.get(&join) {
            let _ = self.mailbox.post(Mail::Evict { consumer: seated.seat, nonce: seated.nonce });
        }
    }

    fn consumer_gone(&mut self, join: u64) {
        if let Some(life) = self.consumers.get_mut(&join).and_then(|seated| seated.life.take()) {
            self.signals.poll.forget(&life);
        }
    }

    /// Tells the writer who is gone, as soon as its mailbox has room.
    fn settle_departures(&mut self) {
        for seated in self.consumers.values_mut().filter(|seated| seated.life.is_none() && !seated.gone_posted) {
            let mail = Mail::Gone { consumer: seated.seat, nonce: seated.nonce };
            seated.gone_posted = self.mailbox.post(mail).is_ok();
        }
    }

    /// What the writer has to tell.
    fn drain_notices(&mut self) {
        while let Some(notice) = self.mailbox.take_notice() {
            let (Notice::Joined { nonce, .. }
            | Notice::Refused { nonce, .. }
            | Notice::Evicted { nonce, .. }
            | Notice::Released { nonce, .. }) = &notice;
            let Some(join) = self.consumers.iter().find(|(_, s)| s.nonce == *nonce).map(|(join, _)| *join) else {
                continue;
            };
            let message = match notice {
                Notice::Joined { eff, .. } => PodMessage::Joined { join, first: eff },
                Notice::Refused { .. } => PodMessage::NotJoined { join },
                Notice::Evicted { hi, .. } => PodMessage::Evicted { join, end: hi },
                Notice::Released { .. } => PodMessage::Left { join },
            };
            match message {
                PodMessage::NotJoined { .. } | PodMessage::Left { .. } => self.forget(join),
                _ => {
                    if let Some(seated) = self.consumers.get_mut(&join) {
                        seated.settle(&message);
                    }
                }
            }
            self.unsaid.push(message);
        }
    }

    fn forget(&mut self, join: u64) {
        let Some(seated) = self.consumers.remove(&join) else { return };
        self.forget_sleeper(seated.watch);
        if let Some(life) = seated.life {
            self.signals.poll.forget(&life);
        }
    }

    /// Tells the broker what it has to know, as far as it listens. Bounded: at most four messages a join.
    fn speak(&mut self) {
        let Some(link) = &self.link else { return self.unsaid.clear() };
        let said = self.unsaid.iter().take_while(|message| link.say(message).is_ok()).count();
        self.unsaid.drain(..said);
    }

    fn lose_broker(&mut self) {
        self.signals.lose_broker();
        let Some(link) = self.link.take() else { return };
        self.signals.poll.forget(link.socket());
        self.unsaid.clear();
        // What waits is given up and what is concluded ends soon: neither has anything to do at another gateway.
        if self.role == Role::Written {
            self.home.search(&self.signals);
        }
    }

    /// Whether no gateway has the ring.
    fn is_alone(&self) -> bool {
        !self.signals.has_broker()
    }

    /// There is a gateway again: it gets the ring and hears of those who read it.
    fn come_back(&mut self, link: Link) {
        // The writer went over meanwhile: this epoch is only read to its end.
        if self.signals.role() == Role::Concluded {
            return;
        }
        if self.signals.poll.watch_input(link.socket(), Token::Connection(0)).is_err() {
            return;
        }
        let members = self.consumers.iter().map(|(join, seated)| seated.member(self.epoch, *join));
        let brought = self.home.bring(&link, self.epoch, members);
        self.link = Some(link);
        match brought {
            Ok(()) => {}
            // An old one, which knows nothing of rings that were.
            Err(Errno::PROTO) => {
                let (oldest, newest) = (Version::OLDEST.number(), Version::V1.number());
                self.signals.strand(Some(Refusal::Version { min: oldest, max: newest }));
                self.give_up();
            }
            Err(_) => self.lose_broker(),
        }
    }

    /// The gateway has taken the ring over.
    fn brought(&mut self, successor: Succession, token: Option<SuccessionToken>) {
        self.signals.find_broker(token);
        if let Some(token) = token.filter(|_| successor == Succession::Wanted) {
            self.next.prepare(self.epoch, token, &self.home);
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        self.signals.strand(Some(refusal));
        self.give_up();
        if may_change(refusal) {
            self.home.search(&self.signals);
        }
    }

    /// Goes on without a gateway.
    fn give_up(&mut self) {
        if let Some(link) = self.link.take() {
            self.signals.poll.forget(link.socket());
        }
        self.unsaid.clear();
    }
}

impl Seated {
    /// The writer has said where it stands.
    fn settle(&mut self, message: &PodMessage) {
        self.settled = true;
        self.stage = match (message, self.stage) {
            (PodMessage::Joined { first, .. }, _) => MemberStage::Live { first: *first },
            (PodMessage::Evicted { end, .. }, MemberStage::Live { first }) => MemberStage::Evicted { first, end: *end },
            (_, stage) => stage,
        };
    }

    /// As the next gateway has to know it.
    const fn member(&self, epoch: u128, join: u64) -> Member {
        let Self { seat: consumer, class, nonce, stage, .. } = *self;
        Member { epoch, join, consumer, class, nonce, stage }
    }
}
