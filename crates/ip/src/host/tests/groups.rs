//! Group membership on the wire, beside Linux's reports.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::golden::{IGMP_BLOCK, IGMP_JOIN, IGMP_JOIN_SOURCE, IGMP_LEAVE, MLD_JOIN, MLD_JOIN_SOURCE, MLD_LEAVE};
use crate::wire::{Carrier, RouterAlert};

const QUERIER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x0f]);

fn host_a() -> Bench {
    Bench::ready(config(0x0a, &["192.0.2.1/24", "2001:db8::1/64"]))
}

fn join(bench: &mut Bench, group: &str, sources: &[&str]) -> Vec<Vec<u8>> {
    let sources: Vec<IpAddr> = sources.iter().map(|source| ip(source)).collect();
    bench.host.join(ip(group), &sources, bench.now).unwrap();
    bench.drain();
    bench.take()
}

fn leave(bench: &mut Bench, group: &str) -> Vec<Vec<u8>> {
    bench.host.leave(ip(group), bench.now);
    bench.drain();
    bench.take()
}

/// An IGMP query, its checksum right.
pub(super) fn igmp_query(octets: &[u8], destination: Ipv4Addr, ttl: u8) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[2..4].fill(0);
    let sum = crate::checksum::of(&octets);
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    let source = Ipv4Addr::new(192, 0, 2, 254);
    let (protocol, alert) = (PROTOCOL_IGMP, RouterAlert::Present);
    let carrier = Carrier { source, destination, protocol, ttl, dscp: 48, alert };
    Link { mac: QUERIER, vlan: None }.ipv4(MacAddr::multicast_v4(destination), &carrier, &octets)
}

/// An MLD query, its checksum right.
pub(super) fn mld_query(octets: &[u8], source: &str, ttl: u8, alert: RouterAlert) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let (source, destination): (Ipv6Addr, Ipv6Addr) = (source.parse().unwrap(), crate::mld::ALL_NODES);
    crate::nd::complete_checksum(&mut octets, source, destination);
    let carrier = Carrier { source, destination, protocol: PROTOCOL_ICMPV6, ttl, dscp: 0, alert };
    Link { mac: QUERIER, vlan: None }.ipv6(MacAddr::multicast_v6(destination), &carrier, &octets)
}

/// A general query of version 3 that allows a second.
pub(super) fn general_v4() -> Vec<u8> {
    igmp_query(&[0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0], crate::igmp::ALL_SYSTEMS, 1)
}

fn general_v6() -> Vec<u8> {
    let mut octets = vec![130, 0, 0, 0, 0x03, 0xe8, 0, 0];
    octets.extend([0; 16]);
    octets.extend([2, 125, 0, 0]);
    mld_query(&octets, "fe80::1", 1, RouterAlert::Present)
}

