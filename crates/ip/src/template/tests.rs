//! What a template writes, beside what Linux sent and what the parser reads.

use proptest::prelude::*;

use super::*;
use crate::frame::{Checks, Rules, UdpChecksum, Verdict, parse};
use crate::golden::{UDP_GROUP, UDP_V4, UDP_V6};

const HOST_A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x0a]);
const HOST_B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x0b]);

fn config(source: &str, destination: &str) -> TemplateConfig {
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    TemplateConfig { source_mac: HOST_A, vlan: None, source, destination, dscp: 34, ttl: 64 }
}

/// Headers and payload, the UDP checksum completed for IPv6.
fn frame(template: &Template, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xaa; template.octets()];
    let octets = payload.len() as u16;
    template.write(&mut frame, template.group_mac().unwrap_or(HOST_B), octets);
    if !template.is_ipv4() {
        template.complete_udp_checksum(&mut frame, octets, Sum::new().octets(payload));
    }
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn ipv6_headers_are_those_of_linux_but_for_the_flow_label() {
    let template = Template::new(&config("[2001:db8::1]:5000", "[2001:db8::2]:5004")).unwrap();
    let mut linux = UDP_V6;
    linux[15] &= 0xf0;
    linux[16..18].fill(0);
    assert_eq!(frame(&template, b"flypack!!"), linux);
}

#[test]
fn ipv4_headers_are_those_of_linux_but_for_identification_and_checksum() {
    // Linux chose the port of the socket that was not bound.
    let port = u16::from_be_bytes([UDP_GROUP[34], UDP_GROUP[35]]);
    let group = config(&format!("192.0.2.1:{port}"), "239.129.2.3:5004");
    let group = TemplateConfig { dscp: 0, ttl: 16, ..group };
    for (config, linux) in [(config("192.0.2.1:5000", "192.0.2.2:5004"), &UDP_V4[..]), (group, &UDP_GROUP)] {
        let template = Template::new(&config).unwrap();
        let mut ours = frame(&template, &linux[42..]);
        // Linux numbers its datagrams, and gives a UDP checksum.
        ours[18..20].copy_from_slice(&linux[18..20]);
        ours[24..26].fill(0);
        let mut linux = linux.to_vec();
        linux[24..26].fill(0);
        linux[40..42].fill(0);
        assert_eq!(ours, linux);
    }
}

#[test]
fn a_tag_goes_behind_the_ethernet_addresses() {
    let untagged = Template::new(&config("192.0.2.1:5000", "192.0.2.2:5004")).unwrap();
    let tagged =
        Template::new(&TemplateConfig { vlan: Some(300), ..config("192.0.2.1:5000", "192.0.2.2:5004") }).unwrap();
    let (plain, tagged) = (frame(&untagged, b"x"), frame(&tagged, b"x"));
    assert_eq!(tagged, [&plain[..12], &[0x81, 0x00, 0x01, 0x2c], &plain[12..]].concat());
}

#[test]
fn the_longest_datagrams_of_both_families_have_right_lengths() {
    for (source, destination, octets_max) in
        [("192.0.2.1:1", "192.0.2.2:2", 65_507), ("[2001:db8::1]:1", "[2001:db8::2]:2", 65_527)]
    {
        let template = Template::new(&config(source, destination)).unwrap();
        assert_eq!(template.udp_payload_octets_max(), octets_max);
        let frame = frame(&template, &vec![7; usize::from(octets_max)]);
        let rules = Rules { mac: HOST_B, vlan: None, checks: Checks::VERIFY };
        let Verdict::Udp(datagram) = parse(&frame, frame.len(), &rules) else { panic!("not read") };
        assert_eq!(datagram.payload_octets(), octets_max);
    }
}

