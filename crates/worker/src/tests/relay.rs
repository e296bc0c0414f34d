//! Relayed streams: one packet to many destinations, sources that change, what its packets become.

mod stuck;

use std::net::SocketAddr;
use std::sync::Arc;

use media::{PayloadType, SeqNum, Ssrc};
use netio::sim::{Faults, SimRx, SimRxConfig, SimTx, SimTxConfig};
use netio::{Burst, OwnedBytes, PacketBuf, Path, PathId, RxQueue, TxQueue};
use rtp::{FIXED_HEADER_OCTETS, FixedHeader, RtpHeader, write_header};

use super::studio::{Command, Report, Studio};
use crate::counters::{RelayCounters, SenderCounters};
use crate::forwarder::{Forwarder, ForwarderConfig, Rewrite, Timestamps};
use crate::key::{InputKey, OutputIndex, ReceiverKey, SenderKey};
use crate::relay::{Relay, RelayConfig};
use crate::steered::Leg;

const CLOCK_HZ: u32 = 90_000;
pub(super) const MS: i64 = 1_000_000;

/// A source of RTP that says what its packets are to be.
pub(super) struct Source {
    tx: SimTx<OwnedBytes>,
    path: PathId,
    ssrc: u32,
}

impl Source {
    pub(super) fn new(studio: &Studio, destination: SocketAddr, ssrc: u32) -> Self {
        let source = SocketAddr::from(([192, 0, 2, 10], 40_000));
        let mut tx = studio.net.open_tx(SimTxConfig { source, queue_packets: 4096, ..SimTxConfig::default() });
        let path = tx.open_path(&Path::to(destination)).unwrap();
        Self { tx, path, ssrc }
    }

    pub(super) fn send(&mut self, sequence: u16, timestamp: u32) {
        let mut header = [0; FIXED_HEADER_OCTETS];
        let fixed = FixedHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence: SeqNum(sequence),
            timestamp: media::RtpTimestamp(timestamp),
            ssrc: Ssrc(self.ssrc),
        };
        write_header(&mut header, &fixed);
        self.send_raw(&header, &payload(sequence, self.ssrc));
    }

    pub(super) fn send_raw(&mut self, header: &[u8], payload: &[u8]) {
        let attached = self.tx.attach(OwnedBytes::new(payload.to_vec()), 1).unwrap();
        let mut burst = Burst::new();
        let packet = self.tx.gather(self.path, header, &attached, 0..payload.len() as u32).unwrap();
        assert!(burst.push(packet).is_ok());
        assert_eq!(self.tx.tx_burst(&mut burst), 1);
        self.tx.reap();
    }
}

/// Differs with every packet of every source.
fn payload(sequence: u16, ssrc: u32) -> Vec<u8> {
    (0..100 + sequence % 7).map(|n| (n ^ sequence ^ ssrc as u16) as u8).collect()
}

/// A relay that the worker serves.
pub(super) struct Relaying {
    pub(super) key: ReceiverKey,
    pub(super) destination: SocketAddr,
    pub(super) counters: Arc<RelayCounters>,
}

/// A destination: what is sent there, and what has arrived.
pub(super) struct Far {
    pub(super) key: SenderKey,
    pub(super) counters: Arc<SenderCounters>,
    pub(super) destination: SocketAddr,
    pub(super) rx: SimRx,
}

/// What arrived of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload_type: u8,
    payload: Vec<u8>,
}

impl Far {
    fn take(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        let mut burst = Burst::new();
        while self.rx.rx_burst(&mut burst) > 0 {
            all.extend(burst.drain().map(|packet| {
                let octets: Vec<u8> = packet.segments().flatten().copied().collect();
                let header = RtpHeader::parse(&octets, octets.len(), packet.last_octet()).unwrap();
                Got {
                    sequence: header.sequence.0,
                    timestamp: header.timestamp.0,
                    ssrc: header.ssrc.0,
                    payload_type: header.payload_type.0,
                    payload: octets[header.payload()].to_vec(),
                }
            }));
        }
        all
    }

