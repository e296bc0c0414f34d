//! What the data plane remembers of one sender: what it has, and why it has not what it should have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use control::SenderSpec;
use media::{Name, Ssrc};
use worker::{ReceiverKey, SenderCounters, SenderKey};

use super::connection::Connection;
use super::movement::Movement;
use super::placement::Place;
use super::wish::Wish;

/// Until what did not admit a sender is asked again; doubles with each refusal.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What a sender forwards, as far as its engine has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forwarding {
    /// It is its worker's own.
    Nothing,
    /// This relay.
    Relay(ReceiverKey),
    /// A change was broken off: its engine is to be told anew.
    Unclear,
}

/// A sender.
pub(super) struct SenderEntry {
    pub(super) spec: SenderSpec,
    pub(super) key: SenderKey,
    pub(super) place: Place,
    /// The port of the second leg.
    pub(super) second_port: Option<Name>,
    pub(super) ssrc: Ssrc,
    pub(super) counters: Arc<SenderCounters>,
    pub(super) packets: Movement,
    pub(super) connection: Option<Connection>,
    pub(super) forwarding: Forwarding,
    pub(super) sdp: Option<String>,
    pub(super) trouble: Option<String>,
    refused: Option<Refused>,
    pub(super) evictions_seen: u64,
}

impl SenderEntry {
    pub(super) fn new(
        spec: SenderSpec,
        key: SenderKey,
        place: Place,
        ssrc: Ssrc,
        counters: Arc<SenderCounters>,
    ) -> Self {
        Self {
            spec,
            key,
            place,
            second_port: None,
            ssrc,
            counters,
            packets: Movement::default(),
            connection: None,
            forwarding: Forwarding::Nothing,
            sdp: None,
            trouble: None,
            refused: None,
            evictions_seen: 0,
        }
    }

    /// Notes what moved; tells whether it is to be connected again.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        self.packets.note(self.counters.packets.value(), now);
        match &mut self.refused {
            Some(refused) => refused.end_pause(now),
            None => self.is_evicted(),
        }
    }

    /// Whether it forwards a relay.
    pub(super) fn forwards(&self) -> bool {
        matches!(self.forwarding, Forwarding::Relay(_))
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.counters.evictions.value() != self.evictions_seen
    }

    /// It has what it should have: what was said about other sources is past.
    pub(super) fn settle(&mut self) {
        self.trouble = None;
        self.refused = None;
    }

    /// Has been asked for something new: what was refused before may be tried at once.
    pub(super) fn forget_refusal(&mut self) {
        self.refused = None;
    }

    pub(super) fn may_try(&self, wish: &Wish) -> bool {
        !self.refused.as_ref().is_some_and(|refused| refused.keeps_from(wish))
    }

    /// What its engine left of it when a change was broken off: no source, and nobody knows what it forwards.
    pub(super) fn come_apart(&mut self) {
        self.connection = None;
        self.sdp = None;
        self.forwarding = Forwarding::Unclear;
    }

    /// Notes that it cannot have what it should; `is_lasting`: however often it is tried. Returns whether that is news.
    pub(super) fn refuse(&mut self, wish: Wish, trouble: String, is_lasting: bool) -> bool {
        let before = self.refused.take().filter(|refused| refused.wish == wish);
        let pause = before.map_or(PAUSE_MIN, |refused| (refused.pause * 2).min(PAUSE_MAX));
        let again = (!is_lasting).then(|| Instant::now() + pause);
        self.refused = Some(Refused { wish, again, pause, is_pausing: true });
        let is_news = self.trouble.as_ref() != Some(&trouble);
        self.trouble = Some(trouble);
        is_news
    }
}

/// What a sender should have and cannot.
struct Refused {
    wish: Wish,
    /// When it is tried again; `None` where that is in vain.
    again: Option<Instant>,
    pause: Duration,
    is_pausing: bool,
}

impl Refused {
    /// Whether the pause has just ended.
    fn end_pause(&mut self, now: Instant) -> bool {
        let is_over = self.is_pausing && self.again.is_some_and(|again| now >= again);
        self.is_pausing &= !is_over;
        is_over
    }

    /// Whether this is not to be tried now.
    fn keeps_from(&self, wish: &Wish) -> bool {
        self.is_pausing && self.wish == *wish
    }
}