#[test]
fn what_no_packet_can_carry_is_refused() {
    let good = config("192.0.2.1:5000", "192.0.2.2:5004");
    let refused = |config: TemplateConfig| Template::new(&config).unwrap_err();
    let six = "[2001:db8::1]:1".parse().unwrap();
    assert!(matches!(refused(TemplateConfig { source: six, ..good.clone() }), TemplateError::Family { .. }));
    for source in ["239.0.0.1:1", "0.0.0.0:1"] {
        let source = source.parse().unwrap();
        assert!(matches!(refused(TemplateConfig { source, ..good.clone() }), TemplateError::Source { .. }));
    }
    for destination in ["192.0.2.2:0", "0.0.0.0:5004"] {
        let destination = destination.parse().unwrap();
        assert!(matches!(refused(TemplateConfig { destination, ..good.clone() }), TemplateError::Destination { .. }));
    }
    assert_eq!(refused(TemplateConfig { dscp: 64, ..good.clone() }), TemplateError::Dscp { asked: 64 });
    for asked in [0, 4095] {
        assert_eq!(refused(TemplateConfig { vlan: Some(asked), ..good.clone() }), TemplateError::Vlan { asked });
    }
    let mac = MacAddr::BROADCAST;
    assert_eq!(refused(TemplateConfig { source_mac: mac, ..good }), TemplateError::SourceMac { mac });
}

fn address() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = (any::<u32>(), any::<u32>(), any::<(u16, u16)>());
    let v6 = (any::<u128>(), any::<u128>(), any::<(u16, u16)>());
    prop_oneof![
        v4.prop_map(|(a, b, ports)| (
            SocketAddr::new(IpAddr::V4(a.into()), ports.0),
            SocketAddr::new(IpAddr::V4(b.into()), ports.1)
        )),
        v6.prop_map(|(a, b, ports)| (
            SocketAddr::new(IpAddr::V6(a.into()), ports.0),
            SocketAddr::new(IpAddr::V6(b.into()), ports.1)
        )),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_with_right_checksums(
        (source, destination) in address(),
        vlan in prop::option::of(1_u16..=4094),
        dscp in 0_u8..=63,
        ttl: u8,
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let config = TemplateConfig { source_mac: HOST_A, vlan, source, destination, dscp, ttl };
        let broadcast = matches!(source.ip(), IpAddr::V4(address) if address.is_broadcast());
        let Ok(template) = Template::new(&config) else { return Ok(()) };
        prop_assume!(!broadcast);
        let frame = frame(&template, &payload);
        let rules = Rules { mac: HOST_B, vlan, checks: Checks::VERIFY };
        let Verdict::Udp(datagram) = parse(&frame, frame.len(), &rules) else { panic!("not read") };
        prop_assert_eq!((datagram.source, datagram.destination), (source, destination));
        prop_assert_eq!((datagram.dscp, datagram.ttl), (dscp, ttl));
        prop_assert_eq!(&frame[datagram.payload()], &payload[..]);
        let checksum = if template.is_ipv4() { UdpChecksum::Absent } else { UdpChecksum::Holds };
        prop_assert_eq!(datagram.checksum, checksum);
    }

    #[test]
    fn a_device_that_completes_the_pseudo_checksum_gets_it_right(
        (source, destination) in address(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let config = TemplateConfig { source_mac: HOST_A, vlan: None, source, destination, dscp: 0, ttl: 1 };
        let Ok(template) = Template::new(&config) else { return Ok(()) };
        let octets = payload.len() as u16;
        let (mut device, mut ours) = (vec![0; template.octets()], vec![0; template.octets()]);
        template.write(&mut device, HOST_B, octets);
        template.write(&mut ours, HOST_B, octets);
        template.complete_udp_checksum(&mut ours, octets, Sum::new().octets(&payload));
        // What the device does: it sums UDP header and payload over what the field holds.
        let at = template.udp_checksum_offset();
        put(&mut device, at, template.pseudo_checksum(octets));
        let sum = Sum::new().octets(&device[at - 6..]).octets(&payload);
        put(&mut device, at, sum.udp_checksum());
        prop_assert_eq!(device, ours);
    }
}
