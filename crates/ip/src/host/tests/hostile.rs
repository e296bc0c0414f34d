//! Frames that lie, floods, and octets turned at random: counted by reason, answered at a bounded rate.

use proptest::prelude::*;

use super::groups::{general_v4, igmp_query, mld_query};
use super::*;
use crate::golden::{self, ARP_REQUEST, ICMP_ECHO_REQUEST, ND_SOLICITATION, UDP_V4, UDP_V6};
use crate::igmp::ALL_SYSTEMS;
use crate::wire::RouterAlert;

/// Every frame that Linux sent.
fn goldens() -> Vec<Vec<u8>> {
    vec![
        golden::MLD_REPORT_V2_UNSPECIFIED.to_vec(),
        golden::ND_DAD.to_vec(),
        ARP_REQUEST.to_vec(),
        golden::ARP_REPLY.to_vec(),
        ICMP_ECHO_REQUEST.to_vec(),
        golden::ICMP_ECHO_REPLY.to_vec(),
        ND_SOLICITATION.to_vec(),
        golden::ND_ADVERTISEMENT.to_vec(),
        golden::ICMPV6_ECHO_REQUEST.to_vec(),
        golden::ICMPV6_ECHO_REPLY.to_vec(),
        UDP_V4.to_vec(),
        golden::ICMP_UNREACHABLE.to_vec(),
        UDP_V6.to_vec(),
        golden::UDP_GROUP.to_vec(),
        golden::IGMP_JOIN_SOURCE.to_vec(),
        golden::ND_PROBE.to_vec(),
        golden::ND_ADVERTISEMENT_UNICAST.to_vec(),
        golden::MLD_JOIN_SOURCE.to_vec(),
        general_v4(),
    ]
}

/// Frames that were refused, whatever the reason.
fn refused(bench: &Bench) -> u64 {
    let counters = bench.host.counters();
    counters.bad.iter().chain(&counters.ignored).sum()
}

#[test]
fn every_truncation_of_every_frame_is_refused_and_answered_by_nothing() {
    for (index, frame) in goldens().into_iter().enumerate() {
        let mut bench = Bench::ready(host_b());
        bench.host.join(ip("239.1.2.3"), &[], bench.now).unwrap();
        bench.host.resolve(ip("192.0.2.1"), bench.now);
        bench.run(SECOND_NS / 2);
        let (sent, events) = (bench.take(), bench.take_events());
        assert_eq!((sent.is_empty(), events.len()), (false, 0));
        for octets in 0..frame.len() {
            bench.receive(&frame[..octets]);
            assert_eq!(refused(&bench), octets as u64 + 1, "frame {index} cut at {octets}");
        }
        assert_eq!((bench.take(), bench.take_events()), (vec![], vec![]), "frame {index}");
    }
}

#[test]
fn what_is_not_for_the_host_is_counted_by_reason() {
    let mut bench = Bench::ready(host_b());
    bench.receive(&UDP_V4);
    bench.receive(&UDP_V6);
    assert_eq!(bench.ignored(Ignored::Datagram), 2);
    let mut lldp = ARP_REQUEST;
    lldp[12..14].copy_from_slice(&[0x88, 0xcc]);
    bench.receive(&lldp);
    assert_eq!(bench.ignored(Ignored::Protocol), 1);
    let mut foreign = ARP_REQUEST;
    foreign[..6].copy_from_slice(&mac(0x0d).octets());
    bench.receive(&foreign);
    assert_eq!(bench.host.counters().bad(Reason::NotOurMac), 1);
    let mut group_sender = ARP_REQUEST;
    group_sender[22] = 1;
    bench.receive(&group_sender);
    assert_eq!(bench.ignored(Ignored::Arp), 1);
    assert_eq!(bench.take(), Vec::<Vec<u8>>::new());
}

