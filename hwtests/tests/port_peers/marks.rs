//! Linux receives what the port sends, to hosts and to groups, with the marks that were asked for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use hwtests::frames::{self, IPV4, IPV6, UDP};
use hwtests::gateway_bench::{Camera, GatewayBench, SCREEN, Screen, format, port_counter, receiver, sender};
use hwtests::wire::Direction;
use hwtests::{Wire, eventually, rfc4175, take_turn};

use crate::{GROUP_V4, GROUP_V6, PORT_V6, STUDIO_V6, answers, can_run, ip, port, port_v4, set_up, studio_v4};

/// A sender with a code point and a hop limit of its own.
pub(crate) fn marked(name: &str, to: SocketAddr, (dscp, ttl): (u8, u8)) -> String {
    let group = if to.ip().is_multicast() { "interface = \"media\"\n" } else { "" };
    let sender = sender(name, &to.to_string());
    sender.replace("[[crosspoint]]", &format!("{group}dscp = {dscp}\nttl = {ttl}\n[[crosspoint]]"))
}

#[test]
fn linux_receives_what_the_port_sends() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let outs = [
        ("v4", SocketAddr::new(studio_v4().into(), SCREEN), (46, 33)),
        ("v6", SocketAddr::new(STUDIO_V6.into(), SCREEN), (10, 77)),
        ("group-v4", SocketAddr::new(GROUP_V4.into(), SCREEN + 2), (34, 3)),
        ("group-v6", SocketAddr::new(GROUP_V6.into(), SCREEN + 2), (63, 255)),
    ];
    let senders: String = outs.iter().map(|(name, to, marks)| marked(name, *to, *marks)).collect();
    // Each sender may hold some grains.
    let receiver = receiver().replace("slots = 16", "slots = 64");
    let gateway = bench.start(&(port("") + &receiver + &senders)).unwrap();
    eventually("both screens are found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") == 2);
    eventually("the port answers pings", || answers(&bench, port_v4().into(), 0));

    let pictures = rfc4175::noise(&format(), 4, 7);
    let wire = Wire::open(bench.far()).unwrap();
    // The kernel drops what has a wrong checksum: of IPv6, where it must be there, and of IPv4, where it may be left out.
    let mut screens = outs.map(|(_, to, _)| Screen::new(&bench.studio, to).unwrap());
    let _member = member(&bench, "far");
    Camera::new(&bench.studio).unwrap().play(&pictures);
    for (screen, (name, ..)) in screens.iter_mut().zip(outs) {
        assert!(screen.watch(pictures.len()).into_iter().eq(&pictures), "{name}");
    }
    let seen = received(&wire);
    outs.iter().for_each(|(name, to, marks)| check_marks(&bench, &seen, name, None, (*to, *marks)));
    gateway.stop().unwrap();
}

/// What the studio has received, up to now.
pub(crate) fn received(wire: &Wire) -> Vec<Vec<u8>> {
    wire.drain().filter(|seen| seen.direction == Direction::In).map(|seen| seen.octets).collect()
}

/// Every packet that a sender sent says in its headers what it should.
pub(crate) fn check_marks(
    bench: &GatewayBench,
    seen: &[Vec<u8>],
    name: &str,
    vlan: Option<u16>,
    (to, marks): (SocketAddr, (u8, u8)),
) {
    let of_sender: Vec<Marks> = seen.iter().filter_map(|frame| Marks::of(frame)).filter(|seen| seen.to == to).collect();
    assert!(of_sender.len() > 3, "{name}: {} packets", of_sender.len());
    let source = if to.is_ipv4() { IpAddr::from(port_v4()) } else { PORT_V6.into() };
    let mac_to = if to.ip().is_multicast() { frames::group_mac(to.ip()) } else { bench.far().mac().unwrap() };
    let expected = Marks { vlan, macs: [mac_to, bench.near().mac().unwrap()], source, to, marks };
    assert!(of_sender.iter().all(|seen| *seen == expected), "{name}: {expected:?}, but {:?}", of_sender[0]);
}

/// A member of both groups: the kernel then gives what comes to them to whoever is bound there.
fn member(bench: &GatewayBench, interface: &str) -> [UdpSocket; 2] {
    let shown: serde_json::Value = serde_json::from_str(&ip(bench, &format!("-j link show {interface}"))).unwrap();
    let index = shown[0]["ifindex"].as_u64().unwrap() as u32;
    let any = [SocketAddr::new(studio_v4().into(), 0), SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)];
    let [v4, v6] = any.map(|from| rfc4175::socket_in(&bench.studio, from).unwrap());
    v4.join_multicast_v4(&GROUP_V4, &studio_v4()).unwrap();
    v6.join_multicast_v6(&GROUP_V6, index).unwrap();
    [v4, v6]
}

/// What the headers of a datagram say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    vlan: Option<u16>,
    macs: [[u8; 6]; 2],
    source: IpAddr,
    to: SocketAddr,
    marks: (u8, u8),
}

impl Marks {
    fn of(frame: &[u8]) -> Option<Self> {
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let macs = [frame[..6].try_into().ok()?, frame[6..12].try_into().ok()?];
        let vlan = (word(12) == frames::VLAN).then(|| word(14) & 0x0fff);
        let start = if vlan.is_some() { 18 } else { 14 };
        let (kind, packet) = (word(start - 2), &frame[start..]);
        let address = |at: usize| -> IpAddr {
            match kind {
                IPV4 => <[u8; 4]>::try_from(&packet[at..at + 4]).unwrap().into(),
                _ => <[u8; 16]>::try_from(&packet[at..at + 16]).unwrap().into(),
            }
        };
        let (protocol, ttl, dscp, addresses, udp) = match kind {
            IPV4 => (packet[9], packet[8], packet[1] >> 2, [12, 16], 20),
            IPV6 => (packet[6], packet[7], (packet[0] & 15) << 2 | packet[1] >> 6, [8, 24], 40),
            _ => return None,
        };
        let to_port = u16::from_be_bytes([*packet.get(udp + 2)?, *packet.get(udp + 3)?]);
        let [source, to] = addresses.map(address);
        let seen = Self { vlan, macs, source, to: SocketAddr::new(to, to_port), marks: (dscp, ttl) };
        (protocol == UDP).then_some(seen)
    }
}
