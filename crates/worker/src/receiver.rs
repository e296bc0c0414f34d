//! A receiver: one RTP stream from its packets to the grains of a ring.
//!
//! ```text
//! packet → header → stream (SSRC, sequence) → which grain? → segments → place in the ring
//!                                               │ next, while one is open → hold
//! ```
//! On one leg the ring has one open grain. A packet of the next grain waits in the reorder window ([`Hold`]); when the
//! open grain is complete, or the window or the time-out has passed, the missing lines are declared lost,
//! the grain is committed and the held packets are sorted again.
//!
//! While two legs bring the stream (ST 2022-7), as many grains may be open as the ring was made for: what the leg that is
//! ahead has lost of one may still come by the other when later ones are there already.

mod arrived;
mod assembly;
mod building;
mod config;
mod run;
mod samples;
mod stream;

use std::net::IpAddr;
use std::sync::Arc;

use media::{ExtSeqNum, PayloadType, SeqNum, Ssrc, Tai};
use netio::{PacketBuf, TimeSource};
use rtp::{Arrival, RtpHeader};
use shm::FrameWriter;
use st2110::srd::Segment;

use crate::counters::{HeardLegCounters, ReceiverCounters};
use crate::hold::Hold;
use arrived::{Arrived, Kept};
use assembly::{Assembly, Closed, Place};
pub use config::ReceiverConfig;
use samples::Samples;
use stream::{Identity, Stream};

/// One RTP stream and the writer of its flow.
pub struct Receiver<B> {
    payload_type: PayloadType,
    sources: Box<[IpAddr]>,
    grain_timeout_nanos: i64,
    stream: Stream,
    assembly: Assembly,
    hold: Hold<Kept<B>>,
    /// A packet far from all others, until its successor tells whether the sender began anew.
    doubtful: Option<Kept<B>>,
    /// Since the burst began.
    packets: u64,
    octets: u64,
    timed_by_kernel: u64,
    timed_by_nic: u64,
    counters: Arc<ReceiverCounters>,
}

impl<B: PacketBuf> Receiver<B> {
    /// A receiver that writes through `writer`. Everything it needs is allocated here.
    #[must_use]
    pub fn new(config: &ReceiverConfig, writer: FrameWriter) -> Self {
        let counters = Arc::<ReceiverCounters>::default();
        Self {
            payload_type: config.payload_type,
            sources: config.sources.clone().into_boxed_slice(),
            grain_timeout_nanos: config.grain_timeout_nanos,
            stream: Stream::new(config.format.rate()),
            assembly: Assembly::new(config, writer, Arc::clone(&counters)),
            hold: Hold::new(config.reorder_packets),
            doubtful: None,
            packets: 0,
            octets: 0,
            timed_by_kernel: 0,
            timed_by_nic: 0,
            counters,
        }
    }

    /// Is heard on so many legs (ST 2022-7). Before its first packet; what that needs is allocated here.
    #[must_use]
    pub(crate) fn on_legs(mut self, legs: usize) -> Self {
        self.stream.on_legs(legs);
        self
    }

    /// What each leg brings, for whoever reports it; empty where there is one leg.
    #[must_use]
    pub fn leg_counters(&self) -> Vec<Arc<HeardLegCounters>> {
        self.stream.legs().counters()
    }

    /// The counters, for whoever reports them.
    #[must_use]
    pub fn counters(&self) -> Arc<ReceiverCounters> {
        Arc::clone(&self.counters)
    }

    pub(crate) fn counters_ref(&self) -> &ReceiverCounters {
        &self.counters
    }

    /// Which epoch of its flow it writes.
    #[must_use]
    pub fn epoch(&self) -> u128 {
        self.assembly.epoch()
    }

    /// Closes what is open: the receiver leaves its worker, and what it held goes back to the queue's pool here.
    pub(crate) fn finish(&mut self) {
        self.assembly.close_all();
        self.hold.clear();
        self.doubtful = None;
    }

