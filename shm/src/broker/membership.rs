//! Consumers of rings, and who waits to be one. How they come is in [`super::joining`], how they go in
//! [`super::leaving`].

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use media::GrainIndex;

use super::left_page::LeftPage;
use super::snapshot::{ConsumerHolder, ConsumerSnapshot, ConsumerState};
use super::state::{State, WAITING};
use crate::access::Peer;
use crate::pipe::{LifeEnd, LifeWatch};
use crate::protocol::{BrokerMessage, Member, Refusal, Version};
use crate::wake::{Bell, WatchId};
use crate::{ConsumerClass, DataView, Geometry, LeasePage, Mapping, RingProbe, Start, Trust, WakeMode};

/// How soon to look for what a writer of ours answers.
const JOINING: Duration = Duration::from_millis(1);
const LEAVING: Duration = Duration::from_millis(5);
const READING: Duration = Duration::from_millis(50);

/// One consumer of one ring, from its request until its seat is free again.
#[derive(Debug)]
pub(super) struct Membership {
    /// The epoch that it reads.
    pub(super) flow: u128,
    /// What a pod that produces calls it.
    pub(super) join: u64,
    pub(super) seat: u8,
    pub(super) class: ConsumerClass,
    pub(super) nonce: u64,
    /// Who reads; none is the gateway itself, or nobody knows.
    pub(super) holder: Option<Peer>,
    /// An earlier broker let it in.
    pub(super) outlived: bool,
    pub(super) stage: Stage,
    /// What the consumer gets once the writer has let it in.
    pub(super) offer: Option<Offer>,
    /// Its lease page, for status.
    pub(super) page: Option<Mapping>,
    /// The same page, once another process was given it.
    pub(super) given: Option<LeftPage>,
    /// Hangs up when the consumer is gone. Held where the gateway produces; a pod that produces holds its own.
    pub(super) life: Option<LifeWatch>,
    /// Tells the consumer that the gateway lives, where the gateway produces.
    pub(super) producer: Option<LifeEnd>,
    /// Hangs up when the pod that produces for the gateway is gone.
    pub(super) producer_life: Option<LifeWatch>,
    /// It is looked after by the gateway's waker.
    pub(super) watch: Option<WatchId>,
    /// The end of its bell that its waker has, where the gateway or nobody wakes.
    pub(super) _bell: Option<Arc<Bell>>,
}

/// Where a membership stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    Joining(Instant),
    Live {
        first: GrainIndex,
    },
    Evicted {
        first: GrainIndex,
        end: GrainIndex,
    },
    /// Gone, or never told that it is in. `true` once the writer has mail that says so.
    Leaving {
        posted: bool,
    },
}

/// What a consumer gets once the flow's writer has let it in.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) subscriber: Subscriber,
    /// Where it wants to begin.
    pub(super) start: Start,
    pub(super) page: LeasePage,
    pub(super) life: LifeEnd,
    pub(super) producer_life: LifeWatch,
    /// The consumer's end of its bell.
    pub(super) bell: Bell,
}

/// Who waits for the answer to a subscription.
#[derive(Clone, Debug)]
pub(super) enum Subscriber {
    /// A pod.
    Pod { connection: u64, request: u32, version: Version },
    /// A thread of this process.
    Gateway(SyncSender<Result<Box<Seat>, Refusal>>),
}

impl Subscriber {
    /// What it can be told.
    pub(super) const fn version(&self) -> Version {
        match self {
            Self::Pod { version, .. } => *version,
            Self::Gateway(_) => Version::NEWEST,
        }
    }
}

/// What a consumer in this process builds its reader from.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) geometry: Geometry,
    pub(super) control: Mapping,
    pub(super) data: DataView,
    pub(super) page: LeasePage,
    pub(super) seat: u8,
    pub(super) nonce: u64,
    pub(super) trust: Trust,
    pub(super) life: LifeEnd,
    /// Who wakes it, and its end of the bell.
    pub(super) wake: (WakeMode, Bell),
}

impl Membership {
    /// A consumer that its producer has let in under an earlier broker. Nothing is known of it but what that says.
    pub(super) const fn adopted(member: &Member, stage: Stage) -> Self {
        Self {
            flow: member.epoch,
            join: member.join,
            seat: member.consumer,
            class: member.class,
            nonce: member.nonce,
            holder: None,
            outlived: true,
            stage,
            offer: None,
            page: None,
            given: None,
            life: None,
            producer: None,
            producer_life: None,
            watch: None,
            _bell: None,
        }
    }

