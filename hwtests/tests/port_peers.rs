//! Strangers at a port of `flypackd`: Linux pings it, finds it and is found, sees it join and leave groups, receives what it
//! sends; with a TAP, TCP reaches the rack's kernel by it; flows come and go beside others. Needs root, and a flypackd with
//! its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hwtests::frames::{self, ARP, BROADCAST, IPV4, IPV6, UDP, arp, ethernet, tagged, udp};
use hwtests::gateway_bench::{
    Camera, GatewayBench, LIMIT, MEDIA, PERIOD, PORT, SCREEN, STUDIO, Screen, flypack, format, port_counter, receiver,
    sender,
};
use hwtests::wire::{self, Direction};
use hwtests::{Gateway, Wire, eventually, namespace, peer, ping, rfc4175, take_turn};

/// As [`PORT`] and [`STUDIO`].
const PORT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);
const STUDIO_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(232, 77, 0, 1);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0x8000, 0x77);
const VLAN: u16 = 77;

fn port_v4() -> Ipv4Addr {
    PORT.parse().unwrap()
}

fn studio_v4() -> Ipv4Addr {
    STUDIO.parse().unwrap()
}

fn can_run() -> bool {
    let reason = namespace::unavailable().or_else(wire::unavailable);
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no namespaces or no packet sockets here: {reason}");
    }
    reason.is_none()
}

/// A studio with an IPv6 address too.
fn set_up() -> GatewayBench {
    let bench = GatewayBench::set_up().unwrap();
    ip(&bench, &format!("addr add {STUDIO_V6}/64 dev far nodad"));
    bench
}

/// `ip` in the studio; what it says.
fn ip(bench: &GatewayBench, words: &str) -> String {
    said(bench.studio.command("ip").args(words.split(' ')))
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The port of both families.
fn port(more: &str) -> String {
    format!(
        "[dpdk]\nmemory = \"no-huge\"\n[[port]]\nname = \"media\"\ndevice = \"net_af_packet:near\"\n\
         addresses = [\"{PORT}/24\", \"{PORT_V6}/64\"]\npackets_per_second = 20000\nhold_ms = 20\n{more}\n"
    )
}

/// The SDP of a stream to a group from these sources.
fn group_sdp(group: IpAddr, sources: &[IpAddr]) -> String {
    let sdp = peer::sdp(&format(), SocketAddr::new(group, MEDIA)).replace('\r', "");
    let family = if group.is_ipv4() { "IP4" } else { "IP6" };
    let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let filter = format!("a=source-filter: incl IN {family} {group} {}\n", sources.join(" "));
    sdp + if sources.is_empty() { "" } else { &filter }
}

fn answers(bench: &GatewayBench, to: IpAddr, octets: usize) -> bool {
    ping::echo(&bench.studio, to, octets, Duration::from_secs(1)).unwrap()
}

#[test]
fn linux_pings_the_port_and_knows_it() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let gateway = bench.start(&port("")).unwrap();
    // 1,500 octets with the headers of IPv4 and of IPv6.
    for (address, largest) in [(port_v4().into(), 1472), (IpAddr::from(PORT_V6), 1452)] {
        eventually("the port answers pings", || answers(&bench, address, 0));
        for octets in [1, 56, largest - 1, largest] {
            assert!(answers(&bench, address, octets), "{octets} octets to {address}");
        }
    }
    let mac = bench.near().mac().unwrap();
    let known = ip(&bench, "neigh show dev far");
    let shown = mac.map(|octet| format!("{octet:02x}")).join(":");
    for address in [PORT.to_owned(), PORT_V6.to_string()] {
        let line = known.lines().find(|line| line.split(' ').next() == Some(&address));
        assert!(line.is_some_and(|line| line.contains(&shown)), "{address} is at {shown}: {known}");
    }
    // As `arping` asks: from an address that nobody has.
    let (asker, mut wire) = ([2, 0, 0, 0, 0, 9], Wire::open(bench.far()).unwrap());
    let question = arp(1, (asker, Ipv4Addr::new(10, 77, 0, 9)), ([0; 6], port_v4()));
    wire.send(&ethernet(asker, BROADCAST, ARP, &question)).unwrap();
    let answer = wire.receive(LIMIT, |frame| frame[..6] == asker && frame[12..14] == ARP.to_be_bytes()).unwrap();
    assert_eq!(answer, ethernet(mac, asker, ARP, &arp(2, (mac, port_v4()), (asker, Ipv4Addr::new(10, 77, 0, 9)))));
    gateway.stop().unwrap();
}

