//! Hostile frames at a running `flypackd` while media flows both ways through its port: each is counted by its reason, what
//! is answered is bounded, memory and log are too, and no packet of the media is lost. Needs root, and a flypackd with its
//! feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use hwtests::frames::{
    self, ARP, BROADCAST, ICMPV6, IPV4, IPV6, Mac, UDP, advertisement, arp, echo_request, ethernet, group_mac, icmp,
    igmp_query, ipv4, ipv6, mld_query, packet, set_ipv4_checksum, tagged, udp,
};
use hwtests::gateway_bench::{
    Camera, GatewayBench, LIMIT, MEDIA, PORT, Playing, SCREEN, STUDIO, Screen, Watching, format, port_counter, sender,
};
use hwtests::wire::{self, Direction};
use hwtests::{Gateway, Launch, Process, Statistics, Wire, eventually, namespace, peer, rfc4175, take_turn};
use rustix::process::Signal;

/// As [`PORT`] and [`STUDIO`].
const PORT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);
const STUDIO_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// Whoever sends what should not be.
const EVIL: Mac = [2, 0, 0, 0, 0, 0x66];
const EVIL_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 0x66);
const EVIL_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x66);
const EVIL_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x66);
/// Groups that the port is a member of.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 77, 0, 1);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0x8000, 0x77);
const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Slots of the stream's ring: a reader on a busy machine is slow at times.
const SLOTS: u64 = 128;
/// Frames of one flood: fewer than the kernel's ring holds, so that none is lost however slow this machine is.
const FLOOD: u32 = 10_000;
/// What a flood may add to the memory in use, octets. The exchange and its like are there before.
const MEMORY_OCTETS: u64 = 8 << 20;

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

/// A gateway through whose port a stream comes in and goes out, watched at all ends, and somebody hostile on its wire.
struct Siege {
    mac: Mac,
    wire: Wire,
    pictures: Vec<Vec<u8>>,
    playing: Playing,
    screens: [Watching; 2],
    reader: Process,
    gateway: Gateway,
    before: Statistics,
    memory_before: u64,
    /// What the counters have to show more than before.
    expected: BTreeMap<&'static str, u64>,
    bench: GatewayBench,
}

impl Siege {
    fn begin() -> Self {
        let bench = GatewayBench::set_up().unwrap();
        let address = format!("{STUDIO_V6}/64");
        let add = ["addr", "add", &address, "dev", "far", "nodad"];
        assert!(bench.studio.command("ip").args(add).status().unwrap().success());
        let mut gateway = bench.start(&objects()).unwrap();
        eventually("the port has found both screens", || {
            port_counter(&gateway.statistics().unwrap(), "neighbours_found") == 2
        });
        eventually("the port answers pings", || bench.answers_pings().unwrap());

        let output = bench.file("cam.raw");
        let words =
            format!("recv cam --format raw --output {} --broker {}", output.display(), gateway.broker.display());
        let reader = Launch::new(&gateway.flypack, &bench.file("recv.log")).words(&words).start().unwrap();
        gateway.wait_for_consumer("cam", reader.id()).unwrap();
        let pictures = rfc4175::noise(&format(), 25, 7);
        let screens = [SocketAddr::new(studio_v4().into(), SCREEN), SocketAddr::new(STUDIO_V6.into(), SCREEN)];
        let screens =
            screens.map(|at| Screen::new(&bench.studio, at).unwrap().keep_watching(pictures.clone()).unwrap());
        let (mac, wire) = (bench.near().mac().unwrap(), Wire::open(bench.far()).unwrap());
        let (before, memory_before) = (gateway.statistics().unwrap(), memory(&gateway));
        let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
        eventually("the stream is seen", || screens.iter().all(|screen| screen.whole() > 0));
        let expected = BTreeMap::new();
        Self { mac, wire, pictures, playing, screens, reader, gateway, before, memory_before, expected, bench }
    }

    /// A packet in a frame to the port.
    fn frame(&self, packet: &[u8]) -> Vec<u8> {
        let kind = if packet[0] >> 4 == 6 { IPV6 } else { IPV4 };
        ethernet(EVIL, self.mac, kind, packet)
    }

