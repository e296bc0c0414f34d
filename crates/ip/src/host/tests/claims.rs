//! Addresses: probed for, announced, answered for, defended.

use super::*;
use crate::arp::{Arp, Operation};
use crate::golden::{ARP_REPLY, ARP_REQUEST, ND_ADVERTISEMENT, ND_DAD, ND_PROBE, ND_SOLICITATION};
use crate::nd::{Kind, Message};

const V4: &str = "192.0.2.2";

fn arp_of(frame: &[u8]) -> Option<Arp> {
    (frame[12..14] == [8, 6]).then(|| Arp::parse(&frame[14..]).unwrap())
}

fn arps(frames: &[Vec<u8>]) -> Vec<Arp> {
    frames.iter().filter_map(|frame| arp_of(frame)).collect()
}

fn nds(frames: &[Vec<u8>]) -> Vec<Message> {
    let nd = |frame: &Vec<u8>| {
        let address = |at: usize| <[u8; 16]>::try_from(&frame[at..at + 16]).unwrap().into();
        (frame[12..14] == [0x86, 0xdd]).then(|| Message::parse(address(22), address(38), frame.get(54..)?))?
    };
    frames.iter().filter_map(nd).collect()
}

/// An ARP frame of a stranger.
fn arp(by: u8, operation: Operation, sender: &str, target: &str) -> Vec<u8> {
    let link = Link { mac: mac(by), vlan: None };
    let (sender, target) = (sender.parse().unwrap(), target.parse().unwrap());
    let packet = Arp { operation, sender_mac: mac(by), sender, target_mac: MacAddr::ZERO, target };
    link.frame(MacAddr::BROADCAST, ETHERTYPE_ARP, &packet.octets())
}

#[test]
fn three_probes_then_two_announcements_before_an_ipv4_address_is_at_rest() {
    let mut bench = Bench::new(config(0x0b, &["192.0.2.2/24"]));
    let mut spoken = Vec::new();
    for _ in 0..200 {
        bench.run(SECOND_NS / 10);
        spoken.extend(arps(&bench.take()).into_iter().map(|arp| (bench.now, arp)));
    }
    let senders: Vec<String> = spoken.iter().map(|(_, arp)| arp.sender.to_string()).collect();
    assert_eq!(senders, ["0.0.0.0", "0.0.0.0", "0.0.0.0", V4, V4]);
    assert!(spoken.iter().all(|(_, arp)| arp.target.to_string() == V4 && arp.target_mac == MacAddr::ZERO));
    // RFC 5227 §1.1, to the tenth of a second that is looked at.
    let gaps: Vec<i64> = spoken.windows(2).map(|pair| pair[1].0.nanos_since(pair[0].0) / (SECOND_NS / 10)).collect();
    assert!((9..=21).contains(&gaps[0]) && (9..=21).contains(&gaps[1]), "{gaps:?}");
    assert!((19..=21).contains(&gaps[2]) && (19..=21).contains(&gaps[3]), "{gaps:?}");
    assert_eq!(bench.take_events(), [Event::Ready { address: ip(V4) }]);
    assert_eq!(bench.host.next_deadline(), None);
}

#[test]
fn one_probe_and_a_second_of_silence_are_enough_for_an_ipv6_address() {
    let mut bench = Bench::new(config(0x0b, &["2001:db8::2/64"]));
    let begin = bench.now;
    while bench.take_events().is_empty() {
        bench.run(SECOND_NS / 10);
    }
    let probes = nds(&bench.take()).into_iter().filter(|message| message.kind == Kind::Solicitation);
    let targets: Vec<String> = probes.map(|probe| probe.target.to_string()).collect();
    assert!(targets.contains(&"2001:db8::2".into()) && targets.len() <= 2, "{targets:?}");
    // RFC 4862 §5.4.2, §5.1: a random delay of up to a second, and one more.
    assert!((10..=21).contains(&(bench.now.nanos_since(begin) / (SECOND_NS / 10))));
}

#[test]
fn a_question_that_a_router_forwarded_is_not_answered() {
    let mut bench = Bench::ready(host_b());
    let mut forwarded = ND_SOLICITATION;
    forwarded[21] = 254;
    bench.receive(&forwarded);
    assert_eq!((bench.take(), bench.ignored(Ignored::Icmp)), (vec![], 1));
}

