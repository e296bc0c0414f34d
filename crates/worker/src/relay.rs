//! A relay: the packets of one RTP stream, forwarded as they are to any number of destinations.
//!
//! ```text
//! packet → header → RTCP? malformed? → stream (SSRC, sequence) → window ─┬► forwarder ─► output
//!                                                                       ├► forwarder ─► output
//!                                                                       └► ...
//! ```
//! Nothing of a payload is read, and nothing copied: every destination shares the received packet behind a header of its
//! own ([`netio::TxQueue::forward`]). RTCP is not relayed: its reports speak of the leg that they came on, and of an SSRC
//! and time stamps that a destination may not get.

mod stream;

use std::net::IpAddr;
use std::sync::Arc;

use media::{ExtSeqNum, Tai};
use netio::{PacketBuf, TxQueue};
use rtp::{Arrival, FIXED_HEADER_OCTETS, RtpHeader};
use shm::GrainLease;

use crate::counters::{HeardLegCounters, RelayCounters};
use crate::forwarder::Serving;
use crate::kept::{Kept, Original};
use crate::key::ReceiverKey;
use crate::limits::{PACKETS_PER_TURN, WORKER_LIMIT};
use crate::output::Output;
use crate::roster::Roster;
use crate::steered::Leg;
use crate::window::Window;
use stream::{Identity, Stream};

/// RFC 5761 §4: the second octet of RTCP packets that share a port with RTP.
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 192..=223;

/// The forwarders of a worker whose queues send `B`.
pub(crate) type Forwarders<B> = Roster<Serving<B>>;

/// What a relay expects and keeps.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Admitted sources; empty for all.
    pub sources: Vec<IpAddr>,
    /// Rate of the time stamps.
    pub clock_hz: u32,
    /// Packets that are kept for destinations that do not take them at once; at least what one turn may bring.
    pub backlog_packets: u16,
    /// How long they are kept, nanoseconds.
    pub backlog_nanos: i64,
}

impl RelayConfig {
    /// Packets that a relay of so many legs keeps at most. A smaller window would lose packets of destinations that keep up.
    #[must_use]
    pub fn packets_max(&self, legs: usize) -> usize {
        Window::<()>::room(usize::from(self.backlog_packets).max(PACKETS_PER_TURN * legs))
    }
}

/// One relayed stream.
pub struct Relay<B> {
    key: ReceiverKey,
    legs: Box<[Leg]>,
    sources: Box<[IpAddr]>,
    clock_hz: u32,
    backlog_nanos: i64,
    stream: Stream,
    window: Window<Kept<B>>,
    /// Places of the worker's forwarders that follow this relay.
    members: Vec<u16>,
    /// Who goes first in the next turn.
    first: usize,
    counters: Arc<RelayCounters>,
}

impl<B: PacketBuf> Relay<B> {
    /// A relay of what comes in by `legs`. Everything it needs is allocated here.
    #[must_use]
    pub fn new(key: ReceiverKey, legs: impl Into<Box<[Leg]>>, config: &RelayConfig) -> Self {
        let legs = legs.into();
        let window = config.packets_max(legs.len());
        let stream = Stream::new(legs.len());
        Self {
            key,
            legs,
            sources: config.sources.clone().into_boxed_slice(),
            clock_hz: config.clock_hz,
            backlog_nanos: config.backlog_nanos,
            stream,
            window: Window::new(window),
            members: Vec::with_capacity(WORKER_LIMIT),
            first: 0,
            counters: Arc::default(),
        }
    }

    /// The key under which it is removed and followed.
    #[must_use]
    pub fn key(&self) -> ReceiverKey {
        self.key
    }

    /// Where its packets come in. Of several legs (ST 2022-7) the first copy of each packet goes on.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// Hears the same stream by other inputs, as many: between two workers.
    pub fn set_legs(&mut self, legs: impl Into<Box<[Leg]>>) {
        let legs = legs.into();
        debug_assert_eq!(legs.len(), self.legs.len(), "a leg has come, or has gone");
        self.legs = legs;
    }

    /// The counters, for whoever reports them.
    #[must_use]
    pub fn counters(&self) -> Arc<RelayCounters> {
        Arc::clone(&self.counters)
    }

    /// What each leg brings, for whoever reports it; empty where there is one leg.
    #[must_use]
    pub fn leg_counters(&self) -> Vec<Arc<HeardLegCounters>> {
        self.stream.legs().counters()
    }