    pub(super) fn sequences(&mut self) -> Vec<u16> {
        self.take().iter().map(|got| got.sequence).collect()
    }
}

impl Studio {
    pub(super) fn relay(&mut self) -> Relaying {
        self.relay_with(|_| {})
    }

    pub(super) fn relay_with(&mut self, change: impl FnOnce(&mut RelayConfig)) -> Relaying {
        let destination = self.address();
        let (input, _) = self.shared(&[destination], 1);
        self.relay_of(&[Leg { input, destination }], change)
    }

    pub(super) fn relay_of(&mut self, legs: &[Leg], change: impl FnOnce(&mut RelayConfig)) -> Relaying {
        let mut config =
            RelayConfig { sources: Vec::new(), clock_hz: CLOCK_HZ, backlog_packets: 0, backlog_nanos: 100 * MS };
        change(&mut config);
        let relay = Relay::new(ReceiverKey(self.key()), legs, &config);
        let (key, counters) = (relay.key(), relay.counters());
        assert!(matches!(self.ask(Command::AddRelay(Box::new(relay))), Report::Added));
        Relaying { key, destination: legs[0].destination, counters }
    }

    pub(super) fn forward(&mut self, relay: Option<&Relaying>, rewrite: Rewrite) -> Far {
        self.forward_by(relay, rewrite, 0)
    }

    pub(super) fn forward_by(&mut self, relay: Option<&Relaying>, rewrite: Rewrite, output: u8) -> Far {
        let destination = self.address();
        let rx = self.net.open_rx(SimRxConfig::of(destination));
        let key = SenderKey(self.key());
        let config = ForwarderConfig { path: Path::to(destination), output: OutputIndex(output), rewrite };
        let forwarder = Forwarder::new(key, config, Arc::default());
        let counters = forwarder.counters();
        assert!(matches!(self.ask(Command::AddForwarder(Box::new(forwarder))), Report::Added));
        let mut far = Far { key, counters, destination, rx };
        self.follow(&mut far, relay);
        far
    }

    fn follow(&mut self, far: &mut Far, relay: Option<&Relaying>) {
        let follow = Command::Follow(far.key, relay.map(|relay| relay.key));
        assert!(matches!(self.ask(follow), Report::Following));
    }
}

pub(super) fn own() -> Rewrite {
    Rewrite {
        payload_type: Some(PayloadType(33)),
        ssrc: Some(Ssrc(0xfeed)),
        first_sequence: Some(SeqNum(65_534)),
        timestamps: Timestamps::Continue,
    }
}

#[test]
fn every_destination_gets_every_packet_under_its_own_header() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay();
    let mut as_it_came = studio.forward(Some(&relay), Rewrite::default());
    let mut others: Vec<Far> = (0..63).map(|_| studio.forward(Some(&relay), own())).collect();
    let mut source = Source::new(&studio, relay.destination, 7);
    for n in 0..40 {
        source.send(n, 1_000 + u32::from(n / 4));
        if n % 5 == 4 {
            studio.pass(MS);
        }
    }
    let came: Vec<Got> = as_it_came.take();
    assert_eq!(came.len(), 40);
    for (n, got) in (0..).zip(&came) {
        let sent =
            Got { sequence: n, timestamp: 1_000 + u32::from(n / 4), ssrc: 7, payload_type: 96, payload: payload(n, 7) };
        assert_eq!(*got, sent);
    }
    for other in &mut others {
        let expected: Vec<Got> = came
            .iter()
            .map(|got| Got {
                sequence: got.sequence.wrapping_add(65_534),
                ssrc: 0xfeed,
                payload_type: 33,
                ..got.clone()
            })
            .collect();
        assert_eq!(other.take(), expected);
        assert_eq!(other.counters.packets_forwarded.value(), 40);
    }
    assert_eq!((relay.counters.packets.value(), relay.counters.packets_lost.value()), (40, 0));
    assert_eq!((relay.counters.destinations.value(), relay.counters.packets_held.value()), (64, 0));
}