/// Frames that the port has sent, as tshark reads them: these fields of each that `filter` passes.
fn tshark(folder: &Path, frames: &[Vec<u8>], filter: &str, fields: &[&str]) -> Vec<String> {
    let file = folder.join("seen.pcap");
    // libpcap's file format: magic, version 2.4, zone, accuracy, longest packet, link type Ethernet.
    let mut pcap = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_536, 1].map(u32::to_be_bytes).concat();
    for frame in frames {
        pcap.extend([0, 0, frame.len() as u32, frame.len() as u32].map(u32::to_be_bytes).concat());
        pcap.extend(frame);
    }
    std::fs::write(&file, pcap).unwrap();
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-r"]).arg(&file).args(["-Y", filter]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    said(&mut command).lines().map(str::to_owned).collect()
}

/// What the port has sent until one of its frames is `wanted`.
fn sent_until(wire: &Wire, mac: [u8; 6], what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(seen) = wire.next(LIMIT).unwrap() {
        if seen.direction == Direction::In && seen.octets[6..12] == mac {
            frames.push(seen.octets);
            if wanted(frames.last().unwrap()) {
                return frames;
            }
        }
    }
    panic!("the port has sent no {what}, but {} other frames", frames.len());
}

/// Whether a frame holds an IGMPv3 or MLDv2 report whose first record says `kind` of `group`.
// RFC 3376 §4.2, RFC 3810 §5.2: behind the router alert, in IPv4's header or in one of its own.
fn reports(frame: &[u8], kind: u8, group: IpAddr) -> bool {
    let (report, octets) = match group {
        IpAddr::V4(group) => ((38, 0x22), group.octets().to_vec()),
        IpAddr::V6(group) => ((62, 143), group.octets().to_vec()),
    };
    let (at, message) = report;
    frame.get(at) == Some(&message) && frame.get(at + 8) == Some(&kind) && frame[at + 12..].starts_with(&octets)
}

#[test]
fn groups_are_joined_and_left_as_the_rfcs_say() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let gateway = bench.start(&port("")).unwrap();
    eventually("the port answers pings", || answers(&bench, port_v4().into(), 0) && answers(&bench, PORT_V6.into(), 0));
    let (mac, wire) = (bench.near().mac().unwrap(), Wire::open(bench.far()).unwrap());
    let sources_v4 = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9)].map(IpAddr::from);
    let source_v6 = IpAddr::from(STUDIO_V6);
    for (name, group, sources) in
        [("v4", GROUP_V4.into(), &sources_v4[..]), ("v6", IpAddr::from(GROUP_V6), &[source_v6])]
    {
        let sdp = bench.file(&format!("{name}.sdp"));
        std::fs::write(&sdp, group_sdp(group, sources)).unwrap();
        let add = format!("receivers add {name} --sdp {} --interface media --slots 4", sdp.display());
        flypack(&gateway, &add).unwrap();
        // Allow new sources, and later: block old sources.
        let joined = sent_until(&wire, mac, "join", |frame| reports(frame, 5, group));
        flypack(&gateway, &format!("receivers del {name}")).unwrap();
        let left = sent_until(&wire, mac, "leave", |frame| reports(frame, 6, group));
        if !has_tshark() {
            eprintln!("PARTLY SKIPPED: no tshark here to read the reports");
            continue;
        }
        let (filter, fields) = match group {
            IpAddr::V4(_) => (
                "igmp.type == 0x22 && igmp.checksum.status == 1 && ip.checksum.status != 0",
                ["igmp.record_type", "igmp.maddr", "igmp.saddr", "ip.src", "ip.dst", "ip.ttl", "ip.opt.ra"],
            ),
            IpAddr::V6(_) => (
                "icmpv6.type == 143 && icmpv6.checksum.status == 1",
                [
                    "icmpv6.mldr.mar.record_type",
                    "icmpv6.mldr.mar.multicast_address",
                    "icmpv6.mldr.mar.source_address",
                    "ipv6.src",
                    "ipv6.dst",
                    "ipv6.hlim",
                    "ipv6.opt.router_alert",
                ],
            ),
        };
        let sources = sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        for (frames, kind) in [(&joined, 5), (&left, 6)] {
            let lines = tshark(bench.scratch.path(), frames, filter, &fields);
            let from = if group.is_ipv4() { PORT.to_owned() } else { "fe80::".to_owned() };
            let to = if group.is_ipv4() { "224.0.0.22" } else { "ff02::16" };
            let found = lines.iter().any(|line| {
                let words: Vec<&str> = line.split('\t').collect();
                words[..3] == [&kind.to_string(), &group.to_string(), &sources]
                    && words[3].starts_with(&from)
                    && words[4..] == [to, "1", "0"]
            });
            assert!(found, "{kind} {group} {sources}: {lines:#?}");
        }
    }
    gateway.stop().unwrap();
}