#[test]
fn linux_gets_the_answers_that_linux_gives() {
    let mut bench = Bench::ready(host_b());
    bench.receive(&ARP_REQUEST);
    bench.receive(&ND_SOLICITATION);
    assert_eq!(bench.take(), [ARP_REPLY.to_vec(), ND_ADVERTISEMENT.to_vec()]);
    assert_eq!(bench.host.counters().answers, 2);
}

#[test]
fn a_question_to_us_alone_is_answered_too() {
    let mut bench = Bench::ready(config(0x0a, &["192.0.2.1/24", "2001:db8::1/64"]));
    bench.receive(&ND_PROBE);
    let answers = nds(&bench.take());
    let kind = Kind::Advertisement { solicited: true };
    assert_eq!(answers, [Message { kind, target: "2001:db8::1".parse().unwrap(), link: Some(mac(0x0a)) }]);
}

#[test]
fn nothing_is_answered_before_the_address_is_ours() {
    let mut bench = Bench::new(host_b());
    bench.receive(&ARP_REQUEST);
    bench.receive(&ND_SOLICITATION);
    assert_eq!(arps(&bench.take()), []);
    assert_eq!(bench.host.counters().answers, 0);
}

#[test]
fn a_probe_of_another_host_for_our_address_is_answered() {
    let mut bench = Bench::ready(config(0x0a, &["192.0.2.2/24", "2001:db8::1/64"]));
    bench.receive(&arp(0x0c, Operation::Request, "0.0.0.0", V4));
    let frames = bench.take();
    let [reply] = arps(&frames)[..] else { panic!("{frames:?}") };
    assert_eq!((reply.operation, reply.sender_mac, reply.target_mac), (Operation::Reply, mac(0x0a), mac(0x0c)));
    assert_eq!(bench.take_events(), []);
    // For IPv6, everybody is told. Captured from a host with our MAC's twin: another one probes here.
    let mut dad = ND_DAD;
    dad[6..12].copy_from_slice(&mac(0x0c).octets());
    bench.receive(&dad);
    let [advertisement] = nds(&bench.take())[..] else { panic!("not answered") };
    assert_eq!(advertisement.kind, Kind::Advertisement { solicited: false });
}

#[test]
fn an_address_in_use_is_kept_and_defended_once_in_ten_seconds() {
    let mut bench = Bench::ready(host_b());
    for _ in 0..50 {
        bench.receive(&arp(0x0c, Operation::Reply, V4, "192.0.2.9"));
        bench.run(SECOND_NS / 10);
    }
    let defences = arps(&bench.take());
    assert_eq!(defences.len(), 1);
    assert_eq!((defences[0].sender, defences[0].sender_mac), (V4.parse().unwrap(), mac(0x0b)));
    let conflict = Event::Conflict { address: ip(V4), mac: mac(0x0c) };
    assert_eq!(bench.take_events(), [conflict]);
    bench.run(6 * SECOND_NS);
    bench.receive(&arp(0x0c, Operation::Request, V4, V4));
    assert_eq!(arps(&bench.take()).len(), 1);
    assert_eq!((bench.host.counters().conflicts, bench.host.counters().defences), (51, 2));
    // Half a minute of silence ends it; then it may begin anew.
    bench.run(29 * SECOND_NS);
    assert_eq!(bench.take_events(), []);
    bench.run(2 * SECOND_NS);
    assert_eq!(bench.take_events(), [Event::ConflictOver { address: ip(V4) }]);
    bench.receive(&arp(0x0c, Operation::Reply, V4, "192.0.2.9"));
    assert_eq!(bench.take_events(), [conflict]);
}

#[test]
fn an_ipv6_address_is_defended_as_well() {
    let mut bench = Bench::ready(host_b());
    let mut claim = ND_ADVERTISEMENT;
    claim[0..6].copy_from_slice(&mac(0x0b).octets());
    claim[6..12].copy_from_slice(&mac(0x0c).octets());
    // Another Ethernet address in the option; its checksum follows.
    claim[85] = 0x0c;
    let sum = u16::from_be_bytes([claim[56], claim[57]]) - 1;
    claim[56..58].copy_from_slice(&sum.to_be_bytes());
    bench.receive(&claim);
    bench.receive(&claim);
    let address = ip("2001:db8::2");
    assert_eq!(bench.take_events(), [Event::Conflict { address, mac: mac(0x0c) }]);
    assert_eq!(nds(&bench.take()).len(), 1);
}