#[test]
fn fragments_are_counted_wherever_they_hide() {
    let mut bench = Bench::ready(host_b());
    let mut v4 = ICMP_ECHO_REQUEST;
    v4[20] = 0x20;
    v4[24..26].fill(0);
    let sum = crate::checksum::of(&v4[14..34]);
    v4[24..26].copy_from_slice(&sum.to_be_bytes());
    bench.receive(&v4);
    assert_eq!(bench.host.counters().bad(Reason::Fragment), 1);
    let mut v6 = ND_SOLICITATION;
    v6[20] = 44;
    bench.receive(&v6);
    assert_eq!(bench.ignored(Ignored::Fragment), 1);
    // Behind a hop-by-hop header of padding.
    v6[20] = 0;
    v6[54..62].copy_from_slice(&[44, 0, 1, 4, 0, 0, 0, 0]);
    bench.receive(&v6);
    assert_eq!(bench.ignored(Ignored::Fragment), 2);
}

#[test]
fn a_flood_of_questions_is_answered_at_a_bounded_rate() {
    let mut bench = Bench::ready(host_b());
    for _ in 0..5_000 {
        bench.receive(&ARP_REQUEST);
        bench.receive(&ND_SOLICITATION);
    }
    assert_eq!(bench.take().len() as i64, ANSWERS_PER_SECOND);
    assert_eq!(bench.ignored(Ignored::QuestionRate), 10_000 - ANSWERS_PER_SECOND as u64);
}

#[test]
fn frames_that_nobody_takes_are_bounded_and_counted() {
    let mut bench = Bench::ready(host_b());
    for _ in 0..1_000 {
        bench.host.receive(&ARP_REQUEST, bench.now);
    }
    bench.drain();
    let waited = bench.take().len() as u64;
    assert!((1..1_000).contains(&waited));
    assert_eq!(bench.host.counters().frames_dropped, 1_000 - waited);
}

#[test]
fn events_that_nobody_takes_are_bounded_and_counted() {
    let mut bench = Bench::ready(host_b());
    bench.host.resolve(ip("192.0.2.1"), bench.now);
    bench.receive(&{
        let mut reply = golden::ARP_REPLY;
        reply[..6].copy_from_slice(&mac(0x0b).octets());
        reply[6..12].copy_from_slice(&mac(0x0c).octets());
        reply[22..28].copy_from_slice(&mac(0x0c).octets());
        reply[28..32].copy_from_slice(&[192, 0, 2, 1]);
        reply
    });
    for _ in 0..1_000 {
        bench.host.resolve(ip("192.0.2.1"), bench.now);
    }
    assert_eq!(bench.host.counters().events_dropped, 1_000 - EVENTS_MAX as u64);
}

#[test]
fn hostile_igmp_queries_are_counted_and_not_answered() {
    let mut bench = Bench::ready(config(0x0b, &["192.0.2.2/24"]));
    bench.host.join(ip("239.1.2.3"), &[], bench.now).unwrap();
    bench.run(2 * SECOND_NS);
    bench.take();
    let general = [0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0];
    for ttl in [0, 2, 64, 255] {
        bench.receive(&igmp_query(&general, ALL_SYSTEMS, ttl));
    }
    bench.receive(&igmp_query(&general, "224.0.0.9".parse().unwrap(), 1));
    assert_eq!(bench.ignored(Ignored::QueryOrigin), 5);
    for group in [[192, 0, 2, 1], [127, 0, 0, 1], [255, 255, 255, 255]] {
        let [a, b, c, d] = group;
        bench.receive(&igmp_query(&[0x11, 10, 0, 0, a, b, c, d, 2, 125, 0, 0], ALL_SYSTEMS, 1));
    }
    assert_eq!(bench.ignored(Ignored::QueryGroup), 3);
    // Sources that are not there, lengths that no version has, a wrong checksum.
    bench.receive(&igmp_query(&[0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0xff, 0xff], ALL_SYSTEMS, 1));
    bench.receive(&igmp_query(&[0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0, 1, 192, 0, 2], ALL_SYSTEMS, 1));
    bench.receive(&igmp_query(&[0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125], ALL_SYSTEMS, 1));
    let mut wrong = general_v4();
    wrong[39] ^= 1;
    bench.receive(&wrong);
    assert_eq!(bench.ignored(Ignored::Membership), 4);
    bench.run(60 * SECOND_NS);
    assert_eq!((bench.take(), bench.host.counters().queries), (vec![], 0));
}