    pub(super) const fn is_joining(&self) -> bool {
        matches!(self.stage, Stage::Joining(_))
    }

    /// How soon this consumer may need attention that no descriptor asks for: the gateway's own writers answer
    /// without a system call. Pods that produce send messages.
    pub(super) fn patience(&self) -> Option<Duration> {
        let ours = self.producer.is_some();
        match self.stage {
            Stage::Joining(_) if ours => Some(JOINING),
            Stage::Leaving { .. } if ours => Some(LEAVING),
            Stage::Live { .. } | Stage::Evicted { .. } if ours => Some(READING),
            Stage::Joining(_) => Some(WAITING),
            _ => None,
        }
    }

    pub(super) fn snapshot(&self, probe: Option<&RingProbe>) -> ConsumerSnapshot {
        let state = match self.stage {
            Stage::Joining(_) => ConsumerState::Joining,
            Stage::Live { first } => ConsumerState::Live { first },
            Stage::Evicted { end, .. } => ConsumerState::Evicted { end },
            Stage::Leaving { .. } => ConsumerState::Leaving,
        };
        let seen = probe.zip(self.page.as_ref());
        let lag = seen.filter(|_| matches!(state, ConsumerState::Live { .. })).map(|(probe, page)| probe.lag(page));
        let (held, quarantined) = self.holds(probe);
        let (number, holder, class) = (self.seat, self.holder(), self.class);
        ConsumerSnapshot { number, holder, class, state, lag, held, quarantined }
    }

    fn holder(&self) -> ConsumerHolder {
        match self.holder {
            Some(Peer { uid, pid, .. }) => ConsumerHolder::Pod { uid, pid },
            None if self.outlived => ConsumerHolder::Outlived,
            None => ConsumerHolder::Gateway,
        }
    }

    /// Slots that the writer keeps for it: as a reader, and since its eviction.
    fn holds(&self, probe: Option<&RingProbe>) -> (u64, u64) {
        let (ConsumerClass::Leased { k, .. }, Some((probe, page))) = (self.class, probe.zip(self.page.as_ref())) else {
            return (0, 0);
        };
        match self.stage {
            Stage::Live { first } => (probe.held(page, first), 0),
            Stage::Evicted { first, end } => (0, RingProbe::quarantined(page, first, end).min(u64::from(k) + 1)),
            Stage::Joining(_) | Stage::Leaving { .. } => (0, 0),
        }
    }
}

impl State {
    /// The membership that the pod at `connection`, as its flow's producer, calls `join`.
    pub(super) fn member_of(&self, connection: u64, join: u64) -> Option<u64> {
        let is_it = |id: &u64| self.memberships.get(id).is_some_and(|member| member.join == join);
        let mut produced = self.flows.all().filter(|flow| flow.producer() == Some(connection));
        produced.find_map(|flow| flow.seats.iter().flatten().copied().find(is_it))
    }

    /// Takes a membership out of the books; who still waits for it is refused.
    pub(super) fn drop_membership(&mut self, id: u64, refusal: Refusal) {
        let Some(member) = self.memberships.remove(&id) else { return };
        self.forget_sleeper(member.watch);
        for watch in member.life.iter().chain(&member.producer_life) {
            self.poll.forget(watch);
        }
        self.left_pages.extend(member.given);
        if let Some(flow) = self.flows.of_epoch_mut(member.flow)
            && let Some(seat) = flow.seats.get_mut(usize::from(member.seat))
            && *seat == Some(id)
        {
            *seat = None;
        }
        if let Some(offer) = member.offer {
            self.refuse_subscriber(&offer.subscriber, refusal);
        }
    }

    /// Tells who waits that nothing comes of it.
    pub(super) fn refuse_subscriber(&mut self, subscriber: &Subscriber, refusal: Refusal) {
        self.counters.refused += 1;
        match subscriber {
            Subscriber::Pod { connection, request, .. } => {
                self.answer(*connection, *request, &BrokerMessage::Refused(refusal), &[]);
            }
            Subscriber::Gateway(waiting) => {
                let _ = waiting.try_send(Err(refusal));
            }
        }
    }
}
