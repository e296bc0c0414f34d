//! Does a frame claim one of our addresses? For a port whose host is the kernel (an exception path): the kernel answers
//! and defends as it likes; this only tells the operator. Nothing is sent, nothing remembered.

use std::net::IpAddr;

use crate::arp::Arp;
use crate::frame::{self, Check, Checks, ETHERTYPE_ARP, ETHERTYPE_IPV6, PROTOCOL_ICMPV6, Rules, ipv6};
use crate::nd::{self, Kind, Message};
use crate::{MacAddr, Network};

/// Another station's claim to one of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// Who claims it.
    pub mac: MacAddr,
}

/// The claim in `frame` to an address of `network` by another station than `mac` (RFC 5227 §2.4, RFC 4862 §5.4.4).
/// Questions and probes for our addresses are no claims.
#[must_use]
pub fn conflict(frame: &[u8], mac: MacAddr, vlan: Option<u16>, network: &Network) -> Option<Conflict> {
    let checks = Checks { ipv4_header: Check::Trusted, udp: Check::Trusted };
    let rules = Rules { mac, vlan, checks };
    let (ether_type, packet) = frame::ethernet(frame, frame.len(), &rules).ok()?;
    let claim = match ether_type {
        ETHERTYPE_ARP => claim_v4(packet.head)?,
        ETHERTYPE_IPV6 => claim_v6(&ipv6::header(packet).ok()?, sender(frame)?)?,
        _ => return None,
    };
    (claim.mac != mac && network.is_ours(claim.address)).then_some(claim)
}

fn claim_v4(octets: &[u8]) -> Option<Conflict> {
    let arp = Arp::parse(octets)?;
    Some(Conflict { address: arp.sender.into(), mac: arp.sender_mac })
}

fn claim_v6(packet: &ipv6::Header<'_>, from: MacAddr) -> Option<Conflict> {
    if packet.next_header != PROTOCOL_ICMPV6 || packet.hop_limit != nd::HOP_LIMIT {
        return None;
    }
    let message = Message::parse(packet.source, packet.destination, packet.payload.head)?;
    let address = match message.kind {
        Kind::Solicitation => packet.source,
        Kind::Advertisement { .. } => message.target,
    };
    Some(Conflict { address: address.into(), mac: message.link.unwrap_or(from) })
}

fn sender(frame: &[u8]) -> Option<MacAddr> {
    let octets: [u8; 6] = frame.get(6..12)?.try_into().ok()?;
    Some(MacAddr::new(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{ARP_REPLY, ARP_REQUEST, ND_ADVERTISEMENT, ND_DAD, ND_SOLICITATION, UDP_V4};

    /// What a station with these addresses sees in the frame.
    fn seen(frame: &[u8], addresses: &[&str]) -> Option<Conflict> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let network = Network::new(addresses, None, None).unwrap();
        let mut frame = frame.to_vec();
        frame[..6].copy_from_slice(&MacAddr::BROADCAST.octets());
        conflict(&frame, MacAddr::new([2, 0, 0, 0, 0, 0x0c]), None, &network)
    }

    #[test]
    fn who_speaks_from_our_address_is_seen() {
        let by = |last, address: &str| {
            Some(Conflict { address: address.parse().unwrap(), mac: MacAddr::new([2, 0, 0, 0, 0, last]) })
        };
        assert_eq!(seen(&ARP_REPLY, &["192.0.2.2/24"]), by(0x0b, "192.0.2.2"));
        assert_eq!(seen(&ARP_REQUEST, &["192.0.2.1/24"]), by(0x0a, "192.0.2.1"));
        assert_eq!(seen(&ND_ADVERTISEMENT, &["2001:db8::2/64"]), by(0x0b, "2001:db8::2"));
        assert_eq!(seen(&ND_SOLICITATION, &["2001:db8::1/64"]), by(0x0a, "2001:db8::1"));
    }

    #[test]
    fn questions_for_our_address_are_no_claims() {
        assert_eq!(seen(&ARP_REQUEST, &["192.0.2.2/24"]), None);
        assert_eq!(seen(&ND_SOLICITATION, &["2001:db8::2/64"]), None);
        assert_eq!(seen(&ND_DAD, &["fe80::ff:fe00:a/64"]), None);
        assert_eq!(seen(&UDP_V4, &["192.0.2.1/24"]), None);
    }

    #[test]
    fn our_own_frames_and_other_vlans_are_no_claims() {
        let network = Network::new(vec!["192.0.2.2/24".parse().unwrap()], None, None).unwrap();
        let ours = MacAddr::new([2, 0, 0, 0, 0, 0x0b]);
        let mut looped = ARP_REPLY;
        looped[..6].copy_from_slice(&MacAddr::BROADCAST.octets());
        assert_eq!(conflict(&looped, ours, None, &network), None);
        let other = MacAddr::new([2, 0, 0, 0, 0, 0x0c]);
        assert!(conflict(&looped, other, None, &network).is_some());
        assert_eq!(conflict(&looped, other, Some(7), &network), None);
        for octets in 0..looped.len() {
            assert_eq!(conflict(&looped[..octets], other, None, &network), None, "{octets}");
        }
    }
}