#[test]
fn response_times_of_none_and_of_an_hour_are_answered_within_half_a_minute() {
    for code in [0, 1, 0x7f, 0x80, 0xff] {
        let mut bench = Bench::ready(config(0x0b, &["192.0.2.2/24"]));
        bench.host.join(ip("239.1.2.3"), &[], bench.now).unwrap();
        bench.run(2 * SECOND_NS);
        bench.take();
        for _ in 0..1_000 {
            bench.receive(&igmp_query(&[0x11, code, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0], ALL_SYSTEMS, 1));
        }
        bench.run(30 * SECOND_NS);
        assert_eq!(bench.take().len(), 1, "code {code:#x}");
    }
}

#[test]
fn hostile_mld_queries_are_counted_and_not_answered() {
    let mut bench = Bench::ready(config(0x0b, &["2001:db8::2/64"]));
    let mut general = vec![130, 0, 0, 0, 0, 10, 0, 0];
    general.extend([0; 16]);
    general.extend([2, 125, 0, 0]);
    bench.receive(&mld_query(&general, "2001:db8::1", 1, RouterAlert::Present));
    bench.receive(&mld_query(&general, "fe80::1", 64, RouterAlert::Present));
    bench.receive(&mld_query(&general, "fe80::1", 1, RouterAlert::Absent));
    assert_eq!(bench.ignored(Ignored::QueryOrigin), 3);
    general[8..24].copy_from_slice(&"2001:db8::2".parse::<std::net::Ipv6Addr>().unwrap().octets());
    bench.receive(&mld_query(&general, "fe80::1", 1, RouterAlert::Present));
    assert_eq!(bench.ignored(Ignored::QueryGroup), 1);
    general[26..28].fill(0xff);
    bench.receive(&mld_query(&general, "fe80::1", 1, RouterAlert::Present));
    bench.receive(&mld_query(&general[..20], "fe80::1", 1, RouterAlert::Present));
    assert_eq!(bench.ignored(Ignored::Membership), 2);
    bench.run(60 * SECOND_NS);
    assert_eq!((bench.take(), bench.host.counters().queries), (vec![], 0));
}

/// A frame of Linux's with some octets turned, or any octets.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let turned = (prop::sample::select(goldens()), prop::collection::vec((any::<usize>(), any::<u8>()), 0..4));
    let turned = turned.prop_map(|(mut frame, turns)| {
        for (at, octet) in turns {
            let at = at % frame.len();
            frame[at] = octet;
        }
        complete(&mut frame);
        frame
    });
    prop_oneof![4 => turned, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// Makes the header checksum of IPv4 and the one of ICMP or IGMP right again, so that more than checksums is tried.
fn complete(frame: &mut [u8]) {
    if frame.len() < 34 || frame[12..14] != ETHERTYPE_IPV4.to_be_bytes() {
        return;
    }
    let end = (14 + usize::from(frame[14] & 0x0f) * 4).clamp(34, frame.len());
    frame[24..26].fill(0);
    let sum = crate::checksum::of(&frame[14..end]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let upper = &mut frame[end..];
    if upper.len() >= 8 {
        upper[2..4].fill(0);
        let sum = crate::checksum::of(upper);
        upper[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

proptest! {
    #[test]
    fn no_frames_at_any_times_break_the_host_or_its_bounds(
        steps in prop::collection::vec((frame(), 0_i64..5 * SECOND_NS), 1..60),
        ready: bool,
    ) {
        let mut bench = if ready { Bench::ready(host_b()) } else { Bench::new(host_b()) };
        bench.host.join(ip("239.1.2.3"), &[ip("192.0.2.1")], bench.now).unwrap();
        bench.host.resolve(ip("192.0.2.1"), bench.now);
        bench.host.resolve(ip("2001:db8::1"), bench.now);
        bench.drain();
        let begin = bench.now;
        let steps_count = steps.len() as i64;
        for (frame, nanos) in steps {
            bench.receive(&frame);
            bench.run(nanos);
        }
        // A frame asks for one answer at the most; the rest is what the host says of itself.
        let seconds = bench.now.nanos_since(begin) / SECOND_NS + 1;
        prop_assert!((bench.frames.len() as i64) < steps_count * 3 + seconds * 6 + 30, "{}", bench.frames.len());
    }
}