    /// Sends a frame that is to be counted so.
    fn send(&mut self, frame: &[u8], counters: &[&'static str]) {
        self.wire.send(frame).unwrap();
        for counter in counters {
            *self.expected.entry(counter).or_default() += 1;
        }
    }

    fn send_packet(&mut self, packet: &[u8], counter: &'static str) {
        let frame = self.frame(packet);
        self.send(&frame, &[counter]);
    }

    fn more(&self, now: &Statistics, counter: &str) -> u64 {
        port_counter(now, counter) - port_counter(&self.before, counter)
    }

    /// Waits until the counters show what was expected, no more and no less.
    fn counted(&self) {
        let mut shown = BTreeMap::new();
        let deadline = Instant::now() + LIMIT;
        while shown != self.expected {
            assert!(Instant::now() < deadline, "counted {shown:#?}\nexpected {:#?}", self.expected);
            let now = self.gateway.statistics().unwrap();
            shown = self.expected.keys().map(|counter| (*counter, self.more(&now, counter))).collect();
        }
    }

    /// Frames that the port has sent since the wire was asked last.
    fn replies(&self) -> Vec<Vec<u8>> {
        let seen = self.wire.drain().filter(|seen| seen.direction == Direction::In);
        seen.map(|seen| seen.octets).filter(|frame| frame[6..12] == self.mac).collect()
    }

    /// Ends the stream; every packet of it must have come through, and every octet.
    fn end(mut self, media_injected: u64, log_lines: usize) {
        let played = self.playing.stop();
        eventually("both screens have seen every frame", || self.screens.iter().all(|screen| screen.whole() == played));
        assert_eq!(self.screens.each_ref().map(Watching::damaged), [0, 0]);
        let raw = self.bench.file("cam.raw");
        let octets = played * u64::from(format().frame_octets());
        eventually("the reader has every frame", || raw.metadata().is_ok_and(|file| file.len() == octets));
        self.reader.signal(Signal::INT).unwrap();
        self.reader.wait(LIMIT).unwrap();
        let taken = std::fs::read(raw).unwrap();
        assert!(taken.chunks(taken.len() / played as usize).eq(self.pictures.iter().cycle().take(played as usize)));

        let now =
            self.gateway.settle(LIMIT, |now| slots(now)[2..] == [0, 0, 0] && port_counter(now, "tx_leases_held") == 0);
        let now = now.unwrap();
        assert_eq!(slots(&now)[2..], [0, 0, 0], "open, leased, quarantined: {:?}", slots(&now));
        assert_eq!((slots(&now).iter().sum::<u64>(), port_counter(&now, "tx_leases_held")), (SLOTS, 0));
        let packets = played * Camera::packets().len() as u64;
        let media = port_counter(&now, "rx_media_packets") - port_counter(&self.before, "rx_media_packets");
        assert_eq!(media, packets + media_injected);
        for (counter, name) in [("packets_lost", "cam"), ("ssrc_changes", "cam")] {
            assert_eq!(now.of("receiver", name, counter).unwrap(), 0, "{counter}");
        }
        let memory_now = memory(&self.gateway);
        assert!(memory_now < self.memory_before + MEMORY_OCTETS, "{} octets became {memory_now}", self.memory_before);
        let log = self.gateway.process().log();
        assert!(log.lines().count() <= log_lines, "{} lines:\n{log}", log.lines().count());
        self.gateway.stop().unwrap();
    }
}

/// The slots of the stream's ring, by what they are.
fn slots(now: &Statistics) -> [u64; 5] {
    const STATES: [&str; 5] = ["slots_free", "slots_done", "slots_open", "slots_leased", "slots_quarantined"];
    STATES.map(|state| now.of("flow", "cam", state).unwrap())
}

/// Octets of memory that the gateway has in use, beside what it shares.
fn memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process().id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn objects() -> String {
    let mut text = format!(
        "[dpdk]\nmemory = \"no-huge\"\n[[port]]\nname = \"media\"\ndevice = \"net_af_packet:near\"\n\
         addresses = [\"{PORT}/24\", \"{PORT_V6}/64\"]\npackets_per_second = 20000\nhold_ms = 20\n"
    );
    let receivers = [
        ("cam", IpAddr::from(port_v4()), SLOTS),
        ("cam-v6", PORT_V6.into(), 4),
        ("group-v4", GROUP_V4.into(), 4),
        ("group-v6", GROUP_V6.into(), 4),
    ];
    for (name, address, slots) in receivers {
        let sdp = peer::sdp(&format(), SocketAddr::new(address, MEDIA)).replace('\r', "");
        text += &format!("[[receiver]]\nname = \"{name}\"\nslots = {slots}\nsdp_text = \"\"\"\n{sdp}\"\"\"\n");
        text += if address.is_multicast() { "interface = \"media\"\n" } else { "" };
    }
    text + &sender("out", &format!("{STUDIO}:{SCREEN}")) + &sender("out-v6", &format!("[{STUDIO_V6}]:{SCREEN}"))
}

/// RTP of somebody else, too short to hold samples.
fn strangers_rtp(sequence: u16) -> Vec<u8> {
    let mut datagram = vec![0x80, 96];
    datagram.extend(sequence.to_be_bytes());
    datagram.extend([0; 4]);
    datagram.extend(0x6666_6666_u32.to_be_bytes());
    datagram.extend([0; 20]);
    datagram
}

fn to_port(port: u16) -> [SocketAddr; 2] {
    [SocketAddr::new(EVIL_V4.into(), 7_000), SocketAddr::new(port_v4().into(), port)]
}

fn to_port_v6(port: u16) -> [SocketAddr; 2] {
    [SocketAddr::new(EVIL_V6.into(), 7_000), SocketAddr::new(PORT_V6.into(), port)]
}

fn changed(packet: &[u8], at: usize, octets: &[u8]) -> Vec<u8> {
    let mut changed = packet.to_vec();
    changed[at..at + octets.len()].copy_from_slice(octets);
    if changed[0] >> 4 != 6 && packet[0] >> 4 == 4 {
        set_ipv4_checksum(&mut changed);
    }
    changed
}

#[test]
fn bad_frames_are_counted_by_reason_and_do_no_harm() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut siege = Siege::begin();
    send_truncations(&mut siege);
    send_lying_headers(&mut siege);
    send_tags(&mut siege);
    let media = send_fragments(&mut siege) + send_doubtful_checksums(&mut siege);
    siege.counted();
    let now = siege.gateway.statistics().unwrap();
    for counter in ["rx_host_frames_full", "rx_host_frames_too_long", "host_sent_frames"] {
        // Nobody is answered, but for the studio's kernel when it asks for the port again.
        assert!(siege.more(&now, counter) < 4, "{counter}");
    }
    siege.end(media, 40);
}

