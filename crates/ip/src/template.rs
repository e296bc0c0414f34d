//! The headers below RTP of one path, built once: Ethernet (with an 802.1Q tag where asked), IPv4 or IPv6, UDP.
//!
//! Per packet, [`Template::write`] copies them, and sets the Ethernet destination, the lengths and the checksum of the
//! IPv4 header, which is completed from the sum of its constant part. IPv4 carries no UDP checksum (RFC 768 allows
//! it, and ST 2110 senders do so); IPv6 must: see [`Template::complete_udp_checksum`].
//!
//! "Don't fragment" is always set (ST 2110-10: media is never fragmented); such datagrams need no identification
//! (RFC 6864 §4.1), it is 0.

use std::net::{IpAddr, SocketAddr};

use crate::MacAddr;
use crate::checksum::{self, Sum};
use crate::frame::{
    ETHERNET_OCTETS, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, PROTOCOL_UDP, UDP_OCTETS, VLAN_OCTETS,
};

/// Most octets of headers: Ethernet with a tag, IPv6, UDP.
pub const TEMPLATE_OCTETS_MAX: usize = ETHERNET_OCTETS + VLAN_OCTETS + IPV6_OCTETS + UDP_OCTETS;

const IPV4_OCTETS: usize = 20;
const IPV6_OCTETS: usize = 40;

/// What a path's headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateConfig {
    /// The port's own Ethernet address.
    pub source_mac: MacAddr,
    /// The 802.1Q VLAN, 1 to 4094; `None`: untagged.
    pub vlan: Option<u16>,
    /// Address and port to send from.
    pub source: SocketAddr,
    /// Address and port of the receiver, or a group.
    pub destination: SocketAddr,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// Headers that no packet can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// One address is IPv4, the other IPv6.
    #[error("from {from} to {destination}: both addresses must be of one family")]
    Family {
        /// Address to send from.
        from: SocketAddr,
        /// The destination.
        destination: SocketAddr,
    },
    /// The source is no station's address.
    #[error("{from} is no station's address to send from")]
    Source {
        /// Address to send from.
        from: SocketAddr,
    },
    /// The destination has no port or no address.
    #[error("{destination} is no destination: it needs an address and a port")]
    Destination {
        /// The destination.
        destination: SocketAddr,
    },
    /// More than six bits.
    #[error("DSCP {asked}: 63 is the largest")]
    Dscp {
        /// What was asked for.
        asked: u8,
    },
    /// Not a VLAN.
    #[error("VLAN {asked}: 1 to 4094 are VLANs")]
    Vlan {
        /// What was asked for.
        asked: u16,
    },
    /// The Ethernet address to send from is a group's, or zero.
    #[error("{mac} is no station's Ethernet address")]
    SourceMac {
        /// What was asked for.
        mac: MacAddr,
    },
}

/// A path's headers.
#[derive(Clone, Debug)]
pub struct Template {
    header: [u8; TEMPLATE_OCTETS_MAX],
    octets: u8,
    /// Where IP and UDP begin.
    ip: u8,
    udp: u8,
    group_mac: Option<MacAddr>,
    /// Of the IPv4 header without total length and checksum.
    ipv4_sum: Sum,
    /// Of the pseudo-header without the length.
    pseudo_sum: Sum,
    ports_sum: Sum,
}

impl Template {
    /// Builds the headers. The destination's Ethernet address is that of the group, or zero until written.
    ///
    /// # Errors
    /// [`TemplateError`] for what no packet can carry.
    pub fn new(config: &TemplateConfig) -> Result<Self, TemplateError> {
        check(config)?;
        let mut octets = ethernet(config);
        let ip = octets.len();
        match (config.source.ip(), config.destination.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => octets.extend(ipv4(config)),
            _ => octets.extend(ipv6(config)),
        }
        let udp = octets.len();
        octets.extend(config.source.port().to_be_bytes());
        octets.extend(config.destination.port().to_be_bytes());
        octets.extend([0; 4]);

        let mut header = [0; TEMPLATE_OCTETS_MAX];
        header[..octets.len()].copy_from_slice(&octets);
        let pseudo = checksum::pseudo(config.source.ip(), config.destination.ip(), PROTOCOL_UDP, 0);
        Ok(Self {
            header,
            // All three are at most 66.
            octets: octets.len() as u8,
            ip: ip as u8,
            udp: udp as u8,
            group_mac: group_mac(config.destination.ip()),
            ipv4_sum: Sum::new().octets(&octets[ip..udp]),
            pseudo_sum: pseudo.unwrap_or_default(),
            ports_sum: Sum::new().octets(&octets[udp..]),
        })
    }