fn has_tshark() -> bool {
    Command::new("tshark").arg("-v").output().is_ok_and(|output| output.status.success())
}

/// A sender with a code point and a hop limit of its own.
fn marked(name: &str, to: SocketAddr, (dscp, ttl): (u8, u8)) -> String {
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
fn received(wire: &Wire) -> Vec<Vec<u8>> {
    wire.drain().filter(|seen| seen.direction == Direction::In).map(|seen| seen.octets).collect()
}

/// Every packet that a sender sent says in its headers what it should.
fn check_marks(
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

/// Not every kernel knows VLANs: the studio's frames are made by hand.
#[test]
fn in_a_vlan_everything_is_tagged_and_nothing_else_is_heard() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let out = (SocketAddr::new(GROUP_V4.into(), SCREEN), (34, 3));
    let out_v6 = (SocketAddr::new(GROUP_V6.into(), SCREEN), (34, 3));
    let senders = marked("v4", out.0, out.1) + &marked("v6", out_v6.0, out_v6.1);
    let mut gateway = bench.start(&(port(&format!("vlan = {VLAN}")) + &receiver() + &senders)).unwrap();
    let (mac, mut wire) = (bench.near().mac().unwrap(), Wire::open(bench.far()).unwrap());
    let (asker, address) = ([2, 0, 0, 0, 0, 9], Ipv4Addr::new(10, 77, 0, 9));
    let question = ethernet(asker, BROADCAST, ARP, &arp(1, (asker, address), ([0; 6], port_v4())));
    let answer = ethernet(mac, asker, ARP, &arp(2, (mac, port_v4()), (asker, address)));
    eventually("the port answers in its VLAN", || {
        wire.send(&tagged(&question, VLAN)).unwrap();
        wire.receive(Duration::from_millis(500), |frame| frame == tagged(&answer, VLAN)).is_ok()
    });
    let foreign = |gateway: &Gateway| port_counter(&gateway.statistics().unwrap(), "rx_bad_foreign_vlan_frames");
    let before = foreign(&gateway);
    for frame in
        [question.clone(), tagged(&question, VLAN + 1), tagged(&question, 0), tagged(&tagged(&question, VLAN), VLAN)]
    {
        wire.send(&frame).unwrap();
    }
    // The studio's own kernel speaks untagged, too.
    eventually("the others are counted", || foreign(&gateway) >= before + 4);

    let pictures = rfc4175::noise(&format(), 4, 7);
    let mut recv = bench.recv(&mut gateway, "cam", pictures.len()).unwrap();
    let extras = rfc4175::Extras::default();
    let mut stream = rfc4175::Stream { format: format(), ssrc: 77, sequence: 0, extras };
    let [from, to] =
        [(address, 7_000), (port_v4(), MEDIA)].map(|(address, port)| SocketAddr::new(address.into(), port));
    for (frame, timestamp) in pictures.iter().zip((0..).step_by(1_800)) {
        for datagram in stream.datagrams(frame, timestamp, &Camera::packets()) {
            wire.send(&tagged(&ethernet(asker, mac, IPV4, &udp(from, to, &datagram)), VLAN)).unwrap();
        }
        std::thread::sleep(PERIOD);
    }
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(bench.file("cam.raw")).unwrap() == pictures.concat(), "what the reader took");
    eventually("everything is sent", || {
        let now = gateway.statistics().unwrap();
        ["v4", "v6"].iter().all(|name| now.of("sender", name, "grains_sent").unwrap() == pictures.len() as u64)
    });
    let seen = received(&wire);
    check_marks(&bench, &seen, "v4", Some(VLAN), out);
    check_marks(&bench, &seen, "v6", Some(VLAN), out_v6);
    assert!(seen.iter().all(|frame| *frame != answer), "answered outside of the VLAN");
    assert!(seen.iter().filter(|frame| frame[6..12] == mac).all(|frame| frame[12..16] == [0x81, 0, 0, VLAN as u8]));
    gateway.stop().unwrap();
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

#[test]
fn tcp_reaches_the_rack_by_the_port_while_media_flows() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let group = group_sdp(GROUP_V4.into(), &[STUDIO.parse().unwrap()]);
    let group =
        format!("[[receiver]]\nname = \"group\"\nslots = 4\ninterface = \"media\"\nsdp_text = \"\"\"\n{group}\"\"\"\n");
    let objects = port("exception = \"tap\"\ntap_name = \"tap0\"") + &receiver() + &group;
    let objects = objects + &sender("out", &format!("{STUDIO}:{SCREEN}"));
    // Or Linux, which has the port's addresses on the TAP, would answer the camera on the netdev too.
    said(bench.rack.command("sysctl").args(["-w", "net.ipv4.conf.near.rp_filter=1"]));
    let mut gateway = bench.start(&objects).unwrap();
    eventually("the kernel answers pings", || {
        answers(&bench, port_v4().into(), 1472) && answers(&bench, PORT_V6.into(), 1452)
    });
    eventually("the kernel has found the screen", || {
        port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0
    });
    let joined = said(bench.rack.command("ip").args(["maddr", "show", "dev", "tap0"]));
    assert!(joined.contains(&GROUP_V4.to_string()), "{joined}");
    let neighbours = said(bench.rack.command("ip").args(["neigh", "show", "dev", "tap0"]));
    assert!(neighbours.contains(STUDIO), "{neighbours}");

    let pictures = rfc4175::noise(&format(), 25, 7);
    let screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let screen = screen.keep_watching(pictures.clone()).unwrap();
    let mut recv = bench.recv(&mut gateway, "cam", 2 * pictures.len()).unwrap();
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    for address in [IpAddr::from(port_v4()), PORT_V6.into()] {
        talk(&bench, SocketAddr::new(address, 8_554), 1 << 20);
    }
    recv.finish(LIMIT).unwrap();
    let taken = std::fs::read(bench.file("cam.raw")).unwrap();
    assert!(taken == [pictures.concat(), pictures.concat()].concat(), "what the reader took");
    let played = playing.stop();
    eventually("the screen has seen every frame", || screen.whole() == played);
    assert_eq!(screen.damaged(), 0);
    let now = gateway.statistics().unwrap();
    assert_eq!(port_counter(&now, "rx_media_packets"), played * Camera::packets().len() as u64);
    assert_eq!(now.of("receiver", "cam", "packets_lost").unwrap(), 0);
    assert!(port_counter(&now, "tap_sent_frames") > 1_000, "TCP has come by the TAP");
    gateway.stop().unwrap();
}