/// Every truncation that an Ethernet interface carries.
fn send_truncations(siege: &mut Siege) {
    let [v4, v6] = [to_port(MEDIA), to_port_v6(MEDIA)].map(|[from, to]| siege.frame(&udp(from, to, b"flypack!!")));
    let [echo, echo_v6] = [[EVIL_V4.into(), port_v4().into()], [IpAddr::from(EVIL_V6), PORT_V6.into()]]
        .map(|[from, to]| siege.frame(&echo_request(from, to, 1, b"echo")));
    for (whole, ip_octets) in [(v4, 20), (echo, 20), (v6, 40), (echo_v6, 40)] {
        for octets in frames::ETHERNET_OCTETS..whole.len() {
            let is_short = octets < frames::ETHERNET_OCTETS + ip_octets;
            let counter = if is_short { "rx_bad_ip_too_short_frames" } else { "rx_bad_ip_length_frames" };
            siege.send(&whole[..octets], &[counter]);
        }
    }
    let question = ethernet(EVIL, BROADCAST, ARP, &arp(1, (EVIL, EVIL_V4), ([0; 6], port_v4())));
    for octets in frames::ETHERNET_OCTETS..question.len() {
        siege.send(&question[..octets], &["host_ignored_arp_malformed_frames"]);
    }
    // Packets that are whole, of datagrams that are not.
    for octets in 0..8 {
        siege.send_packet(
            &packet(EVIL_V4.into(), port_v4().into(), UDP, &[0; 8][..octets]),
            "rx_bad_udp_too_short_frames",
        );
        siege.send_packet(
            &packet(EVIL_V6.into(), PORT_V6.into(), UDP, &[0; 8][..octets]),
            "rx_bad_udp_too_short_frames",
        );
        let message = packet(EVIL_V4.into(), port_v4().into(), frames::ICMP, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0][..octets]);
        siege.send_packet(&message, "host_ignored_icmp_malformed_frames");
    }
}

