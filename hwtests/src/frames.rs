//! Frames made by hand from the RFCs alone: nothing of the crate `ip` is used, so that an error of that one cannot hide
//! here. Checksums are right; whoever wants a wrong one changes an octet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// EtherTypes (IEEE 802 numbers).
pub const IPV4: u16 = 0x0800;
/// ARP.
pub const ARP: u16 = 0x0806;
/// 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// IPv6.
pub const IPV6: u16 = 0x86dd;

/// IP protocols (IANA).
pub const ICMP: u8 = 1;
/// IGMP.
pub const IGMP: u8 = 2;
/// UDP.
pub const UDP: u8 = 17;
/// ICMPv6.
pub const ICMPV6: u8 = 58;

/// Octets of an Ethernet header without a tag.
pub const ETHERNET_OCTETS: usize = 14;
/// The Ethernet address of everybody.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// A hardware address.
pub type Mac = [u8; 6];

/// Ethernet II in front of a packet.
#[must_use]
pub fn ethernet(from: Mac, to: Mac, kind: u16, packet: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), packet].concat()
}

/// The frame with one more tag, outermost.
// IEEE 802.1Q §9.6
#[must_use]
pub fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &VLAN.to_be_bytes(), &vlan.to_be_bytes(), rest].concat()
}

/// A packet of either family with hop limit 64 around a payload.
///
/// # Panics
/// When the families differ.
#[must_use]
pub fn packet(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(from, to, (protocol, 64), &[], payload),
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(from, to, (protocol, 64), payload),
        _ => panic!("{from} and {to} are of two families"),
    }
}

/// The EtherType of a packet's family.
#[must_use]
pub fn kind_of(address: IpAddr) -> u16 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}

/// An IPv4 packet with options, whose octets are a multiple of four.
// RFC 791 §3.1
#[must_use]
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, (protocol, ttl): (u8, u8), options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_octets = 20 + options.len();
    let total = (header_octets + payload.len()) as u16;
    let mut packet = vec![0x40 | (header_octets / 4) as u8, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 7, 0, 0, ttl, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(options);
    set_ipv4_checksum(&mut packet);
    packet.extend(payload);
    packet
}

/// Makes the checksum of an IPv4 header right again, of which an octet was changed.
pub fn set_ipv4_checksum(packet: &mut [u8]) {
    let header_octets = usize::from(packet[0] & 0x0f) * 4;
    packet[10..12].fill(0);
    let sum = checksum(&packet[..header_octets.min(packet.len())]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// An IPv6 packet without extensions.
// RFC 8200 §3
#[must_use]
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, (next_header, hop_limit): (u8, u8), payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, hop_limit]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// A whole UDP packet, IP header included.
// RFC 768
#[must_use]
pub fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let sum = match transport_checksum(from.ip(), to.ip(), UDP, &datagram) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    packet(from.ip(), to.ip(), UDP, &datagram)
}

/// An echo request, IP header included.
// RFC 792, RFC 4443 §4.1
#[must_use]
pub fn echo_request(from: IpAddr, to: IpAddr, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let protocol = if from.is_ipv4() { ICMP } else { ICMPV6 };
    let kind = if from.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0, 0x46, 0x50];
    message.extend(sequence.to_be_bytes());
    message.extend(payload);
    packet(from, to, protocol, &icmp(from, to, &message))
}

/// An ICMP or ICMPv6 message with its checksum.
// RFC 792, RFC 4443 §2.3
#[must_use]
pub fn icmp(from: IpAddr, to: IpAddr, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    message[2..4].fill(0);
    let sum = if from.is_ipv4() { checksum(&message) } else { transport_checksum(from, to, ICMPV6, &message) };
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An ARP packet: 1 asks, 2 answers.
// RFC 826
#[must_use]
pub fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        packet.extend(mac);
        packet.extend(address.octets());
    }
    packet
}

/// A neighbour advertisement that overrides what was known, IP header included.
// RFC 4861 §4.4, §4.6.1
#[must_use]
pub fn advertisement(from: Ipv6Addr, to: Ipv6Addr, target: Ipv6Addr, mac: Mac) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(target.octets());
    message.extend([2, 1]);
    message.extend(mac);
    ipv6(from, to, (ICMPV6, 255), &icmp(from.into(), to.into(), &message))
}

