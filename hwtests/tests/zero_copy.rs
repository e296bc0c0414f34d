//! What leaves through a port is the ring's own memory: no octet of a picture is copied by us between the ring and the
//! device, wherever the device gathers; where it does not, the copy is exact and counted.
//!
//! The pictures are written *after* their packets were gathered: whatever shows them has read the ring later. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use dpdk::eal::{Eal, EalConfig, IovaMode, Memory};
use dpdk::rx::DpdkRx;
use dpdk::tx::{DpdkTx, DpdkTxBuf, Reads};
use hwtests::isolated::{self, Isolated};
use hwtests::namespace::{self, Link};
use hwtests::port_bench::small_eal;
use hwtests::{Namespace, Netdev, PortBench, PortMake, Road, Sysctl, Wire, eventually, netdev, road, take_turn, wire};
use media::ManualClock;
use netio::{BURST, Burst, PacketBuf, Path, PathId, RxQueue, TxQueue};
use shm::{FrameReader, FrameWriter, GrainEnd, GrainKey, GrainLease, PagePolicy};
use st2110::PackingPlan;

type Tx = DpdkTx<GrainLease>;
type Rx = DpdkRx<ManualClock>;

const GROUP: &str = "239.1.2.3:5004";
/// Octets in front of the payload of a frame: Ethernet, IPv4, UDP, and [`HEADER`].
const IN_FRONT: usize = 14 + 20 + 8 + HEADER.len();
const HEADER: [u8; 20] = [0x80; 20];
/// To everybody, of IEEE 802's EtherType for local experiments.
const HOSTS_FRAME: [u8; 60] = {
    let mut frame = [0; 60];
    (frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]) = (0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    (frame[6], frame[12], frame[13]) = (2, 0x88, 0xb5);
    frame
};
const LIMIT: Duration = Duration::from_secs(20);

/// A ring, and a port that sends from it.
struct Out {
    plan: Arc<PackingPlan>,
    writer: FrameWriter,
    reader: FrameReader,
    road: Road,
    port: PortBench,
    tx: Tx,
    rx: Rx,
    path: PathId,
    number: u64,
    /// The picture that was opened last.
    key: Option<GrainKey>,
}

impl Out {
    /// The port reads registered memory only, as a card does: what it refers to is within a registration.
    fn open(eal: &Eal, device: &str, pages: PagePolicy) -> Self {
        let road = Road::new(eal, pages).unwrap();
        let mut writer = road.ring("near", 8).unwrap();
        let reader = road.reader("near", 3, || writer.poll(road::NOON)).unwrap();
        let make = PortMake { reads: Reads::Registered, ..PortMake::on(device) };
        let (mut port, mut tx, rx) = PortBench::open(eal, &make, ManualClock::default()).unwrap();
        port.listen(&[GROUP]);
        let path = tx.open_path(&Path::to(GROUP.parse().unwrap())).unwrap();
        Self { plan: road::plan(), writer, reader, road, port, tx, rx, path, number: 0, key: None }
    }

    /// Gathers the packets of a picture while another one stands there, then writes it and sends them. `sent` is told of
    /// each burst when the device has it. Where the port does not gather it is the other way round.
    fn send(&mut self, mut sent: impl FnMut(&mut Self, Range<usize>)) -> u64 {
        self.number += 1;
        let number = self.number;
        let key = road::open(&mut self.writer, number, road::NOON).unwrap();
        self.key = Some(key);
        let lease = self.reader.lease(self.reader.newest().unwrap()).unwrap();
        let total = self.plan.packets().len();
        let Ok(payload) = self.tx.attach(lease, total as u32) else { panic!("there is room") };
        let plan = Arc::clone(&self.plan);
        let gathers = self.port.capabilities.gathers;
        for (chunk, packets) in plan.packets().chunks(BURST).enumerate() {
            let mut burst = Burst::new();
            // A copy is made when the packet is.
            road::fill(&mut self.writer, key, if gathers { number + 1_000 } else { number }).unwrap();
            for packet in packets {
                let made = self.tx.gather(self.path, &HEADER, &payload, packet.range()).unwrap();
                self.check(&made);
                assert!(burst.push(made).is_ok());
            }
            // The canary is the whole picture.
            road::fill(&mut self.writer, key, if gathers { number } else { number + 1_000 }).unwrap();
            eventually("the device has taken the burst", || {
                self.tx.tx_burst(&mut burst);
                burst.is_empty()
            });
            let first = chunk * BURST;
            sent(self, first..first + packets.len());
        }
        self.tx.cancel(payload, 0);
        self.tx.reap();
        road::fill(&mut self.writer, key, number).unwrap();
        self.writer.commit(key, GrainEnd::default());
        number
    }