fn send_lying_headers(siege: &mut Siege) {
    let [[from, to], [from_v6, to_v6]] = [to_port(MEDIA), to_port_v6(MEDIA)];
    let (v4, v6) = (udp(from, to, b"flypack!!"), udp(from_v6, to_v6, b"flypack!!"));
    let cases: &[(&[u8], usize, &[u8], &str)] = &[
        (&v4, 0, &[0x55], "rx_bad_ip_version_frames"),
        (&v6, 0, &[0x45], "rx_bad_ip_version_frames"),
        (&v4, 0, &[0x44], "rx_bad_ip_header_length_frames"),
        (&v4, 0, &[0x4f], "rx_bad_ip_header_length_frames"),
        (&v4, 2, &[0, 19], "rx_bad_ip_length_frames"),
        (&v4, 2, &[0xff, 0xff], "rx_bad_ip_length_frames"),
        (&v6, 4, &[0xff, 0xff], "rx_bad_ip_length_frames"),
        (&v4, 12, &[239, 0, 0, 1], "rx_bad_source_address_frames"),
        (&v4, 12, &[255, 255, 255, 255], "rx_bad_source_address_frames"),
        (&v6, 8, &[0xff, 2], "rx_bad_source_address_frames"),
        (&v4, 24, &[0, 7], "rx_bad_udp_length_frames"),
        (&v4, 24, &[0, 18], "rx_bad_udp_length_frames"),
        (&v6, 44, &[0xff, 0xff], "rx_bad_udp_length_frames"),
    ];
    for &(packet, at, octets, counter) in cases {
        let kind = if packet[0] >> 4 == 6 { IPV6 } else { IPV4 };
        let lie = changed(packet, at, octets);
        siege.send(&ethernet(EVIL, siege.mac, kind, &lie), &[counter]);
    }
    for bit in 0..16 {
        let mut wrong = v4.clone();
        wrong[10 + bit / 8] ^= 1 << (bit % 8);
        siege.send_packet(&wrong, "rx_bad_ip_checksum_frames");
    }
    siege.send(&ethernet(EVIL, [2, 0, 0, 0, 0, 0x77], IPV4, &v4), &["rx_bad_not_our_mac_frames"]);
    let group = ethernet([1, 0, 0x5e, 0, 0, 1], siege.mac, ARP, &arp(1, (EVIL, EVIL_V4), ([0; 6], port_v4())));
    siege.send(&group, &["host_ignored_sender_no_station_frames"]);
    siege.send_packet(&packet(EVIL_V4.into(), port_v4().into(), 253, b"what"), "host_ignored_protocol_unknown_frames");
    siege.send(&ethernet(EVIL, siege.mac, 0x88b5, b"what"), &["host_ignored_protocol_unknown_frames"]);
}