#[test]
fn another_source_goes_on_without_a_break_and_with_its_picture() {
    let mut studio = Studio::new(1, Faults::default());
    let (one, two) = (studio.relay(), studio.relay());
    let mut far = studio.forward(Some(&one), own());
    let mut camera_one = Source::new(&studio, one.destination, 1);
    let mut camera_two = Source::new(&studio, two.destination, 2);
    (10..13).for_each(|n| camera_one.send(n, 5_000));
    (500..502).for_each(|n| camera_two.send(n, 900_000));
    studio.pass(MS);
    studio.follow(&mut far, Some(&two));
    // The middle of a picture, then two whole ones; what the first source still sends goes nowhere.
    (502..504).for_each(|n| camera_two.send(n, 900_000));
    camera_one.send(13, 8_600);
    studio.pass(MS);
    assert_eq!(far.counters.packets_before_picture.value(), 2);
    studio.clock.advance_nanos(38 * MS);
    (504..507).for_each(|n| camera_two.send(n, 903_600));
    studio.pass(MS);
    studio.clock.advance_nanos(39 * MS);
    (507..509).for_each(|n| camera_two.send(n, 907_200));
    studio.pass(MS);
    let got = far.take();
    let sequences: Vec<u16> = got.iter().map(|got| got.sequence).collect();
    assert_eq!(sequences, [65_534, 65_535, 0, 1, 2, 3, 4, 5]);
    let stamps: Vec<u32> = got.iter().map(|got| got.timestamp).collect();
    assert_eq!(stamps[..3], [5_000; 3]);
    // 40 ms and some later: as much further, to the rate of the clock.
    assert!((3_600..3_900).contains(&(stamps[3] - 5_000)), "{stamps:?}");
    assert_eq!(stamps[6] - stamps[3], 3_600);
    assert_eq!(got[3].payload, payload(504, 2));
    // And back: numbers still go on.
    studio.follow(&mut far, Some(&one));
    camera_one.send(14, 12_200);
    studio.pass(MS);
    assert_eq!(far.sequences(), [6]);
}

#[test]
fn losses_stay_gaps_late_packets_keep_their_place_and_copies_go_once() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay();
    let (mut same, mut own) = (studio.forward(Some(&relay), Rewrite::default()), studio.forward(Some(&relay), own()));
    let mut source = Source::new(&studio, relay.destination, 7);
    for n in [0, 1, 4, 3, 3, 6] {
        source.send(n, 1);
    }
    studio.pass(MS);
    assert_eq!(same.sequences(), [0, 1, 4, 3, 6]);
    assert_eq!(own.sequences(), [65_534, 65_535, 2, 1, 4]);
    let counters = &relay.counters;
    assert_eq!((counters.duplicates.value(), counters.reordered.value(), counters.packets_lost.value()), (1, 1, 2));
}

/// A packet of the picture before comes late: neither it nor what follows it begins a picture.
#[test]
fn a_late_packet_begins_no_picture() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay();
    let mut source = Source::new(&studio, relay.destination, 7);
    for (n, timestamp) in [(0, 1), (2, 1), (3, 2)] {
        source.send(n, timestamp);
    }
    studio.pass(MS);
    let mut far = studio.forward(Some(&relay), own());
    for (n, timestamp) in [(1, 1), (4, 2), (5, 2), (6, 3), (7, 3)] {
        source.send(n, timestamp);
    }
    studio.pass(MS);
    let stamps: Vec<u32> = far.take().iter().map(|got| got.timestamp).collect();
    assert_eq!((stamps, far.counters.packets_before_picture.value()), (vec![3, 3], 3));
}