/// A connection from the studio that brings `octets` to the rack, and gets them back.
fn talk(bench: &GatewayBench, to: SocketAddr, octets: usize) {
    let listener = bench.rack.within(|| TcpListener::bind(to)).unwrap().unwrap();
    let mut connection = bench.studio.within(|| TcpStream::connect_timeout(&to, LIMIT)).unwrap().unwrap();
    let sent: Vec<u8> = (0..octets).map(|place| (place * 7) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut connection, _) = listener.accept().unwrap();
            connection.set_read_timeout(Some(LIMIT)).unwrap();
            let mut received = vec![0; octets];
            connection.read_exact(&mut received).unwrap();
            connection.write_all(&received).unwrap();
        });
        connection.set_read_timeout(Some(LIMIT)).unwrap();
        connection.write_all(&sent).unwrap();
        let mut received = vec![0; octets];
        connection.read_exact(&mut received).unwrap();
        assert!(received == sent, "{to}");
    });
}

#[test]
fn flows_come_and_go_beside_others_on_one_port() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let objects = port("") + &receiver() + &sender("out", &format!("{STUDIO}:{SCREEN}"));
    let gateway = bench.start(&objects).unwrap();
    eventually("the screen is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);
    eventually("the port answers pings", || answers(&bench, port_v4().into(), 0));
    let pictures = rfc4175::noise(&format(), 25, 7);
    let screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let screen = screen.keep_watching(pictures.clone()).unwrap();
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    eventually("the stream is seen", || screen.whole() > 0);

    let second = format!("{STUDIO}:{}", SCREEN + 2);
    let stranger = rfc4175::socket_in(&bench.studio, format!("{STUDIO}:0").parse().unwrap()).unwrap();
    for round in 0..5_u64 {
        let sdp = bench.file("guest.sdp");
        let guest_port = MEDIA + 10;
        std::fs::write(&sdp, peer::sdp(&format(), SocketAddr::new(port_v4().into(), guest_port))).unwrap();
        flypack(&gateway, &format!("receivers add guest --sdp {} --slots 8", sdp.display())).unwrap();
        flypack(&gateway, &format!("senders add echo --to {second}")).unwrap();
        flypack(&gateway, "take echo guest").unwrap();
        let mut second_screen = Screen::new(&bench.studio, second.parse().unwrap()).unwrap();
        let frame = &rfc4175::noise(&format(), 1, 100 + round)[0];
        let to = SocketAddr::new(port_v4().into(), guest_port);
        let extras = rfc4175::Extras::default();
        let mut stream = rfc4175::Stream { format: format(), ssrc: 77, sequence: 0, extras };
        // One after the other until one has come through: a sender begins with the first grain after its take.
        let datagrams = stream.datagrams(frame, 1_800, &Camera::packets());
        for datagram in &datagrams {
            stranger.send_to(datagram, to).unwrap();
        }
        assert!(second_screen.watch(1).into_iter().eq([frame]), "round {round}");
        flypack(&gateway, "senders del echo").unwrap();
        flypack(&gateway, "receivers del guest").unwrap();
        // What still comes to it is nobody's: counted by the port's host, and no harm.
        for datagram in &datagrams {
            stranger.send_to(datagram, to).unwrap();
        }
        let unwanted = (round + 1) * datagrams.len() as u64;
        eventually("what comes too late is counted", || {
            port_counter(&gateway.statistics().unwrap(), "host_ignored_datagram_unwanted_frames") == unwanted
        });
    }
    let played = playing.stop();
    eventually("the screen has seen every frame", || screen.whole() == played);
    assert_eq!(screen.damaged(), 0);
    let now = gateway.statistics().unwrap();
    assert_eq!(now.of("receiver", "cam", "packets_lost").unwrap(), 0);
    assert_eq!(port_counter(&now, "rx_unsteered_packets"), 0);
    gateway.stop().unwrap();
}