    /// Behind its header a packet is of the ring, where devices reach it; or it is one buffer of ours.
    fn check(&self, packet: &DpdkTxBuf) {
        let segments: Vec<&[u8]> = packet.mbuf().segments().collect();
        if !self.port.capabilities.gathers {
            assert_eq!(segments.len(), 1, "no chain reaches the driver");
            return;
        }
        let reached = self.road.reached();
        let within = |segment: &[u8]| {
            let address = segment.as_ptr().addr();
            reached.iter().any(|region| region.contains(&address) && region.end - address >= segment.len())
        };
        assert_eq!(segments[0].len(), IN_FRONT);
        assert!(segments.len() > 1 && segments[1..].iter().all(|segment| within(segment)), "{segments:?}");
    }

    /// All leases end, and so many octets were copied by us.
    fn finish(mut self, copied: u64) {
        eventually("every lease has ended", || {
            self.tx.reap();
            self.tx.leases_held() == 0
        });
        assert_eq!(self.tx.counters().octets_copied_by_us, copied);
        assert_eq!(self.port.counters.tx.octets_copied_by_us.value(), copied);
        self.writer.poll(road::NOON);
        assert_eq!(self.writer.slot_accounts().leased, 0);
    }

    fn payload(&self, packet: usize, number: u64) -> Vec<u8> {
        self.plan.packets()[packet].range().map(|at| road::octet(number, at as usize)).collect()
    }
}

/// Pictures sent in each test.
const PICTURES: u64 = 5;

/// net_af_xdp (22.11, copy mode on veth) was seen to lose packets after some 2,400, and to count them as sent: what arrives is
/// exact, and one picture arrives.
fn pictures(gathers: bool) -> u64 {
    if gathers { PICTURES } else { 1 }
}

/// With 2 MB pages where `pages` says so.
fn alone(test: &str, pages: PagePolicy, body: impl FnOnce()) {
    if isolated::is_inside(test) {
        return body();
    }
    let _turn = take_turn();
    let _pages = match pages {
        PagePolicy::PlainOnly => None,
        _ if !rustix::process::geteuid().is_root() => {
            eprintln!("SKIPPED: only root reserves hugepages");
            return;
        }
        _ => Some(Sysctl::free_hugepages(64).unwrap()),
    };
    Isolated::new(test).run().unwrap();
}

/// Over net_ring the receiver's octets are the sender's: what is written when the device has them already, is read.
fn over_a_ring(eal: &Eal, pages: PagePolicy) {
    let mut out = Out::open(eal, "net_ring", pages);
    for _ in 0..PICTURES {
        out.send(|out, packets| {
            let changed = out.number + 500;
            road::fill(&mut out.writer, out.key.unwrap(), changed).unwrap();
            let mut received = Burst::new();
            assert_eq!(out.rx.rx_burst(&mut received), packets.len());
            for (packet, at) in received.iter().zip(packets) {
                let octets: Vec<u8> = packet.segments().flatten().copied().collect();
                assert!(octets == [&HEADER[..], &out.payload(at, changed)].concat(), "packet {at}");
                let rest = packet.segments().skip(1).map(|segment| segment.as_ptr().addr());
                let reached = out.road.reached();
                assert!(rest.into_iter().all(|address| reached.iter().any(|region| region.contains(&address))));
            }
        });
    }
    out.finish(0);
}