/// The kernel reassembles IPv4 in front of net_af_packet (its driver asks for PACKET_FANOUT_FLAG_DEFRAG): what has all its
/// fragments comes whole, the rest never. Returns how many datagrams are media.
fn send_fragments(siege: &mut Siege) -> u64 {
    let [from, to] = to_port(MEDIA);
    for offset in [[0x20, 0], [0, 1], [0x3f, 0xff], [0x1f, 0xff]] {
        let frame = siege.frame(&changed(&udp(from, to, &strangers_rtp(0)), 6, &offset));
        siege.send(&frame, &[]);
    }
    for fragment in &fragments(&udp(from, to, &strangers_rtp(0)), 16, 1) {
        siege.send(&siege.frame(fragment), &[]);
    }
    // Longer than any frame of this port.
    for fragment in &fragments(&udp(from, to, &[7; 4_000]), 1_480, 2) {
        siege.send(&siege.frame(fragment), &[]);
    }
    *siege.expected.entry("rx_bad_ip_length_frames").or_default() += 1;
    // RFC 8200 §4.5: next header, reserved, offset and M, identification.
    let fragment = [&[UDP, 0, 0, 1, 0, 0, 0, 1][..], &[0; 40]].concat();
    siege.send_packet(&ipv6(EVIL_V6, PORT_V6, (44, 64), &fragment), "rx_bad_fragment_frames");
    // Behind hop-by-hop options, where only the host looks.
    let behind = [&[44, 0, 1, 4, 0, 0, 0, 0][..], &fragment].concat();
    siege.send_packet(&ipv6(EVIL_V6, PORT_V6, (0, 64), &behind), "host_ignored_fragment_behind_extensions_frames");
    1
}

/// An IPv4 packet without options, cut into fragments of `octets` each, a multiple of eight.
// RFC 791 §3.2
fn fragments(whole: &[u8], octets: usize, identification: u8) -> Vec<Vec<u8>> {
    let (header, payload) = whole.split_at(20);
    let last = payload.len().div_ceil(octets) - 1;
    let cut = payload.chunks(octets).enumerate().map(|(index, part)| {
        let more = if index < last { 0x2000 } else { 0 };
        let offset = more | (index * octets / 8) as u16;
        let mut packet = [header, part].concat();
        packet[2..4].copy_from_slice(&((20 + part.len()) as u16).to_be_bytes());
        packet[4..6].copy_from_slice(&[0x66, identification]);
        packet[6..8].copy_from_slice(&offset.to_be_bytes());
        set_ipv4_checksum(&mut packet);
        packet
    });
    cut.collect()
}

fn send_tags(siege: &mut Siege) {
    let [from, to] = to_port(MEDIA);
    let untagged = siege.frame(&udp(from, to, &strangers_rtp(1)));
    for vlan in [1, 7, 0x0fff, 0xe007] {
        siege.send(&tagged(&untagged, vlan), &["rx_bad_foreign_vlan_frames"]);
    }
    let service = changed(&tagged(&untagged, 7), 12, &[0x88, 0xa8]);
    siege.send(&service, &["rx_bad_foreign_vlan_frames"]);
    // A second tag is foreign, whatever it says: also when the first marks a priority only.
    for [outer, inner] in [[7, 7], [7, 0], [0, 7], [0xe000, 0], [0, 0xe000]] {
        siege.send(&tagged(&tagged(&untagged, inner), outer), &["rx_bad_foreign_vlan_frames"]);
    }
}

/// Wrong checksums prove nothing on this device: counted, and handed on. Returns how many datagrams are media.
fn send_doubtful_checksums(siege: &mut Siege) -> u64 {
    let [[from, to], [from_v6, to_v6]] = [to_port(MEDIA), to_port_v6(MEDIA)];
    let (v4, v6) = (udp(from, to, &strangers_rtp(2)), udp(from_v6, to_v6, &strangers_rtp(2)));
    let foreign = ["rx_udp_checksum_doubtful"];
    siege.send(&siege.frame(&changed(&v4, 26, &[0x12, 0x34])), &foreign);
    siege.send(&siege.frame(&changed(&v6, 46, &[0x12, 0x34])), &foreign);
    // RFC 8200 §8.1: over IPv6 a datagram without one is discarded, over IPv4 it is not.
    siege.send(&siege.frame(&changed(&v6, 46, &[0, 0])), &["rx_bad_udp_checksum_absent_frames"]);
    siege.send(&siege.frame(&changed(&v4, 26, &[0, 0])), &[]);
    // A tag that marks a priority only is no VLAN.
    siege.send(&tagged(&siege.frame(&v4), 0xa000), &[]);
    4
}