#[test]
fn a_proxy_that_answers_for_us_with_our_ethernet_address_is_no_conflict() {
    let mut bench = Bench::ready(host_b());
    let mut answer = ND_ADVERTISEMENT;
    answer[0..6].copy_from_slice(&mac(0x0b).octets());
    answer[6..12].copy_from_slice(&mac(0x0c).octets());
    bench.receive(&answer);
    let mut reply = ARP_REPLY;
    reply[0..6].copy_from_slice(&mac(0x0b).octets());
    reply[6..12].copy_from_slice(&mac(0x0c).octets());
    bench.receive(&reply);
    assert_eq!(bench.ignored(Ignored::OwnFrame), 2);
    assert_eq!((bench.host.counters().conflicts, bench.take_events()), (0, vec![]));
}

#[test]
fn an_address_that_another_host_has_is_not_taken_until_it_is_free() {
    let mut first = Bench::ready(config(0x0c, &["192.0.2.2/24"]));
    let mut second = Bench::new(config(0x0b, &["192.0.2.2/24"]));
    let mut seen = Vec::new();
    for _ in 0..600 {
        exchange(&mut first, &mut second, SECOND_NS / 10);
        seen.extend(second.take_events());
    }
    assert_eq!(seen, [Event::Conflict { address: ip(V4), mac: mac(0x0c) }]);
    assert_eq!(second.host.counters().answers, 0);
    // The first host is switched off.
    second.run(60 * SECOND_NS);
    let (ready, over) = (Event::Ready { address: ip(V4) }, Event::ConflictOver { address: ip(V4) });
    assert_eq!(second.take_events(), [ready, over]);
}

#[test]
fn of_two_hosts_that_start_together_one_gets_the_address() {
    let mut both_in_conflict = 0;
    // The Ethernet addresses seed the random delays.
    for pair in 0..20 {
        let mut a = Bench::new(config(2 * pair, &["192.0.2.2/24"]));
        let mut b = Bench::new(config(2 * pair + 1, &["192.0.2.2/24"]));
        let mut events = Vec::new();
        for _ in 0..600 {
            exchange(&mut a, &mut b, SECOND_NS);
            events.extend(a.take_events().into_iter().chain(b.take_events()));
        }
        let count = |what: fn(&Event) -> bool| events.iter().filter(|event| what(event)).count();
        let ready = count(|event| matches!(event, Event::Ready { .. }));
        let conflicts = count(|event| matches!(event, Event::Conflict { .. }));
        assert_eq!(ready, 1, "{pair}: {events:?}");
        assert!((1..=2).contains(&conflicts), "{pair}: {events:?}");
        both_in_conflict += usize::from(conflicts == 2);
    }
    assert!(both_in_conflict > 0);
}

/// Both live for a while, and hear each other.
fn exchange(a: &mut Bench, b: &mut Bench, nanos: i64) {
    a.run(nanos);
    b.run(nanos);
    let (from_a, from_b) = (a.take(), b.take());
    from_a.iter().for_each(|frame| b.receive(frame));
    from_b.iter().for_each(|frame| a.receive(frame));
}

#[test]
fn frames_are_tagged_when_the_port_is_on_a_vlan_and_others_are_not_heard() {
    let mut bench = Bench::ready(HostConfig { vlan: Some(7), ..host_b() });
    bench.receive(&ARP_REQUEST);
    assert_eq!(bench.take(), Vec::<Vec<u8>>::new());
    assert_eq!(bench.host.counters().bad(Reason::ForeignVlan), 1);
    let tagged = [&ARP_REQUEST[..12], &[0x81, 0, 0, 7], &ARP_REQUEST[12..]].concat();
    bench.receive(&tagged);
    assert_eq!(bench.take(), [[&ARP_REPLY[..12], &[0x81, 0, 0, 7], &ARP_REPLY[12..]].concat()]);
}

#[test]
fn a_link_that_comes_up_hears_the_addresses_again() {
    let mut bench = Bench::ready(host_b());
    bench.host.link_up(bench.now);
    bench.drain();
    bench.run(10 * SECOND_NS);
    let frames = bench.take();
    assert_eq!(arps(&frames).len(), 2);
    // The configured address and the link-local one.
    assert_eq!(nds(&frames).len(), 4);
}

#[test]
fn what_the_network_loops_back_is_no_conflict() {
    let mut bench = Bench::ready(host_b());
    bench.host.link_up(bench.now);
    bench.drain();
    let frames = bench.take();
    frames.iter().for_each(|frame| bench.receive(frame));
    assert!(!frames.is_empty());
    assert_eq!(bench.ignored(Ignored::OwnFrame), frames.len() as u64);
    assert_eq!(bench.host.counters().conflicts, 0);
}
