//! Frames whole, cut at every octet, split, with every field wrong in turn.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::checksum::{self, Sum};
use crate::golden::{self, UDP_GROUP, UDP_V4, UDP_V6};

const HOST_B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x0b]);
const RULES: Rules = Rules { mac: HOST_B, vlan: None, checks: Checks::VERIFY };

fn verdict_of(frame: &[u8]) -> Verdict {
    parse(frame, frame.len(), &RULES)
}

fn datagram(frame: &[u8]) -> Datagram {
    match verdict_of(frame) {
        Verdict::Udp(datagram) => datagram,
        other => panic!("{other:?}"),
    }
}

/// The frame with some octets replaced; the checksum of an IPv4 header is made right again.
fn with(frame: &[u8], at: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + octets.len()].copy_from_slice(octets);
    if frame[12..14] == ETHERTYPE_IPV4.to_be_bytes() {
        frame[24..26].fill(0);
        let sum = checksum::of(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

fn tagged_with(frame: &[u8], ether_type: u16, tci: u16) -> Vec<u8> {
    let tag = [ether_type.to_be_bytes(), tci.to_be_bytes()].concat();
    [&frame[..12], &tag, &frame[12..]].concat()
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn datagrams_that_linux_sent_are_read() {
    let v4 = datagram(&UDP_V4);
    assert_eq!((v4.source, v4.destination), (socket("192.0.2.1:5000"), socket("192.0.2.2:5004")));
    assert_eq!((v4.ttl, v4.dscp, v4.checksum), (64, 34, UdpChecksum::Holds));
    assert_eq!(&UDP_V4[v4.payload()], b"flypack!!");

    let v6 = datagram(&UDP_V6);
    assert_eq!((v6.source, v6.destination), (socket("[2001:db8::1]:5000"), socket("[2001:db8::2]:5004")));
    assert_eq!((v6.ttl, v6.dscp, v6.checksum), (64, 34, UdpChecksum::Holds));
    assert_eq!(&UDP_V6[v6.payload()], b"flypack!!");

    let group = datagram(&UDP_GROUP);
    assert_eq!(group.destination, socket("239.129.2.3:5004"));
    assert_eq!((group.ttl, group.payload_octets()), (16, 5));
}

#[test]
fn what_is_no_datagram_goes_to_the_host() {
    let other = |frame: &[u8], mac: u8| {
        let rules = Rules { mac: MacAddr::new([2, 0, 0, 0, 0, mac]), ..RULES };
        parse(frame, frame.len(), &rules)
    };
    assert_eq!(other(&golden::ARP_REQUEST, 0x0b), Verdict::Other(Kind::Arp));
    assert_eq!(other(&golden::ARP_REPLY, 0x0a), Verdict::Other(Kind::Arp));
    let icmp = Verdict::Other(Kind::Ipv4 { protocol: PROTOCOL_ICMP });
    assert_eq!(other(&golden::ICMP_ECHO_REQUEST, 0x0b), icmp);
    assert_eq!(other(&golden::ICMP_UNREACHABLE, 0x0a), icmp);
    assert_eq!(other(&golden::IGMP_JOIN_SOURCE, 0x0b), Verdict::Other(Kind::Ipv4 { protocol: PROTOCOL_IGMP }));
    assert_eq!(other(&golden::ND_SOLICITATION, 0x0b), Verdict::Other(Kind::Ipv6 { next_header: PROTOCOL_ICMPV6 }));
    assert_eq!(other(&golden::MLD_JOIN_SOURCE, 0x0b), Verdict::Other(Kind::Ipv6 { next_header: 0 }));
    let lldp = with(&golden::ARP_REQUEST, 12, &[0x88, 0xcc]);
    assert_eq!(other(&lldp, 0x0b), Verdict::Other(Kind::Ethernet { ether_type: 0x88cc }));
}

#[test]
fn every_truncation_is_bad_and_none_panics() {
    for frame in [&UDP_V4[..], &UDP_V6, &UDP_GROUP, &tagged_with(&UDP_V4, ETHERTYPE_VLAN, 7)] {
        let vlan = (frame[12..14] == [0x81, 0]).then_some(7);
        let rules = Rules { vlan, ..RULES };
        for octets in 0..frame.len() {
            let verdict = parse(&frame[..octets], octets, &rules);
            assert!(matches!(verdict, Verdict::Bad(_)), "{octets}: {verdict:?}");
        }
        assert!(matches!(parse(frame, frame.len(), &rules), Verdict::Udp(_)));
    }
    assert_eq!(verdict_of(&UDP_V4[..13]), Verdict::Bad(Reason::EthernetTooShort));
    assert_eq!(verdict_of(&UDP_V4[..33]), Verdict::Bad(Reason::IpTooShort));
    assert_eq!(verdict_of(&UDP_V6[..53]), Verdict::Bad(Reason::IpTooShort));
    assert_eq!(verdict_of(&UDP_V4[..50]), Verdict::Bad(Reason::IpLength));
}

#[test]
fn a_frame_in_segments_is_read_when_its_headers_lie_in_the_first() {
    for (frame, headers) in [(&UDP_V4[..], 42), (&UDP_V6, 62)] {
        let whole = datagram(frame);
        let mut pending = whole;
        pending.checksum = UdpChecksum::Pending;
        for cut in 0..frame.len() {
            let verdict = parse(&frame[..cut], frame.len(), &RULES);
            if cut < headers {
                assert_eq!(verdict, Verdict::Bad(Reason::Split), "{cut}");
                continue;
            }
            assert_eq!(verdict, Verdict::Udp(pending));
            let payload = [&frame[headers..cut], &frame[cut..]];
            assert!(udp_checksum_holds(&whole, payload), "{cut}");
            let wrong = [&frame[headers..cut], &[0x55], &frame[cut..]];
            assert!(!udp_checksum_holds(&whole, wrong), "{cut}");
        }
    }
}

#[test]
fn padding_behind_the_packet_is_left_out() {
    let padded = [&UDP_GROUP[..], &[0xee; 13]].concat();
    assert_eq!(datagram(&padded), datagram(&UDP_GROUP));
    // The UDP length may end before the IP packet does.
    let shorter = with(&UDP_V4, 38, &[0, 8 + 4, 0, 0]);
    assert_eq!(&shorter[datagram(&shorter).payload()], b"flyp");
    let empty = with(&UDP_V4, 38, &[0, 8, 0, 0]);
    assert!(datagram(&empty).payload().is_empty());
}

#[test]
fn options_of_ipv4_are_stepped_over() {
    let mut frame = [&UDP_V4[..34], &[0x94, 4, 0, 0], &UDP_V4[34..]].concat();
    frame[14] = 0x46;
    frame[17] += 4;
    frame[24..26].fill(0);
    let sum = checksum::of(&frame[14..38]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(&frame[datagram(&frame).payload()], b"flypack!!");
    // The options must lie in the first segment too.
    assert_eq!(parse(&frame[..36], frame.len(), &RULES), Verdict::Bad(Reason::Split));
}

#[test]
fn headers_that_lie_are_bad_for_their_own_reason() {
    let cases: &[(&[u8], usize, &[u8], Reason)] = &[
        (&UDP_V4, 0, &[2, 0, 0, 0, 0, 0x0c], Reason::NotOurMac),
        (&UDP_V4, 14, &[0x55], Reason::IpVersion),
        (&UDP_V6, 14, &[0x45], Reason::IpVersion),
        (&UDP_V4, 14, &[0x44], Reason::IpHeaderLength),
        (&UDP_V4, 14, &[0x4f], Reason::IpHeaderLength),
        (&UDP_V4, 16, &[0, 19], Reason::IpLength),
        (&UDP_V4, 16, &[0, 38], Reason::IpLength),
        (&UDP_V4, 16, &[0xff, 0xff], Reason::IpLength),
        (&UDP_V6, 18, &[0, 18], Reason::IpLength),
        (&UDP_V6, 18, &[0xff, 0xff], Reason::IpLength),
        (&UDP_V6, 18, &[0, 0], Reason::UdpTooShort),
        (&UDP_V4, 16, &[0, 27], Reason::UdpTooShort),
        (&UDP_V4, 20, &[0x20, 0], Reason::Fragment),
        (&UDP_V4, 20, &[0x00, 1], Reason::Fragment),
        (&UDP_V6, 20, &[44], Reason::Fragment),
        (&UDP_V4, 26, &[239, 0, 0, 1], Reason::SourceAddress),
        (&UDP_V4, 26, &[255, 255, 255, 255], Reason::SourceAddress),
        (&UDP_V6, 22, &[0xff, 2], Reason::SourceAddress),
        (&UDP_V4, 38, &[0, 7], Reason::UdpLength),
        (&UDP_V4, 38, &[0, 18], Reason::UdpLength),
        (&UDP_V6, 58, &[0xff, 0xff], Reason::UdpLength),
        (&UDP_V4, 50, b"?", Reason::UdpChecksum),
        (&UDP_V6, 70, b"?", Reason::UdpChecksum),
        (&UDP_V6, 60, &[0, 0], Reason::UdpChecksumAbsent),
    ];
    for &(frame, at, octets, reason) in cases {
        assert_eq!(verdict_of(&with(frame, at, octets)), Verdict::Bad(reason), "{octets:x?} at {at}");
    }
    let mut turned = UDP_V4;
    turned[22] ^= 1;
    assert_eq!(verdict_of(&turned), Verdict::Bad(Reason::IpChecksum));
}

#[test]
fn only_frames_of_the_ports_vlan_pass() {
    let verdict = |frame: &[u8], vlan| parse(frame, frame.len(), &Rules { vlan, ..RULES });
    let foreign = Verdict::Bad(Reason::ForeignVlan);
    let tagged = tagged_with(&UDP_V4, ETHERTYPE_VLAN, 0xe000 | 7);
    let Verdict::Udp(read) = verdict(&tagged, Some(7)) else { panic!("not read") };
    assert_eq!(&tagged[read.payload()], b"flypack!!");
    assert_eq!(verdict(&tagged, Some(8)), foreign);
    assert_eq!(verdict(&tagged, None), foreign);
    assert_eq!(verdict(&UDP_V4, Some(7)), foreign);
    // A tag for priority only is no VLAN.
    let priority = tagged_with(&UDP_V4, ETHERTYPE_VLAN, 0xe000);
    assert!(matches!(verdict(&priority, None), Verdict::Udp(_)));
    assert_eq!(verdict(&priority, Some(7)), foreign);
    let twice = tagged_with(&tagged, ETHERTYPE_VLAN, 7);
    assert_eq!(verdict(&twice, Some(7)), foreign);
    assert_eq!(verdict(&tagged_with(&UDP_V4, ETHERTYPE_QINQ, 7), Some(7)), foreign);
}

#[test]
fn checksums_are_weighed_as_the_rules_say() {
    let verdict = |frame: &[u8], check| {
        let checks = Checks { ipv4_header: check, udp: check };
        parse(frame, frame.len(), &Rules { checks, ..RULES })
    };
    let checksum = |frame: &[u8], check| match verdict(frame, check) {
        Verdict::Udp(datagram) => datagram.checksum,
        other => panic!("{other:?}"),
    };
    let wrong = with(&UDP_V4, 50, b"?");
    assert_eq!(verdict(&wrong, Check::Verify), Verdict::Bad(Reason::UdpChecksum));
    assert_eq!(checksum(&wrong, Check::Advisory), UdpChecksum::Fails);
    assert_eq!(checksum(&wrong, Check::Trusted), UdpChecksum::Trusted);
    let none = with(&UDP_V4, 40, &[0, 0]);
    for check in [Check::Verify, Check::Advisory, Check::Trusted] {
        assert_eq!(checksum(&none, check), UdpChecksum::Absent);
        assert!(matches!(verdict(&UDP_V4, check), Verdict::Udp(_)));
    }
    let none = with(&UDP_V6, 60, &[0, 0]);
    for check in [Check::Verify, Check::Advisory, Check::Trusted] {
        assert_eq!(verdict(&none, check), Verdict::Bad(Reason::UdpChecksumAbsent), "RFC 8200 §8.1");
    }
    let mut header = UDP_V4;
    header[22] ^= 1;
    assert_eq!(verdict(&header, Check::Verify), Verdict::Bad(Reason::IpChecksum));
    assert_eq!(checksum(&header, Check::Trusted), UdpChecksum::Trusted);
}

#[test]
fn a_packet_longer_than_its_buffer_says_is_cut_there() {
    let verdict = parse(&UDP_V4, UDP_V4.len() - 1, &RULES);
    assert_eq!(verdict, Verdict::Bad(Reason::IpLength));
    // 64 KiB super-packets of a veth peer with segmentation on have nothing to read in the first segment.
    assert_eq!(parse(&[], 65_550, &RULES), Verdict::Bad(Reason::Split));
}

proptest! {
    #[test]
    fn any_octets_and_any_cut_give_a_verdict_within_the_frame(
        mut frame in prop::sample::select(vec![UDP_V4.to_vec(), UDP_V6.to_vec(), tagged_with(&UDP_GROUP, ETHERTYPE_VLAN, 7)]),
        changes in prop::collection::vec((0_usize..90, any::<u8>()), 0..6),
        cut in 0_usize..100,
        more in 0_usize..70_000,
        vlan in prop::option::of(Just(7_u16)),
        check in prop::sample::select(vec![Check::Verify, Check::Advisory, Check::Trusted]),
    ) {
        for (at, octet) in changes {
            let at = at % frame.len();
            frame[at] = octet;
        }
        let head = &frame[..cut.min(frame.len())];
        let rules = Rules { vlan, checks: Checks { ipv4_header: check, udp: check }, ..RULES };
        for octets in [head.len(), head.len() + more, head.len() / 2] {
            if let Verdict::Udp(datagram) = parse(head, octets, &rules) {
                prop_assert!(datagram.payload().end <= octets);
                prop_assert!(datagram.payload().start >= ETHERNET_OCTETS + 20 + UDP_OCTETS);
                let whole = head.len() >= datagram.payload().end;
                prop_assert!(whole || datagram.checksum != UdpChecksum::Holds);
            }
        }
    }
}

#[test]
fn a_checksum_that_comes_out_as_zero_holds_as_all_ones() {
    let mut frame = with(&UDP_V4, 40, &[0, 0]);
    let payload = frame.len() - 9;
    // Chosen so that everything sums up to all ones without the checksum.
    frame[payload..payload + 2].fill(0);
    let sum = Sum::new().octets(&frame[26..]).word(17).word(17).folded();
    frame[payload..payload + 2].copy_from_slice(&(!sum).to_be_bytes());
    frame[40..42].fill(0xff);
    assert_eq!(datagram(&frame).checksum, UdpChecksum::Holds);
}
