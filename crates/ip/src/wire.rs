//! Building frames off the hot path: Ethernet, IPv4 and IPv6 around a payload.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::checksum;
use crate::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN};
use crate::mac::MacAddr;

/// Routers look at packets that carry this option (RFC 2113): type, length, value 0.
const ROUTER_ALERT_V4: [u8; 4] = [0x94, 4, 0, 0];

/// The same for IPv6 (RFC 2711), as a hop-by-hop header: next header, length 0 (8 octets), router alert with value 0
/// (MLD), and a PadN option of 2 octets.
const ROUTER_ALERT_V6: [u8; 7] = [0, 5, 2, 0, 0, 1, 0];

/// What every frame of a port has in front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) mac: MacAddr,
    pub(crate) vlan: Option<u16>,
}

/// Whether a packet carries the router alert option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouterAlert {
    Absent,
    Present,
}

/// What an IP header says, but for its lengths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrier<A> {
    pub(crate) source: A,
    pub(crate) destination: A,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
    pub(crate) alert: RouterAlert,
}

impl Link {
    /// A frame with any payload.
    pub(crate) fn frame(&self, to: MacAddr, ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(18 + payload.len());
        octets.extend(to.octets());
        octets.extend(self.mac.octets());
        if let Some(vlan) = self.vlan {
            octets.extend(ETHERTYPE_VLAN.to_be_bytes());
            octets.extend(vlan.to_be_bytes());
        }
        octets.extend(ether_type.to_be_bytes());
        octets.extend(payload);
        octets
    }

    /// A frame with an IPv4 packet (RFC 791).
    pub(crate) fn ipv4(&self, to: MacAddr, carrier: &Carrier<Ipv4Addr>, payload: &[u8]) -> Vec<u8> {
        let options: &[u8] = if carrier.alert == RouterAlert::Present { &ROUTER_ALERT_V4 } else { &[] };
        let header_octets = 20 + options.len();
        // Nothing that is sent here is longer than a frame.
        let total = (header_octets + payload.len()) as u16;
        let mut octets = vec![0x40 | (header_octets / 4) as u8, carrier.dscp << 2];
        octets.extend(total.to_be_bytes());
        octets.extend([0, 0, 0x40, 0, carrier.ttl, carrier.protocol, 0, 0]);
        octets.extend(carrier.source.octets());
        octets.extend(carrier.destination.octets());
        octets.extend(options);
        let sum = checksum::of(&octets);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
        octets.extend(payload);
        self.frame(to, ETHERTYPE_IPV4, &octets)
    }

    /// A frame with an IPv6 packet (RFC 8200).
    pub(crate) fn ipv6(&self, to: MacAddr, carrier: &Carrier<Ipv6Addr>, payload: &[u8]) -> Vec<u8> {
        let extension: &[u8] = if carrier.alert == RouterAlert::Present { &ROUTER_ALERT_V6 } else { &[] };
        let has_extension = !extension.is_empty();
        let payload_octets = (payload.len() + if has_extension { extension.len() + 1 } else { 0 }) as u16;
        let mut octets = vec![0x60 | carrier.dscp >> 2, carrier.dscp << 6, 0, 0];
        octets.extend(payload_octets.to_be_bytes());
        octets.extend([if has_extension { 0 } else { carrier.protocol }, carrier.ttl]);
        octets.extend(carrier.source.octets());
        octets.extend(carrier.destination.octets());
        if has_extension {
            octets.push(carrier.protocol);
            octets.extend(extension);
        }
        octets.extend(payload);
        self.frame(to, ETHERTYPE_IPV6, &octets)
    }
}