#[test]
fn a_ring_is_read_by_the_receiver() {
    alone("a_ring_is_read_by_the_receiver", PagePolicy::PlainOnly, || {
        over_a_ring(&small_eal(64).unwrap(), PagePolicy::PlainOnly);
    });
}

#[test]
fn a_ring_of_hugepages_is_read_by_the_receiver() {
    alone("a_ring_of_hugepages_is_read_by_the_receiver", PagePolicy::HugeOnly, || {
        over_a_ring(&small_eal(64).unwrap(), PagePolicy::HugeOnly);
    });
}

#[test]
fn physical_addresses_do_without_a_copy_too() {
    alone("physical_addresses_do_without_a_copy_too", PagePolicy::HugeOnly, || {
        let config = EalConfig { iova: IovaMode::Pa, ..EalConfig::new(Memory::Huge { mib: 64 }) };
        let eal = match Eal::start(&config) {
            Ok(eal) => eal,
            Err(error) => return eprintln!("SKIPPED: EAL does not start in PA mode: {error}"),
        };
        assert!(eal.addresses_are_physical());
        over_a_ring(&eal, PagePolicy::HugeOnly);
    });
}

#[test]
fn what_is_in_no_registration_is_copied_and_counted() {
    alone("what_is_in_no_registration_is_copied_and_counted", PagePolicy::HugeOnly, || {
        // The kernel may move plain pages: with physical addresses they are left to the CPU.
        let config = EalConfig { iova: IovaMode::Pa, ..EalConfig::new(Memory::Huge { mib: 64 }) };
        let Ok(eal) = Eal::start(&config) else { return eprintln!("SKIPPED: EAL does not start in PA mode") };
        let mut out = Out::open(&eal, "net_ring", PagePolicy::PlainOnly);
        assert_eq!(out.road.reached(), []);
        let lease = {
            out.key = Some(road::open(&mut out.writer, 1, road::NOON).unwrap());
            road::fill(&mut out.writer, out.key.unwrap(), 1).unwrap();
            out.reader.lease(out.reader.newest().unwrap()).unwrap()
        };
        let payload = out.tx.attach(lease, 1).unwrap_or_else(|_| panic!("there is room"));
        let mut burst = Burst::new();
        burst.push(out.tx.gather(out.path, &HEADER, &payload, out.plan.packets()[3].range()).unwrap()).unwrap();
        road::fill(&mut out.writer, out.key.unwrap(), 2).unwrap();
        assert_eq!(out.tx.tx_burst(&mut burst), 1);
        let mut received = Burst::new();
        assert_eq!(out.rx.rx_burst(&mut received), 1);
        let octets: Vec<u8> = received.iter().flat_map(|packet| packet.segments().flatten().copied()).collect();
        assert_eq!(octets, [&HEADER[..], &out.payload(3, 1)].concat(), "what it was when it was gathered");
        drop((received, payload));
        let copied = u64::from(out.plan.packets()[3].octets);
        out.finish(copied);
    });
}

/// A capture holds what the ring held when the device took it.
#[test]
fn captures_are_exact() {
    alone("captures_are_exact", PagePolicy::PlainOnly, || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sent.pcap");
        let eal = small_eal(64).unwrap();
        let mut out = Out::open(&eal, &format!("net_pcap:tx={}", file.display()), PagePolicy::PlainOnly);
        for _ in 0..PICTURES {
            out.send(|_, _| {});
        }
        let payloads = payloads_of(&file);
        let total = out.plan.packets().len();
        assert_eq!(payloads.len(), total * PICTURES as usize);
        for (at, payload) in payloads.iter().enumerate() {
            assert!(*payload == out.payload(at % total, 1 + (at / total) as u64), "packet {at}");
        }
        out.finish(0);
    });
}

/// pcap-savefile(5): a header of 24 octets, and of 16 for each packet, whose third word is its length.
fn payloads_of(file: &FilePath) -> Vec<Vec<u8>> {
    let capture = std::fs::read(file).unwrap();
    let mut rest = &capture[24..];
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let octets = u32::from_ne_bytes(rest[8..12].try_into().unwrap()) as usize;
        payloads.push(rest[16 + IN_FRONT..16 + octets].to_vec());
        rest = &rest[16 + octets..];
    }
    payloads
}