/// As Linux sent it, but for the identification: ours is 0.
fn linux(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut frame = frame.to_vec();
    if frame[12..14] == ETHERTYPE_IPV4.to_be_bytes() {
        frame[18..20].fill(0);
        frame[24..26].fill(0);
        let sum = crate::checksum::of(&frame[14..38]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    vec![frame]
}

#[test]
fn igmp_reports_are_those_of_linux() {
    let mut bench = host_a();
    assert_eq!(join(&mut bench, "239.1.2.3", &[]), linux(&IGMP_JOIN));
    bench.run(SECOND_NS);
    assert_eq!(bench.take(), linux(&IGMP_JOIN));
    assert_eq!(join(&mut bench, "232.1.2.3", &["192.0.2.2"]), linux(&IGMP_JOIN_SOURCE));
    bench.run(SECOND_NS);
    join(&mut bench, "232.1.2.3", &["192.0.2.2", "192.0.2.9"]);
    bench.run(SECOND_NS);
    bench.take();
    assert_eq!(join(&mut bench, "232.1.2.3", &["192.0.2.2"]), linux(&IGMP_BLOCK));
    bench.run(SECOND_NS);
    bench.take();
    assert_eq!(leave(&mut bench, "239.1.2.3"), linux(&IGMP_LEAVE));
}

#[test]
fn mld_reports_are_those_of_linux() {
    let mut bench = host_a();
    assert_eq!(join(&mut bench, "ff3e::8000:1", &[]), linux(&MLD_JOIN));
    bench.run(SECOND_NS);
    bench.take();
    assert_eq!(join(&mut bench, "ff3e::8000:2", &["2001:db8::2"]), linux(&MLD_JOIN_SOURCE));
    bench.run(SECOND_NS);
    bench.take();
    // Linux says both leaves in one report; so do we when they come in one turn.
    let now = bench.now;
    bench.host.groups_v6.leave(ip("ff3e::8000:2"), now);
    assert_eq!(leave(&mut bench, "ff3e::8000:1"), linux(&MLD_LEAVE));
}

#[test]
fn queries_are_answered_with_every_group() {
    let mut bench = host_a();
    join(&mut bench, "239.1.2.3", &[]);
    join(&mut bench, "232.1.2.3", &["192.0.2.2"]);
    bench.run(5 * SECOND_NS);
    bench.take();
    bench.receive(&general_v4());
    bench.run(SECOND_NS);
    let [report] = &bench.take()[..] else { panic!("one report") };
    // To 224.0.0.22, TTL 1, router alert, two records: the channel's sources, then the group from any.
    assert_eq!(&report[30..38], [224, 0, 0, 22, 0x94, 4, 0, 0]);
    assert_eq!((report[22], report[15]), (1, 0xc0));
    assert_eq!(&report[42..], [0, 0, 0, 2, 1, 0, 0, 1, 232, 1, 2, 3, 192, 0, 2, 2, 2, 0, 0, 0, 239, 1, 2, 3]);
    // IPv6: the solicited-node groups of the configured and of the link-local address.
    bench.receive(&general_v6());
    bench.run(SECOND_NS);
    let [report] = &bench.take()[..] else { panic!("one report") };
    assert_eq!(report[62..64], [143, 0]);
    assert_eq!(report[68..70], [0, 2]);
    assert_eq!(bench.host.counters().queries, 2);
}

#[test]
fn older_queriers_get_older_reports() {
    let mut bench = host_a();
    join(&mut bench, "239.1.2.3", &["192.0.2.2"]);
    bench.run(5 * SECOND_NS);
    bench.take();
    bench.receive(&igmp_query(&[0x11, 10, 0, 0, 0, 0, 0, 0], crate::igmp::ALL_SYSTEMS, 1));
    bench.run(SECOND_NS);
    let [report] = &bench.take()[..] else { panic!("one report") };
    assert_eq!((&report[30..34], report[38], &report[42..]), (&[239, 1, 2, 3][..], 0x16, &[239, 1, 2, 3][..]));
    let leave = leave(&mut bench, "239.1.2.3");
    assert_eq!((&leave[0][30..34], leave[0][38]), (&[224, 0, 0, 2][..], 0x17));
    let mut octets = vec![130, 0, 0, 0, 0x03, 0xe8, 0, 0];
    octets.extend([0; 16]);
    bench.receive(&mld_query(&octets, "fe80::1", 1, RouterAlert::Present));
    bench.run(SECOND_NS);
    assert!(bench.take().iter().all(|report| report[62] == 131));
}

#[test]
fn hosts_without_an_address_yet_report_from_none_and_again_when_they_have_one() {
    let mut bench = Bench::new(config(0x0a, &["192.0.2.1/24"]));
    let early = join(&mut bench, "239.1.2.3", &[]);
    assert_eq!(early[0][26..30], [0, 0, 0, 0]);
    bench.run(10 * SECOND_NS);
    let frames = bench.take();
    let reports: Vec<&Vec<u8>> = frames.iter().filter(|frame| frame[12..14] == [8, 0]).collect();
    assert_eq!(reports.last().unwrap()[26..30], [192, 0, 2, 1]);
}

#[test]
fn many_groups_make_several_reports_that_fit_the_frame() {
    let mut bench = host_a();
    for group in 0..GROUPS_MAX {
        let sources: Vec<IpAddr> = (1..=30).map(|host| Ipv4Addr::new(192, 0, 2, host).into()).collect();
        let group = Ipv4Addr::new(239, 0, 0, group as u8).into();
        bench.host.groups_v4.join(group, &sources, bench.now);
    }
    bench.run(SECOND_NS / 1_000);
    let reports = bench.take();
    let records: usize = reports.iter().map(|report| usize::from(report[45])).sum();
    assert_eq!(records, GROUPS_MAX);
    assert!(reports.iter().all(|report| report.len() <= 1_514));
    assert!(reports.len() <= GROUPS_MAX * (8 + 120) / 1_300, "{} reports", reports.len());
}

#[test]
fn what_cannot_be_joined_is_refused_in_words() {
    let mut bench = Bench::ready(config(0x0a, &["192.0.2.1/24"]));
    let now = bench.now;
    let mut refused = |group: &str, sources: &[IpAddr]| bench.host.join(ip(group), sources, now).unwrap_err();
    assert!(matches!(refused("192.0.2.9", &[]), JoinError::NotAGroup { .. }));
    assert!(matches!(refused("ff3e::1", &[]), JoinError::Family { .. }));
    for source in ["2001:db8::1", "239.0.0.1", "0.0.0.0"] {
        assert!(matches!(refused("239.1.2.3", &[ip(source)]), JoinError::Source { .. }), "{source}");
    }
    let many: Vec<IpAddr> = (0..65).map(|host| Ipv4Addr::new(192, 0, 2, host).into()).collect();
    assert!(matches!(refused("239.1.2.3", &many), JoinError::TooManySources { asked: 65, .. }));
    for group in 0..GROUPS_MAX {
        bench.host.join(Ipv4Addr::new(239, 0, 0, group as u8).into(), &[], now).unwrap();
    }
    let refused = bench.host.join(ip("239.1.2.3"), &[], now).unwrap_err();
    assert!(matches!(refused, JoinError::TooManyGroups { .. }), "{refused}");
}