#[test]
fn floods_are_bounded_in_what_they_cost() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut siege = Siege::begin();
    let [[from, to], [from_v6, to_v6]] = [to_port(9), to_port_v6(9)];
    let echo = siege.frame(&echo_request(EVIL_V4.into(), port_v4().into(), 1, &[7; 1_000]));
    let echo_v6 = siege.frame(&echo_request(EVIL_V6.into(), PORT_V6.into(), 1, &[7; 1_000]));
    let question = ethernet(EVIL, BROADCAST, ARP, &arp(1, (EVIL, EVIL_V4), ([0; 6], port_v4())));
    let unwanted = siege.frame(&udp(from, to, &[7; 1_000]));
    let unwanted_v6 = siege.frame(&udp(from_v6, to_v6, &[7; 1_000]));
    let group = SocketAddr::new(Ipv4Addr::new(239, 66, 66, 66).into(), MEDIA);
    let multicast = ethernet(EVIL, group_mac(group.ip()), IPV4, &udp(from, group, &[7; 1_000]));
    let query = igmp_query(EVIL_V4, ALL_SYSTEMS, Ipv4Addr::UNSPECIFIED, 1, &[]);
    let query = ethernet(EVIL, group_mac(ALL_SYSTEMS.into()), IPV4, &query);
    let query_v6 =
        ethernet(EVIL, group_mac(ALL_NODES.into()), IPV6, &mld_query(EVIL_LINK, ALL_NODES, Ipv6Addr::UNSPECIFIED, 1));
    let floods: [Flood<'_>; 8] = [
        ("ICMP", &echo, &["host_echo_replies", "host_ignored_echo_rate_frames"], (100, 100)),
        ("ICMPv6", &echo_v6, &["host_echo_replies", "host_ignored_echo_rate_frames"], (100, 100)),
        ("ARP", &question, &["host_answers", "host_ignored_question_rate_frames"], (1_000, 1_000)),
        ("UDP", &unwanted, &["rx_unwanted_packets"], (0, 0)),
        ("UDP over IPv6", &unwanted_v6, &["rx_unwanted_packets"], (0, 0)),
        ("multicast", &multicast, &["rx_unwanted_packets"], (0, 0)),
        ("IGMP", &query, &["host_membership_queries"], (1, 1)),
        ("MLD", &query_v6, &["host_membership_queries"], (2, 2)),
    ];
    floods.into_iter().for_each(|one| flood(&mut siege, one));
    siege.end(0, 60);
}