#[test]
fn both_legs_of_a_stream_are_one_stream() {
    let mut studio = Studio::new(1, Faults::default());
    let destinations = [studio.address(), studio.address()];
    let legs = destinations.map(|destination| Leg { input: studio.shared(&[destination], 1).0, destination });
    let relay = studio.relay_of(&legs, |_| {});
    let mut far = studio.forward(Some(&relay), Rewrite::default());
    let mut sources = destinations.map(|destination| Source::new(&studio, destination, 7));
    for n in 0..20 {
        // Each leg loses packets, and no packet is lost on both.
        if n % 5 != 2 {
            sources[0].send(n, 1);
        }
        if n % 5 != 3 {
            sources[1].send(n, 1);
        }
        studio.pass(MS);
    }
    let mut got = far.sequences();
    got.sort_unstable();
    assert_eq!(got, (0..20).collect::<Vec<_>>());
    assert_eq!((relay.counters.duplicates.value(), relay.counters.packets_lost.value()), (12, 0));
}

#[test]
fn what_belongs_to_no_followed_stream_goes_on_by_one_leg_only() {
    let mut studio = Studio::new(1, Faults::default());
    let destinations = [studio.address(), studio.address()];
    let legs = destinations.map(|destination| Leg { input: studio.shared(&[destination], 1).0, destination });
    let relay = studio.relay_of(&legs, |_| {});
    let mut far = studio.forward(Some(&relay), Rewrite::default());
    let mut sources = destinations.map(|destination| Source::new(&studio, destination, 7));
    let mut other = destinations.map(|destination| Source::new(&studio, destination, 8));
    for n in 0..400 {
        for leg in 0..2 {
            // The first leg is cut for a second and comes back.
            if leg == 1 || !(100..200).contains(&n) {
                sources[leg].send(n, n.into());
                other[leg].send(n, n.into());
            }
        }
        studio.pass(10 * MS);
    }
    let got = far.take();
    let of = |ssrc| got.iter().filter(|got| got.ssrc == ssrc).map(|got| got.sequence).collect::<Vec<_>>();
    assert_eq!(of(7), (0..400).collect::<Vec<_>>());
    // Until the cut is noticed the others are lost with their leg: a copy of them cannot be told.
    let others = of(8);
    assert!(others.windows(2).all(|pair| pair[0] < pair[1]), "one came twice");
    assert!(others.len() > 370, "{} of 400", others.len());
}

#[test]
fn a_sender_that_begins_anew_has_a_place_in_the_numbers() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay();
    let (mut same, mut own) = (studio.forward(Some(&relay), Rewrite::default()), studio.forward(Some(&relay), own()));
    let mut source = Source::new(&studio, relay.destination, 7);
    [0, 1].into_iter().for_each(|n| source.send(n, 1));
    // The same SSRC, far away: the first packet is doubtful, the second tells.
    [50_000, 50_001, 50_002].into_iter().for_each(|n| source.send(n, 2));
    studio.pass(MS);
    assert_eq!(same.sequences(), [0, 1, 50_000, 50_001, 50_002]);
    assert_eq!(own.sequences(), [65_534, 65_535, 0, 1]);
    assert_eq!((relay.counters.sequence_restarts.value(), own.counters.packets_dropped_foreign.value()), (1, 1));
    // Another SSRC while the first is alive, and once it is silent.
    let mut other = Source::new(&studio, relay.destination, 8);
    other.send(9_000, 70);
    studio.pass(MS);
    assert_eq!((same.sequences(), own.sequences()), (vec![9_000], vec![]));
    assert_eq!(relay.counters.ssrc_foreign.value(), 1);
    studio.clock.advance_nanos(1_100 * MS);
    (9_001..9_003).for_each(|n| other.send(n, 71));
    studio.pass(MS);
    assert_eq!((same.sequences(), own.sequences()), (vec![9_001, 9_002], vec![2, 3]));
    assert_eq!(relay.counters.ssrc_changes.value(), 1);
}