/// Sends pictures from `device` to a second port on `peer`, which has received each burst before the next one is sent.
fn to_a_second_port(device: &str, peer: &str, gathers: bool) {
    let eal = small_eal(256).unwrap();
    let mut out = Out::open(&eal, device, PagePolicy::PlainOnly);
    assert_eq!(out.port.capabilities.gathers, gathers);
    let make = PortMake::on(peer);
    let (mut peer, _tx, mut rx) = PortBench::open::<GrainLease, _>(&eal, &make, ManualClock::default()).unwrap();
    peer.listen(&[GROUP]);
    eventually("both links are up", || out.port.port().link().up && peer.port().link().up);
    for _ in 0..pictures(gathers) {
        out.send(|out, packets| {
            let mut received = Burst::new();
            eventually("the burst has arrived", || {
                // A driver may take its finished frames back when its other queue is polled; and net_af_xdp leaves packets
                // in its ring now and then, until more are sent: here the host's, which cross the exchange.
                assert_eq!(out.rx.rx_burst(&mut Burst::new()), 0);
                if !gathers {
                    out.port.host.send(&HOSTS_FRAME);
                    out.tx.reap();
                }
                rx.rx_burst(&mut received);
                received.len() == packets.len()
            });
            for (packet, at) in received.iter().zip(packets) {
                let octets: Vec<u8> = packet.segments().flatten().copied().collect();
                assert!(octets == [&HEADER[..], &out.payload(at, out.number)].concat(), "packet {at}");
            }
        });
    }
    out.finish(if gathers { 0 } else { pictures(gathers) * u64::from(road::format().frame_octets()) });
}

/// A raw peer at the other end of `device`, which nobody here wrote, sees the pictures too.
fn to_a_peer(test: &str, device: &str, gathers: bool) {
    if isolated::is_inside(test) {
        return to_a_second_port(device, "net_af_packet:far", gathers);
    }
    if let Some(reason) = namespace::unavailable().or_else(wire::unavailable) {
        eprintln!("SKIPPED: no namespaces or no packet sockets here: {reason}");
        return;
    }
    let _turn = take_turn();
    let space = Namespace::create("copies").unwrap();
    let (port, peer) = (Netdev { namespace: &space, name: "near" }, Netdev { namespace: &space, name: "far" });
    netdev::wire(port, Link { namespace: &space, interface: "far", addresses: &[] }, 1_500).unwrap();
    let seen = Wire::open(peer).unwrap();
    Isolated::new(test).inside(&space).run().unwrap();
    for number in 1..=pictures(gathers) {
        for (at, packet) in road::plan().packets().iter().enumerate() {
            let frame = seen.receive(LIMIT, |frame| frame[..3] == [1, 0, 0x5e]).unwrap();
            let expected = packet.range().map(|place| road::octet(number, place as usize));
            assert!(frame[IN_FRONT..].iter().copied().eq(expected), "packet {at} of picture {number}");
        }
    }
}

#[test]
fn a_peer_of_af_packet_sees_what_is_written_after_gathering() {
    to_a_peer("a_peer_of_af_packet_sees_what_is_written_after_gathering", "net_af_packet:near", true);
}

/// The driver takes no chains: it gets a copy, exact, counted, and of no later moment than the packet.
#[test]
fn a_peer_of_af_xdp_sees_what_was_copied() {
    to_a_peer("a_peer_of_af_xdp_sees_what_was_copied", "net_af_xdp:near", false);
}

/// The TAP's own device has a second port, which receives.
#[test]
fn the_kernel_behind_a_tap_sees_what_is_written_after_gathering() {
    let body = || to_a_second_port("net_tap:fp-tap", "net_af_packet:fp-tap", true);
    Isolated::new("the_kernel_behind_a_tap_sees_what_is_written_after_gathering")
        .in_namespace("copies", |_| Ok(()), body)
        .unwrap();
}
