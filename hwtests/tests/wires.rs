//! The link layer of the bench: ports' interfaces without the kernel's own voice, links that go and come, and a peer
//! that sends and sees frames as they are. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use hwtests::isolated::{self, Isolated};
use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::wire::{self, Direction, Seen, Wire};
use hwtests::{Namespace, take_turn};

const LIMIT: Duration = Duration::from_secs(20);
/// Local experimental EtherType 1 (IEEE 802): no kernel answers it.
const TYPE: [u8; 2] = [0x88, 0xb5];

fn can_run() -> bool {
    let reason = namespace::unavailable().or_else(wire::unavailable);
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no namespaces or no packet sockets here: {reason}");
    }
    reason.is_none()
}

struct Bench {
    rack: Namespace,
    studio: Namespace,
}

impl Bench {
    fn set_up(addresses: &[&str]) -> Self {
        let bench = Self { rack: Namespace::create("rack").unwrap(), studio: Namespace::create("studio").unwrap() };
        let peer = Link { namespace: &bench.studio, interface: "peer", addresses };
        netdev::wire(bench.port(), peer, 1500).unwrap();
        bench
    }

    fn port(&self) -> Netdev<'_> {
        Netdev { namespace: &self.rack, name: "port" }
    }

    fn peer(&self) -> Netdev<'_> {
        Netdev { namespace: &self.studio, name: "peer" }
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn frame(bench: &Bench, tag: &[u8], octets: usize) -> Vec<u8> {
    let mut frame = [bench.port().mac().unwrap(), bench.peer().mac().unwrap()].concat();
    frame.extend([tag, &TYPE].concat());
    frame.extend((0..octets).map(|place| place as u8));
    frame
}

#[test]
fn a_ports_interface_has_no_voice_of_its_own() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up(&["10.77.0.1/24"]);
    eventually("the link is up", || bench.port().has_link().unwrap() && bench.peer().has_link().unwrap());
    assert_eq!(bench.port().addresses().unwrap(), Vec::<String>::new());
    assert!(bench.peer().addresses().unwrap().contains(&"10.77.0.1".to_owned()));
    let [wire, mut other] = [(); 2].map(|()| Wire::open(bench.port()).unwrap());
    // What only a kernel with an address would answer: who has 10.77.0.2, asked by the peer's kernel.
    let asked = bench.studio.command("ping").args(["-c", "1", "-W", "1", "10.77.0.2"]).output();
    drop(asked);
    other.send(&frame(&bench, &[], 60)).unwrap();
    // The first that went out is ours.
    let out = |seen: &Seen| seen.direction == Direction::Out;
    let first = std::iter::from_fn(|| wire.next(LIMIT).unwrap()).find(out).unwrap();
    assert_eq!(first.octets, frame(&bench, &[], 60));
}

#[test]
fn a_link_goes_and_comes_with_its_other_end() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up(&[]);
    let (port, peer) = (bench.port(), bench.peer());
    eventually("the link is up", || port.has_link().unwrap());
    peer.down().unwrap();
    eventually("the link is down", || !port.has_link().unwrap());
    peer.up().unwrap();
    eventually("the link is up again", || port.has_link().unwrap());
    port.down().unwrap();
    assert!(!port.has_link().unwrap());
    let tap = Netdev::tap(&bench.rack, "tap0").unwrap();
    tap.up().unwrap();
    assert!(!tap.has_link().unwrap(), "nobody has the TAP open");
    assert_ne!(tap.mac().unwrap(), [0; 6]);
    assert!(Netdev { namespace: &bench.rack, name: "none" }.has_link().is_err());
}

#[test]
fn frames_arrive_as_they_were_made() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up(&[]);
    let (mut port, peer) = (Wire::open(bench.port()).unwrap(), Wire::open(bench.peer()).unwrap());
    let is_ours = |frame: &[u8]| frame[12..].starts_with(&TYPE) || frame[16..].starts_with(&TYPE);
    let tag = [0x81, 0x00, 0xa0, 0x64];
    for (tag, octets) in [(&[][..], 1500), (&tag[..], 100), (&[], 0), (&[], 3)] {
        let sent = frame(&bench, tag, octets);
        port.send(&sent).unwrap();
        assert_eq!(peer.receive(LIMIT, is_ours).unwrap(), sent);
    }
    port.flood(&frame(&bench, &[], 9), 500).unwrap();
    for _ in 0..500 {
        assert_eq!(peer.receive(LIMIT, is_ours).unwrap(), frame(&bench, &[], 9));
    }
    let error = port.send(&frame(&bench, &[], 1600)).unwrap_err().to_string();
    assert!(error.contains("was not sent"), "{error}");
    bench.port().down().unwrap();
    assert!(port.send(&frame(&bench, &[], 9)).is_err(), "a link that is down");
    bench.port().up().unwrap();
    eventually("the link is back", || bench.port().has_link().unwrap());
    port.send(&frame(&bench, &[], 9)).unwrap();
    assert_eq!(peer.receive(LIMIT, is_ours).unwrap(), frame(&bench, &[], 9));
    assert!(peer.drain().all(|seen| !is_ours(&seen.octets)));
    assert!(Wire::open(Netdev { namespace: &bench.rack, name: "none" }).is_err());
}

#[test]
fn a_peers_kernel_sends_whole_checksums() {
    const TEST: &str = "a_peers_kernel_sends_whole_checksums";
    if isolated::is_inside(TEST) {
        let socket = UdpSocket::bind("10.77.0.1:0").unwrap();
        socket.send_to(&[7; 100], "10.77.0.2:5004").unwrap();
        return;
    }
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up(&["10.77.0.1/24"]);
    let mac = bench.port().mac().unwrap().map(|octet| format!("{octet:02x}")).join(":");
    let neighbour = ["neigh", "add", "10.77.0.2", "lladdr", &mac, "dev", "peer"];
    assert!(bench.studio.command("ip").args(neighbour).status().unwrap().success());
    let wire = Wire::open(bench.port()).unwrap();
    let is_udp = |seen: &Seen| seen.octets.len() == 142 && seen.octets[12..14] == [8, 0] && seen.octets[23] == 17;
    let datagram = || {
        Isolated::new(TEST).inside(&bench.studio).run().unwrap();
        std::iter::from_fn(|| wire.next(LIMIT).unwrap()).find(is_udp).unwrap()
    };
    assert!(!datagram().partial_checksum);
    let peer = Link { namespace: &bench.studio, interface: "peer", addresses: &[] };
    namespace::set_offload(peer, "tx", "on").unwrap();
    assert!(datagram().partial_checksum, "as veth is by itself");
}