/// A group membership query of IGMPv3, IP header with router alert included.
// RFC 3376 §4.1
#[must_use]
pub fn igmp_query(from: Ipv4Addr, to: Ipv4Addr, group: Ipv4Addr, code: u8, sources: &[Ipv4Addr]) -> Vec<u8> {
    let mut message = vec![0x11, code, 0, 0];
    message.extend(group.octets());
    message.extend([2, 125]);
    message.extend((sources.len() as u16).to_be_bytes());
    sources.iter().for_each(|source| message.extend(source.octets()));
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    // RFC 2113: router alert.
    ipv4(from, to, (IGMP, 1), &[0x94, 4, 0, 0], &message)
}

/// A group membership query of MLDv2, IP header with router alert included.
// RFC 3810 §5.1
#[must_use]
pub fn mld_query(from: Ipv6Addr, to: Ipv6Addr, group: Ipv6Addr, hop_limit: u8) -> Vec<u8> {
    let mut message = vec![130, 0, 0, 0, 0, 0, 0, 0];
    message.extend(group.octets());
    message.extend([2, 125, 0, 0]);
    let message = icmp(from.into(), to.into(), &message);
    // RFC 2711: router alert, in a hop-by-hop header with four octets of padding and PadN.
    let options = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];
    ipv6(from, to, (0, hop_limit), &[&options[..], &message].concat())
}

/// The Ethernet address of a group.
// RFC 1112 §6.4, RFC 2464 §7
#[must_use]
pub fn group_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            [1, 0, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(group) => {
            let octets = group.octets();
            [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
        }
    }
}

/// The checksum of the Internet.
// RFC 1071
#[must_use]
pub fn checksum(octets: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u64::from);
    let mut sum: u64 = octets.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// The checksum over a pseudo-header and what follows it.
// RFC 768, RFC 8200 §8.1
fn transport_checksum(from: IpAddr, to: IpAddr, protocol: u8, octets: &[u8]) -> u16 {
    let mut pseudo = Vec::new();
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => pseudo.extend(address.octets()),
            IpAddr::V6(address) => pseudo.extend(address.octets()),
        }
    }
    pseudo.extend((octets.len() as u32).to_be_bytes());
    pseudo.extend([0, 0, 0, protocol]);
    pseudo.extend(octets);
    checksum(&pseudo)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine octets from 192.0.2.1:5000 to 192.0.2.2:5004, as Linux 6 sent them (identification and DSCP changed).
    const UDP_V4: [u8; 37] = [
        0x45, 0x00, 0x00, 0x25, 0x00, 0x07, 0x00, 0x00, 0x40, 0x11, 0xf6, 0xbd, 0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00,
        0x02, 0x02, 0x13, 0x88, 0x13, 0x8c, 0x00, 0x11, 0x87, 0x52, 0x66, 0x6c, 0x79, 0x70, 0x61, 0x63, 0x6b, 0x21,
        0x21,
    ];

    #[test]
    fn a_datagram_is_as_linux_sends_it() {
        let [from, to] = ["192.0.2.1:5000", "192.0.2.2:5004"].map(|socket| socket.parse().unwrap());
        assert_eq!(udp(from, to, b"flypack!!"), UDP_V4);
        let [from, to] = ["[2001:db8::1]:5000", "[2001:db8::2]:5004"].map(|socket| socket.parse().unwrap());
        // The checksum that Linux put there.
        assert_eq!(udp(from, to, b"flypack!!")[46..48], [0xaf, 0xe1]);
    }

    #[test]
    fn echoes_are_as_linux_sends_them() {
        let [from, to] = ["2001:db8::1", "2001:db8::2"].map(|address| address.parse::<IpAddr>().unwrap());
        let message = [128, 0, 0, 0, 0, 0x4d, 0, 1];
        assert_eq!(icmp(from, to, &[&message[..], b"echo-payload"].concat())[2..4], [0xf9, 0x5d]);
        let [from, to] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().unwrap());
        let message = [8, 0, 0, 0, 0, 0x4d, 0, 1];
        assert_eq!(icmp(from, to, &[&message[..], b"echo-payload"].concat())[2..4], [0xcd, 0x21]);
    }
}