    /// Takes in one packet of a burst, which came by `leg`. `locked`: whether our own clock follows PTP.
    #[inline]
    pub fn accept(&mut self, packet: &B, leg: u8, now: Tai, locked: bool) {
        self.packets += 1;
        self.octets += packet.octets() as u64;
        match packet.meta().timed_by {
            TimeSource::Burst => {}
            TimeSource::Kernel => self.timed_by_kernel += 1,
            TimeSource::Nic => self.timed_by_nic += 1,
        }
        let Some(header) = self.read_header(packet) else { return };
        if self.stream.follows(header.ssrc)
            && let Some((segment, place)) = self.assembly.sole(packet, &header)
        {
            return self.accept_sole(packet, &header, leg, (&segment, place), now, locked);
        }
        self.accept_any(packet, &header, leg, now, locked);
    }

    /// A packet as nearly all are: of the stream that is followed and of an open grain, with one segment, which is sound.
    #[inline]
    fn accept_sole(
        &mut self,
        packet: &B,
        header: &RtpHeader,
        leg: u8,
        (segment, place): (&Segment, usize),
        now: Tai,
        locked: bool,
    ) {
        let (number, arrival) = self.stream.observe(leg, header, packet.meta().arrival, now, &self.counters);
        match arrival {
            Arrival::InOrder | Arrival::AfterGap(_) | Arrival::Reordered => {
                if self.assembly.write_sole(packet, header, number, (segment, place)) == Closed::Yes {
                    self.sort_held(now, locked);
                }
            }
            Arrival::Duplicate | Arrival::Doubtful | Arrival::Restarted => {
                let samples = Samples::sole(*segment);
                self.order(&Arrived { packet, header, samples: &samples, number }, arrival, now, locked);
            }
        }
    }

    /// Any packet of which the RTP header is sound.
    #[inline(never)]
    fn accept_any(&mut self, packet: &B, header: &RtpHeader, leg: u8, now: Tai, locked: bool) {
        let identity = self.stream.identify(header.ssrc, now);
        if identity == Identity::Foreign {
            return self.counters.ssrc_foreign.add(1);
        }
        // A packet without samples leaves no trace: its number may be a sound packet's, and its timestamp no grain's.
        let mut samples = Samples::none();
        if !self.assembly.read(packet, header, &mut samples) {
            return;
        }
        if identity == Identity::Candidate {
            self.adopt(header.ssrc, now, locked);
        }
        let came = packet.meta().arrival;
        let (number, arrival) = self.stream.observe(leg, header, came, now, &self.counters);
        self.order(&Arrived { packet, header, samples: &samples, number }, arrival, now, locked);
    }

    /// Ends a burst: publishes the lines that it has completed.
    #[inline]
    pub fn end_burst(&mut self) {
        self.assembly.end_burst();
        self.stream.legs().mirror();
        self.counters.packets.add(self.packets);
        self.counters.octets.add(self.octets);
        self.counters.packets_timed_by_kernel.add(self.timed_by_kernel);
        self.counters.packets_timed_by_nic.add(self.timed_by_nic);
        (self.packets, self.octets, self.timed_by_kernel, self.timed_by_nic) = (0, 0, 0, 0);
    }

    /// Passes time: what had arrived until `horizon` has been taken in. Closes a grain whose time-out had passed then,
    /// lets consumers join and leave.
    pub(crate) fn tick(&mut self, horizon: Tai, now: Tai, locked: bool) {
        self.assembly.poll(now);
        while let Some(since) = self.assembly.open_since() {
            // What came long after now came before a clock stepped back.
            let waited = horizon.nanos_since(since).max(since.nanos_since(now));
            if waited <= self.grain_timeout_nanos {
                break;
            }
            self.give_up(now, locked);
        }
    }

    /// Whether a grain waits for packets that may never come.
    pub(crate) fn has_open_grain(&self) -> bool {
        self.assembly.open_since().is_some()
    }

    /// Packets that it holds while it waits for others, in the queue's own buffers.
    pub(crate) fn held(&self) -> usize {
        self.hold.len()
    }

    /// Waits no longer for what is missing of the open grain, because the queue has no buffer left.
    #[cold]
    pub(crate) fn cut_wait(&mut self, now: Tai, locked: bool) {
        self.counters.waits_cut.add(1);
        self.give_up(now, locked);
    }

    /// Closes the oldest open grain as it is; what waited for it is sorted in.
    fn give_up(&mut self, now: Tai, locked: bool) {
        self.assembly.close();
        self.sort_held(now, locked);
        self.assembly.end_burst();
    }