#[test]
fn what_is_no_rtp_and_reports_are_counted_and_go_nowhere() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay_with(|config| config.sources = vec!["192.0.2.10".parse().unwrap()]);
    let mut far = studio.forward(Some(&relay), Rewrite::default());
    let mut source = Source::new(&studio, relay.destination, 7);
    // Version 1; too short; more CSRCs than there are octets; padding of nothing; a sender report.
    for (header, payload) in [
        (&[0x40, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[1, 2, 3, 4][..]),
        (&[0x80, 96, 0, 1], &[1]),
        (&[0x8f, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7], &[0; 8]),
        (&[0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7], &[0; 8]),
        (&[0x80, 200, 0, 6, 0, 0, 0, 7, 0, 0, 0, 0], &[0; 16]),
    ] {
        source.send_raw(header, payload);
    }
    let stranger = SocketAddr::from(([192, 0, 2, 66], 40_000));
    let config = SimTxConfig { source: stranger, ..SimTxConfig::default() };
    let mut foreign = Source { tx: studio.net.open_tx(config), ..Source::new(&studio, relay.destination, 7) };
    foreign.path = foreign.tx.open_path(&Path::to(relay.destination)).unwrap();
    foreign.send(0, 1);
    studio.pass(MS);
    assert_eq!(far.take(), []);
    let counters = &relay.counters;
    assert_eq!((counters.rtp_malformed.value(), counters.rtcp.value(), counters.source_foreign.value()), (4, 1, 1));
    assert_eq!(counters.packets.value(), 6);
    // Extension, CSRCs and padding go on as they are.
    source.send_raw(&[0xb1, 0xe0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7], &[9, 9, 9, 9, 0, 1, 0, 1, 5, 5, 5, 5, 42, 0, 0, 3]);
    studio.pass(MS);
    assert_eq!(far.take()[0].payload, [42]);
}

#[test]
fn a_next_hop_that_is_not_known_is_no_backlog() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let relay = studio.relay();
    let (mut known, mut unknown) = (
        studio.forward_by(Some(&relay), Rewrite::default(), 0),
        studio.forward_by(Some(&relay), Rewrite::default(), 1),
    );
    let mut source = Source::new(&studio, relay.destination, 7);
    studio.valves[1].unresolve();
    (0..10).for_each(|n| source.send(n, 1));
    studio.pass(MS);
    assert_eq!((known.sequences().len(), relay.counters.packets_held.value()), (10, 0));
    studio.valves[1].open();
    (10..15).for_each(|n| source.send(n, 1));
    studio.pass(MS);
    assert_eq!((unknown.sequences(), known.sequences().len()), ((10..15).collect(), 5));
    assert_eq!(unknown.counters.packets_dropped_unresolved.value(), 10);
}

#[test]
fn a_forwarder_that_moves_goes_on_with_its_numbers() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let relay = studio.relay();
    let mut far = studio.forward(Some(&relay), own());
    let mut source = Source::new(&studio, relay.destination, 7);
    (0..5).for_each(|n| source.send(n, 1));
    studio.pass(MS);
    studio.valves[0].shut();
    (5..8).for_each(|n| source.send(n, 2));
    studio.pass(MS);
    let Report::ForwarderRemoved(mut forwarder) = studio.ask(Command::RemoveForwarder(far.key)) else { panic!() };
    assert_eq!(forwarder.counters().packets_taken_back.value(), 3);
    assert!(matches!(studio.ask(Command::RemoveForwarder(far.key)), Report::Unknown(None)));
    forwarder.set_output(OutputIndex(1));
    assert!(matches!(studio.ask(Command::AddForwarder(forwarder)), Report::Added));
    // It goes on in its relay where it was, under the number after the last that it made.
    source.send(8, 2);
    (9..11).for_each(|n| source.send(n, 3));
    studio.pass(MS);
    assert_eq!(far.sequences(), [65_534, 65_535, 0, 1, 2, 6, 7, 8]);
    studio.follow(&mut far, None);
    source.send(11, 4);
    studio.pass(MS);
    assert_eq!((far.sequences(), relay.counters.destinations.value()), (vec![], 0));
}