    /// Takes in one packet that came by `leg`.
    #[inline]
    pub(crate) fn accept(&mut self, packet: B, leg: u8, now: Tai) {
        self.counters.packets.add(1);
        self.counters.octets.add(packet.octets() as u64);
        let Some((header, fixed)) = self.read_header(&packet) else { return };
        let original = |number| Original { header: fixed, number, at: now };
        let kept = match self.stream.identify(header.ssrc, now) {
            Identity::Foreign => {
                self.counters.ssrc_foreign.add(1);
                if !self.stream.carries(leg, now) {
                    return;
                }
                Kept { original: original(ExtSeqNum(0)), packet, run: None, begins: false }
            }
            identity => {
                if identity == Identity::Candidate && self.stream.adopt(header.ssrc) {
                    self.counters.ssrc_changes.add(1);
                }
                let came = packet.meta().arrival;
                let (number, arrival) = self.stream.observe(leg, &header, came, now, &self.counters);
                if arrival == Arrival::Duplicate {
                    return self.counters.duplicates.add(1);
                }
                if arrival == Arrival::Doubtful && !self.stream.carries(leg, now) {
                    return;
                }
                let run = (arrival != Arrival::Doubtful).then_some(self.stream.run());
                // A late packet of the last picture begins none, nor does what follows it.
                let begins = run.is_some() && arrival != Arrival::Reordered && self.stream.begins(header.timestamp);
                Kept { original: original(number), packet, run, begins }
            }
        };
        kept.packet.expect_copies(self.members.len());
        self.window.push(kept);
    }

    #[inline]
    fn read_header(&self, packet: &B) -> Option<(RtpHeader, [u8; FIXED_HEADER_OCTETS])> {
        if !self.sources.is_empty() && !self.sources.contains(&packet.meta().source.ip()) {
            self.counters.source_foreign.add(1);
            return None;
        }
        let head = packet.head();
        if head.get(1).is_some_and(|kind| RTCP_TYPES.contains(kind)) {
            self.counters.rtcp.add(1);
            return None;
        }
        // The last octet matters where there is padding (RFC 3550 §5.1); reading it touches another cache line.
        let last_octet = if head.first().is_some_and(|first| first & 0x20 != 0) { packet.last_octet() } else { 0 };
        let header = RtpHeader::parse(head, packet.octets(), last_octet);
        let (Ok(header), Some(fixed)) = (header, head.first_chunk()) else {
            self.counters.rtp_malformed.add(1);
            return None;
        };
        Some((header, *fixed))
    }

    /// Hands every destination what it has not got yet, as far as its output takes it; returns how many packets were made.
    pub(crate) fn turn<T>(&mut self, forwarders: &mut Forwarders<T::Buf>, outputs: &mut [Output<T>], now: Tai) -> usize
    where
        T: TxQueue<Lease = GrainLease, Received = B>,
    {
        self.stream.legs().mirror();
        if self.window.is_empty() {
            return 0;
        }
        let (mut made, mut done) = (0, self.window.head());
        for nth in 0..self.members.len() {
            let place = self.members[(self.first + nth) % self.members.len()];
            let Some(serving) = forwarders.at_mut(place) else { continue };
            let Some(output) = outputs.get_mut(serving.forwarder.output_place()) else { continue };
            made += serving.forward(&self.window, self.clock_hz, output);
            done = done.min(serving.forwarder.place());
        }
        // Who went first has had the most of a full queue.
        self.first = (self.first + 1) % self.members.len().max(1);
        self.window.release(done);
        if !self.window.is_empty() {
            self.expire(now);
        }
        self.counters.packets_held.set(self.window.len() as u64);
        made
    }

    /// Gives back what has waited too long. A clock that steps back counts as time that has passed.
    #[cold]
    fn expire(&mut self, now: Tai) {
        while let Some(oldest) = self.window.at(self.window.tail()) {
            if now.nanos_since(oldest.original.at).saturating_abs() <= self.backlog_nanos {
                break;
            }
            self.window.release(self.window.tail() + 1);
        }
    }

    /// Packets that are kept.
    pub(crate) fn held(&self) -> usize {
        self.window.len()
    }

    /// The receive queue has no buffer left: gives back the older half of what is kept.
    #[cold]
    pub(crate) fn cut_backlog(&mut self) {
        self.window.release(self.window.tail() + (self.window.len() as u64).div_ceil(2));
        self.counters.backlogs_cut.add(1);
        self.counters.packets_held.set(self.window.len() as u64);
    }

    /// Whether packets wait for a destination.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.window.is_empty()
    }

    /// Notes who follows this relay, of all the worker's forwarders. Allocates nothing within the room.
    pub(crate) fn relink<P>(&mut self, forwarders: &mut Forwarders<P>) {
        self.members.clear();
        for place in 0..WORKER_LIMIT as u16 {
            let Some(Serving { forwarder, .. }) = forwarders.at_mut(place) else { continue };
            if forwarder.follows() == Some(self.key) {
                forwarder.join(self.window.head());
                self.members.push(place);
            }
        }
        self.first = 0;
        self.counters.destinations.set(self.members.len() as u64);
    }

    /// The relay leaves its worker: what it kept goes back to the queue's pool here.
    pub(crate) fn finish(&mut self) {
        self.window.clear();
        self.counters.packets_held.set(0);
    }
}