/// What it is called, one frame of it, what that is counted as, and what is sent for it at most: at once, and per second.
type Flood<'a> = (&'a str, &'a [u8], &'a [&'a str], (u64, u64));

/// Every frame is counted once: as read, or as not held. What is sent for them keeps to the rate.
fn flood(siege: &mut Siege, (name, frame, counters, (burst, per_second)): Flood<'_>) {
    let sum = |now: &Statistics| counters.iter().map(|counter| port_counter(now, counter)).sum::<u64>();
    let full = |now: &Statistics| port_counter(now, "rx_host_frames_full");
    let ours = siege.bench.far().mac().unwrap();
    drop(siege.replies());
    let (before, began) = (siege.gateway.statistics().unwrap(), Instant::now());
    siege.wire.flood(frame, FLOOD).unwrap();
    // The studio's own few questions may be among those that were read, and among those that were not.
    eventually(&format!("all frames of {name} are counted"), || {
        let now = siege.gateway.statistics().unwrap();
        sum(&now) - sum(&before) + full(&now) - full(&before) >= u64::from(FLOOD)
    });
    let now = siege.gateway.statistics().unwrap();
    let seconds = began.elapsed().as_secs() + 1;
    let read = sum(&now) - sum(&before);
    assert!(read > 0 && read <= u64::from(FLOOD) + 8, "{name}: {read} were read");
    // What goes to the studio itself is media, or what its kernel has asked.
    let is_reply = |reply: &&Vec<u8>| protocol(reply) == protocol(frame) && reply[..6] != ours;
    let replies = siege.replies().iter().filter(is_reply).count() as u64;
    assert!(replies <= burst + per_second * seconds, "{name}: {replies} replies in {seconds} s");
    assert!(burst == 0 || replies > 0, "{name}: it is not silenced either");
    eprintln!("{name}: {FLOOD} frames in {seconds} s at most, {read} read, {replies} answered");
}

/// EtherType, and the protocol in an IP packet.
fn protocol(frame: &[u8]) -> (u16, u8) {
    let kind = u16::from_be_bytes([frame[12], frame[13]]);
    (kind, if kind == IPV4 { frame[23] } else { frame[20] })
}

#[test]
fn nobody_takes_our_address_nor_our_receivers() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut siege = Siege::begin();
    let mac = siege.mac;
    drop(siege.replies());
    // Somebody has our address: by an answer, by a question, by an announcement, to us and to all.
    for to in [mac, BROADCAST] {
        for (operation, target) in [(2, port_v4()), (1, port_v4()), (1, studio_v4())] {
            let claim = ethernet(EVIL, to, ARP, &arp(operation, (EVIL, port_v4()), ([0; 6], target)));
            siege.send(&claim, &["host_conflict_frames"]);
        }
        let claim = ethernet(EVIL, to, IPV6, &advertisement(PORT_V6, ALL_NODES, PORT_V6, EVIL));
        siege.send(&claim, &["host_conflict_frames"]);
    }
    // Somebody has the screens' addresses: by answers that nobody asked for, and by questions.
    for to in [mac, BROADCAST] {
        for (operation, target) in [(2, port_v4()), (1, port_v4()), (1, studio_v4())] {
            let claim = ethernet(EVIL, to, ARP, &arp(operation, (EVIL, studio_v4()), (mac, target)));
            siege.send(&claim, &["host_ignored_neighbour_poisoning_frames"]);
        }
        let claim = ethernet(EVIL, to, IPV6, &advertisement(STUDIO_V6, PORT_V6, STUDIO_V6, EVIL));
        siege.send(&claim, &["host_ignored_neighbour_poisoning_frames"]);
    }
    // Strangers' claims fill no table: nobody asked for them.
    for last in 0..=255 {
        let claim = arp(2, (EVIL, Ipv4Addr::new(10, 77, 0, last)), (mac, port_v4()));
        if ![1, 2].contains(&last) {
            siege.send(&ethernet(EVIL, mac, ARP, &claim), &[]);
        }
    }
    siege.counted();
    let now = siege.gateway.statistics().unwrap();
    assert_eq!(siege.more(&now, "neighbours_moved"), 0);
    assert_eq!(siege.more(&now, "address_conflicts"), 2, "one of each family");
    // RFC 5227 §2.4 (c): once in ten seconds, of each family.
    let defences = siege.more(&now, "host_defences");
    assert!((2..=6).contains(&defences), "{defences} defences");
    let is_defence = |frame: &&Vec<u8>| frame[..6] == BROADCAST && frame[12..14] == ARP.to_be_bytes();
    assert!(siege.replies().iter().any(|frame| is_defence(&frame)), "the defence is on the wire");
    let troubles = siege.gateway.node().unwrap()["ports"][0]["troubles"].to_string();
    assert!(troubles.contains(&format!("{PORT} is used by 02:00:00:00:00:66 too")), "{troubles}");
    siege.end(0, 60);
}

#[test]
fn hostile_queries_and_strangers_streams_change_nothing() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut siege = Siege::begin();
    drop(siege.replies());
    send_queries(&mut siege);
    let packets = send_strangers_streams(&mut siege);
    siege.counted();
    let now = siege.gateway.statistics().unwrap();
    let [foreign, malformed] =
        ["ssrc_foreign", "rtp_malformed"].map(|counter| now.of("receiver", "cam", counter).unwrap());
    assert_eq!((foreign, malformed), (packets.0, packets.1));
    let reports = siege.more(&now, "host_membership_reports");
    assert!(reports < 20, "{reports} reports");
    siege.end(packets.0 + packets.1, 40);
}