#[test]
fn a_relay_takes_its_destination_and_leaves_it() {
    let mut studio = Studio::new(1, Faults::default());
    let destination = studio.address();
    let (input, counters) = studio.shared(&[destination], 4);
    let leg = Leg { input, destination };
    let relay = studio.relay_of(&[leg], |_| {});
    let far = studio.forward(Some(&relay), Rewrite::default());
    let config = RelayConfig { sources: vec![], clock_hz: CLOCK_HZ, backlog_packets: 0, backlog_nanos: MS };
    let second = Relay::new(ReceiverKey(studio.key()), [leg], &config);
    assert!(matches!(studio.ask(Command::AddRelay(Box::new(second))), Report::RelayRefused(..)));
    let lost = Leg { input: InputKey(999), destination };
    let lost = Relay::new(ReceiverKey(studio.key()), [lost], &config);
    assert!(matches!(studio.ask(Command::AddRelay(Box::new(lost))), Report::RelayRefused(..)));
    assert!(matches!(studio.ask(Command::RemoveRelay(relay.key)), Report::RelayRemoved(_)));
    Source::new(&studio, destination, 7).send(0, 1);
    studio.pass(MS);
    assert_eq!((counters.packets_unsteered.value(), far.counters.packets_forwarded.value()), (1, 0));
    assert!(matches!(studio.ask(Command::RemoveRelay(relay.key)), Report::Unknown(None)));
    assert!(matches!(studio.ask(Command::Follow(SenderKey(999), None)), Report::Unknown(None)));
}

#[test]
fn a_relay_changes_its_worker_in_the_middle_of_a_picture_without_losing_a_packet() {
    let mut studio = Studio::new(1, Faults::default());
    let destination = studio.address();
    let leg = studio.socket(destination);
    let relay = studio.relay_of(&[leg], |_| {});
    let own = Rewrite { first_sequence: Some(SeqNum(700)), timestamps: Timestamps::Continue, ..Rewrite::default() };
    let mut far = studio.forward(Some(&relay), own);
    let mut source = Source::new(&studio, destination, 7);
    (0..10).for_each(|sequence| source.send(sequence, u32::from(sequence >= 5)));
    studio.pass(MS);
    let Report::InputRemoved(input) = studio.ask(Command::RemoveInput(leg.input)) else { panic!("not removed") };
    let Report::RelayRemoved(released) = studio.ask(Command::ReleaseRelay(relay.key)) else { panic!("not released") };
    let Report::ForwarderRemoved(forwarder) = studio.ask(Command::RemoveForwarder(far.key)) else {
        panic!("not removed")
    };
    studio.change_worker();
    (10..13).for_each(|sequence| source.send(sequence, 1));
    assert!(matches!(studio.ask(Command::AddForwarder(forwarder)), Report::Added));
    assert!(matches!(studio.ask(Command::AddInput(input)), Report::Added));
    assert!(matches!(studio.ask(Command::AddRelay(released)), Report::Added));
    (13..20).for_each(|sequence| source.send(sequence, 1 + u32::from(sequence >= 16)));
    studio.pass(MS);
    let got = far.take();
    assert!(got.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "{got:?}");
    let payloads: Vec<_> = got.iter().rev().take(15).rev().map(|got| got.payload.clone()).collect();
    assert_eq!(payloads, (5..20).map(|sequence| payload(sequence, 7)).collect::<Vec<_>>());
    assert_eq!((relay.counters.packets_lost.value(), far.counters.packets_dropped_backlog.value()), (0, 0));
}