    #[inline]
    fn read_header(&self, packet: &B) -> Option<RtpHeader> {
        if !self.sources.is_empty() && !self.sources.contains(&packet.meta().source.ip()) {
            self.counters.source_foreign.add(1);
            return None;
        }
        let head = packet.head();
        let header = match RtpHeader::parse_plain(head, packet.octets()) {
            Some(plain) => plain,
            None => self.read_options(packet)?,
        };
        if header.payload_type != self.payload_type {
            self.counters.payload_type_wrong.add(1);
            return None;
        }
        Some(header)
    }

    /// Reads any header.
    #[cold]
    fn read_options(&self, packet: &B) -> Option<RtpHeader> {
        let head = packet.head();
        // RFC 3550 §5.1: the last octet counts where P says so; it is far from the others.
        let is_padded = head.first().is_some_and(|first| first & 0x20 != 0);
        let last_octet = if is_padded { packet.last_octet() } else { 0 };
        let header = RtpHeader::parse(head, packet.octets(), last_octet);
        if header.is_err() {
            self.counters.rtp_malformed.add(1);
        }
        header.ok()
    }

    /// A new SSRC begins: what the old one left open is closed.
    fn adopt(&mut self, ssrc: Ssrc, now: Tai, locked: bool) {
        if self.stream.adopt(ssrc) {
            self.counters.ssrc_changes.add(1);
        }
        self.doubtful = None;
        self.assembly.close_all();
        // Each round takes the first packet at least; all of them are the old one's.
        while self.hold.len() > 0 {
            self.sort_held(now, locked);
            self.assembly.close_all();
        }
        self.assembly.forget_order();
    }

    /// Puts the packet into the stream's sequence.
    #[inline]
    fn order(&mut self, arrived: &Arrived<'_, B>, arrival: Arrival, now: Tai, locked: bool) {
        match arrival {
            Arrival::Duplicate => self.counters.duplicates.add(1),
            Arrival::Doubtful => {
                self.counters.doubtful.add(1);
                self.doubtful = Some(arrived.keep());
            }
            Arrival::Restarted => {
                if let Some(mut first) = self.doubtful.take()
                    && SeqNum(first.header.sequence.0.wrapping_add(1)) == arrived.header.sequence
                {
                    first.number = ExtSeqNum(arrived.number.0 - 1);
                    self.deliver(&first.arrived(), now, locked);
                }
                self.deliver(arrived, now, locked);
            }
            _ => self.deliver(arrived, now, locked),
        }
    }

    #[inline]
    fn deliver(&mut self, arrived: &Arrived<'_, B>, now: Tai, locked: bool) {
        if self.sort(arrived, now, locked) == Closed::Yes {
            self.sort_held(now, locked);
        }
    }

    /// Sorts the held packets again after a grain was closed. Ends: every round but the last completes a
    /// grain out of packets that are then gone from the window.
    fn sort_held(&mut self, now: Tai, locked: bool) {
        let mut closed = Closed::Yes;
        while closed == Closed::Yes {
            closed = Closed::No;
            for _ in 0..self.hold.len() {
                let Some(kept) = self.hold.pop() else { break };
                if self.sort(&kept.arrived(), now, locked) == Closed::Yes {
                    closed = Closed::Yes;
                }
            }
        }
    }

    /// Writes, holds or drops one packet; tells whether a grain was closed by it.
    #[inline]
    fn sort(&mut self, arrived: &Arrived<'_, B>, now: Tai, locked: bool) -> Closed {
        match self.assembly.place(arrived.header.timestamp, arrived.number) {
            Place::Open(place) => self.assembly.write(arrived, place),
            Place::Late => {
                self.counters.late.add(1);
                Closed::No
            }
            Place::Next => self.begin(arrived, now, locked),
        }
    }

    /// Opens a grain with its first packet, or has that wait.
    fn begin(&mut self, arrived: &Arrived<'_, B>, now: Tai, locked: bool) -> Closed {
        // What is missing comes by a second leg or not at all.
        let reach = if self.stream.legs().is_protected(now) { self.assembly.room() } else { 1 };
        if !self.assembly.is_waiting(reach) {
            self.assembly.open(arrived, reach, now, locked);
            return match self.assembly.place(arrived.header.timestamp, arrived.number) {
                Place::Open(place) => self.assembly.write(arrived, place),
                Place::Next | Place::Late => Closed::No,
            };
        }
        if self.hold.push(arrived.keep()) {
            self.assembly.close();
            return Closed::Yes;
        }
        Closed::No
    }
}