fn send_queries(siege: &mut Siege) {
    let (none, none_v6) = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    let to_all = |packet: &[u8]| ethernet(EVIL, group_mac(ALL_SYSTEMS.into()), IPV4, packet);
    let malformed = "host_ignored_membership_malformed_frames";
    let origin = "host_ignored_query_origin_frames";
    let query = igmp_query(EVIL_V4, ALL_SYSTEMS, GROUP_V4, 0xff, &[EVIL_V4; 3]);
    // More sources than there are octets; a wrong checksum; every length that is none.
    let mut lie = query.clone();
    lie[24 + 10..24 + 12].copy_from_slice(&[0xff, 0xff]);
    lie[24 + 2..24 + 4].fill(0);
    let sum = frames::checksum(&lie[24..]);
    lie[24 + 2..24 + 4].copy_from_slice(&sum.to_be_bytes());
    siege.send(&to_all(&lie), &[malformed]);
    siege.send(&to_all(&changed(&query, 24 + 4, &[240])), &[malformed]);
    for octets in 0..8 {
        let message = [0x11, 0xff, 0xee, 0, 0, 0, 0, 0];
        let short = ipv4(EVIL_V4, ALL_SYSTEMS, (frames::IGMP, 1), &[], &message[..octets]);
        siege.send(&to_all(&short), &[malformed]);
    }
    // Forwarded, to a station that is not us, about what is no group.
    siege.send(&to_all(&changed(&query, 8, &[64])), &[origin]);
    siege.send(&to_all(&igmp_query(EVIL_V4, Ipv4Addr::new(239, 66, 66, 66), none, 1, &[])), &[origin]);
    siege.send(&to_all(&igmp_query(EVIL_V4, ALL_SYSTEMS, EVIL_V4, 1, &[])), &["host_ignored_query_group_frames"]);
    // The longest and the shortest times, the most sources, groups of ours and of nobody.
    let sources: Vec<Ipv4Addr> = (0..300).map(|number: u32| Ipv4Addr::from(0x0a00_0000 + number)).collect();
    for group in [none, GROUP_V4, Ipv4Addr::new(239, 66, 66, 66)] {
        for (code, sources) in [(0xff, &[][..]), (1, &[]), (1, &sources), (0xff, &sources)] {
            siege.send(&to_all(&igmp_query(EVIL_V4, ALL_SYSTEMS, group, code, sources)), &["host_membership_queries"]);
        }
    }
    let to_all = |packet: &[u8]| ethernet(EVIL, group_mac(ALL_NODES.into()), IPV6, packet);
    siege.send(&to_all(&mld_query(EVIL_LINK, ALL_NODES, none_v6, 64)), &[origin]);
    siege.send(&to_all(&mld_query(EVIL_V6, ALL_NODES, none_v6, 1)), &[origin]);
    siege.send(&to_all(&mld_query(EVIL_LINK, ALL_NODES, EVIL_V6, 1)), &["host_ignored_query_group_frames"]);
    siege.send(&to_all(&mld_query(EVIL_LINK, ALL_NODES, GROUP_V6, 1)), &["host_membership_queries"]);
    for octets in 4..24 {
        let message = icmp(EVIL_LINK.into(), ALL_NODES.into(), &[&[130, 0, 0, 0][..], &[0; 20]].concat()[..octets]);
        let short = ipv6(EVIL_LINK, ALL_NODES, (ICMPV6, 1), &message);
        siege.send(&to_all(&short), &[malformed]);
    }
}

/// RTP, and what is none, at the receiver's very address: how many there are of each.
fn send_strangers_streams(siege: &mut Siege) -> (u64, u64) {
    let [from, to] = to_port(MEDIA);
    for sequence in 0..200 {
        siege.wire.send(&siege.frame(&udp(from, to, &strangers_rtp(sequence)))).unwrap();
    }
    // RFC 3550 §5.1: shorter than a header, another version, a CSRC list and padding longer than the packet.
    let whole = strangers_rtp(7);
    let malformed = (0..12).map(|octets| whole[..octets].to_vec());
    let malformed = malformed.chain([0x40, 0x8f, 0xa0].map(|first| [&[first][..], &whole[1..]].concat()));
    let mut count = 0;
    for payload in malformed {
        siege.wire.send(&siege.frame(&udp(from, to, &payload))).unwrap();
        count += 1;
    }
    (200, count)
}
