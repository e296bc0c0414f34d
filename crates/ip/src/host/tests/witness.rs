//! etherparse reads every frame that the host sends: an implementation that nobody here wrote.

use etherparse::{
    Icmpv4Slice, Icmpv6Slice, IgmpSlice, Ipv4Header, LaxSlicedPacket, LinkExtSlice, NetSlice, SlicedPacket,
};

/// Lengths and checksums of a frame of ours, by other hands.
pub(super) fn check(frame: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap_or_else(|error| panic!("{error}: {frame:02x?}"));
    assert!(LaxSlicedPacket::from_ethernet(frame).unwrap().stop_err.is_none());
    assert!(packet.link_exts.iter().all(|tag| matches!(tag, LinkExtSlice::Vlan(_))));
    match packet.net.expect("every frame of ours holds ARP or IP") {
        NetSlice::Arp(arp) => assert!(arp.to_packet().try_eth_ipv4().is_ok()),
        NetSlice::Ipv4(ip) => {
            let header: Ipv4Header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let octets = ip.payload().payload;
            match header.protocol.0 {
                1 => {
                    let icmp = Icmpv4Slice::from_slice(octets).unwrap();
                    assert_eq!(icmp.icmp_type().calc_checksum(icmp.payload()), icmp.checksum());
                }
                2 => assert!(IgmpSlice::from_slice(octets).unwrap().is_checksum_valid()),
                other => panic!("protocol {other}"),
            }
        }
        NetSlice::Ipv6(ip) => {
            let (source, destination) = (ip.header().source(), ip.header().destination());
            let icmp = Icmpv6Slice::from_slice(ip.payload().payload).unwrap();
            assert!(icmp.is_checksum_valid(source, destination));
        }
    }
}