    /// Octets of all headers.
    #[inline]
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets as usize
    }

    /// Octets of the Ethernet header, tag included: where IP begins.
    #[inline]
    #[must_use]
    pub const fn link_octets(&self) -> usize {
        self.ip as usize
    }

    /// Octets of the IP header.
    #[inline]
    #[must_use]
    pub const fn ip_octets(&self) -> usize {
        (self.udp - self.ip) as usize
    }

    /// Where the UDP checksum stands.
    #[inline]
    #[must_use]
    pub const fn udp_checksum_offset(&self) -> usize {
        self.udp as usize + 6
    }

    /// Whether the path is IPv4.
    #[inline]
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.ip_octets() == IPV4_OCTETS
    }

    /// The Ethernet address of the group that the path goes to; `None`: a neighbour must be resolved.
    #[inline]
    #[must_use]
    pub const fn group_mac(&self) -> Option<MacAddr> {
        self.group_mac
    }

    /// Most octets that one datagram of this path can carry, whatever the MTU.
    #[inline]
    #[must_use]
    pub const fn udp_payload_octets_max(&self) -> u16 {
        // RFC 791 counts the header in its length, RFC 8200 does not.
        let headers = if self.is_ipv4() { IPV4_OCTETS + UDP_OCTETS } else { UDP_OCTETS };
        u16::MAX - headers as u16
    }

    /// Writes the headers of a datagram with `udp_payload_octets` to the front of `out`; the UDP checksum is 0.
    ///
    /// # Panics
    /// When `out` is shorter than [`Self::octets`]. A payload beyond [`Self::udp_payload_octets_max`] is a bug of
    /// the caller, seen in debug builds.
    #[inline]
    pub fn write(&self, out: &mut [u8], destination: MacAddr, udp_payload_octets: u16) {
        debug_assert!(udp_payload_octets <= self.udp_payload_octets_max());
        let out = &mut out[..self.octets()];
        out.copy_from_slice(&self.header[..self.octets()]);
        out[..6].copy_from_slice(&destination.octets());
        let udp_octets = udp_payload_octets.wrapping_add(UDP_OCTETS as u16);
        let ip = self.link_octets();
        if self.is_ipv4() {
            let total = udp_octets.wrapping_add(IPV4_OCTETS as u16);
            put(out, ip + 2, total);
            put(out, ip + 10, self.ipv4_sum.word(total).checksum());
        } else {
            put(out, ip + 4, udp_octets);
        }
        put(out, self.udp as usize + 4, udp_octets);
    }

    /// The folded sum of the pseudo-header, not complemented: what a device that completes UDP checksums wants to find
    /// in the field at [`Self::udp_checksum_offset`], most significant octet first.
    #[inline]
    #[must_use]
    pub const fn pseudo_checksum(&self, udp_payload_octets: u16) -> u16 {
        self.pseudo_sum.word(udp_payload_octets.wrapping_add(UDP_OCTETS as u16)).folded()
    }

    /// Puts the UDP checksum into headers that [`Self::write`] has written, given the sum of the payload's octets.
    ///
    /// # Panics
    /// When `out` is shorter than [`Self::octets`].
    #[inline]
    pub fn complete_udp_checksum(&self, out: &mut [u8], udp_payload_octets: u16, payload: Sum) {
        let udp_octets = udp_payload_octets.wrapping_add(UDP_OCTETS as u16);
        // The length counts twice: in the pseudo-header and in UDP's own.
        let headers = [self.pseudo_sum.folded(), self.ports_sum.folded(), udp_octets, udp_octets, payload.folded()];
        let sum = headers.into_iter().fold(Sum::new(), Sum::word);
        put(out, self.udp_checksum_offset(), sum.udp_checksum());
    }
}

#[inline]
fn put(out: &mut [u8], at: usize, word: u16) {
    out[at..at + 2].copy_from_slice(&word.to_be_bytes());
}

fn check(config: &TemplateConfig) -> Result<(), TemplateError> {
    let (from, destination) = (config.source, config.destination);
    if from.is_ipv4() != destination.is_ipv4() {
        return Err(TemplateError::Family { from, destination });
    }
    if from.ip().is_multicast() || from.ip().is_unspecified() {
        return Err(TemplateError::Source { from });
    }
    if destination.port() == 0 || destination.ip().is_unspecified() {
        return Err(TemplateError::Destination { destination });
    }
    if config.dscp > 63 {
        return Err(TemplateError::Dscp { asked: config.dscp });
    }
    // IEEE 802.1Q §9.6: 0 is no VLAN, 4095 is reserved.
    if let Some(asked) = config.vlan.filter(|vlan| !(1..=4094).contains(vlan)) {
        return Err(TemplateError::Vlan { asked });
    }
    if !config.source_mac.is_station() {
        return Err(TemplateError::SourceMac { mac: config.source_mac });
    }
    Ok(())
}

fn group_mac(destination: IpAddr) -> Option<MacAddr> {
    match destination {
        IpAddr::V4(group) => group.is_multicast().then(|| MacAddr::multicast_v4(group)),
        IpAddr::V6(group) => group.is_multicast().then(|| MacAddr::multicast_v6(group)),
    }
}

fn ethernet(config: &TemplateConfig) -> Vec<u8> {
    let mut octets = Vec::with_capacity(TEMPLATE_OCTETS_MAX);
    octets.extend(group_mac(config.destination.ip()).unwrap_or_default().octets());
    octets.extend(config.source_mac.octets());
    if let Some(vlan) = config.vlan {
        octets.extend(ETHERTYPE_VLAN.to_be_bytes());
        octets.extend(vlan.to_be_bytes());
    }
    let ether_type = if config.destination.is_ipv4() { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
    octets.extend(ether_type.to_be_bytes());
    octets
}

/// Version 4, five words, no total length; don't fragment; no checksum.
fn ipv4(config: &TemplateConfig) -> Vec<u8> {
    let mut octets = vec![0x45, config.dscp << 2, 0, 0, 0, 0, 0x40, 0, config.ttl, PROTOCOL_UDP, 0, 0];
    push_address(&mut octets, config.source.ip());
    push_address(&mut octets, config.destination.ip());
    octets
}

/// Version 6, flow label 0, no payload length.
fn ipv6(config: &TemplateConfig) -> Vec<u8> {
    // DSCP straddles the first two octets: | version (4) | DSCP (6) | ECN (2) | flow label (20) |
    let mut octets = vec![0x60 | config.dscp >> 2, config.dscp << 6, 0, 0, 0, 0, PROTOCOL_UDP, config.ttl];
    push_address(&mut octets, config.source.ip());
    push_address(&mut octets, config.destination.ip());
    octets
}

fn push_address(octets: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => octets.extend(address.octets()),
        IpAddr::V6(address) => octets.extend(address.octets()),
    }
}

#[cfg(test)]
mod tests;
