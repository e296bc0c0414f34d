//! A received Ethernet frame, read in one pass: is it a UDP datagram, something for the port's host, or bad?
//!
//! ```text
//! | destination MAC (6) | source MAC (6) | [0x8100, TCI (2)] | EtherType (2) | IPv4 20..60 or IPv6 40 | UDP 8 | ... | padding |
//! ```
//! Lengths come from the IP and UDP headers and are checked against the frame; what follows is padding and ignored.
//! Nothing is copied or allocated, and nothing of the payload is read unless [`Checks::udp`] asks for it.

mod datagram;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
mod known;
mod reason;
#[cfg(test)]
mod tests;

pub use datagram::{Datagram, UDP_OCTETS, UdpChecksum, udp_checksum_holds};
pub use known::Known;
pub use reason::Reason;

use crate::MacAddr;

/// Octets of an Ethernet header without a tag.
pub const ETHERNET_OCTETS: usize = 14;
/// Octets that an 802.1Q tag adds.
pub const VLAN_OCTETS: usize = 4;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;
pub(crate) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(crate) const ETHERTYPE_QINQ: u16 = 0x88a8;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;

pub(crate) const PROTOCOL_ICMP: u8 = 1;
pub(crate) const PROTOCOL_IGMP: u8 = 2;
pub(crate) const PROTOCOL_UDP: u8 = 17;
pub(crate) const PROTOCOL_ICMPV6: u8 = 58;

/// What is done about one kind of checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Computed; a wrong one makes the frame bad.
    Verify,
    /// Computed and reported, but a wrong one is no reason to drop: the backend hands out frames whose checksum the
    /// sender's kernel left for a device that never saw them (veth).
    Advisory,
    /// Not computed: the device vouches for it.
    Trusted,
}

/// What is done about checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The IPv4 header's.
    pub ipv4_header: Check,
    /// UDP's; unless trusted, all of the payload is read.
    pub udp: Check,
}

impl Checks {
    /// Every checksum is computed and must be right.
    pub const VERIFY: Self = Self { ipv4_header: Check::Verify, udp: Check::Verify };
}

/// Which frames are for this port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The port's own address. Unicast frames to others are bad; group frames pass.
    pub mac: MacAddr,
    /// The 802.1Q VLAN of the port's network; `None`: untagged frames (and those tagged for priority only).
    /// Where the device has taken the tag off, compare its VLAN and parse with `None`.
    pub vlan: Option<u16>,
    /// Checksums.
    pub checks: Checks,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A whole UDP datagram.
    Udp(Datagram),
    /// Something for the port's host.
    Other(Kind),
    /// To be dropped, and counted by reason.
    Bad(Reason),
}

/// What a frame for the host holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ARP over Ethernet.
    Arp,
    /// IPv4 of another protocol than UDP (ICMP 1, IGMP 2, TCP 6).
    Ipv4 {
        /// The protocol's number.
        protocol: u8,
    },
    /// IPv6 whose first next header is not UDP: ICMPv6 (58), or extension headers that only the host reads.
    Ipv6 {
        /// The next header's number.
        next_header: u8,
    },
    /// Neither (LLDP, PTP over Ethernet, spanning tree).
    Ethernet {
        /// The EtherType, or a length below 1,536.
        ether_type: u16,
    },
}

/// The part of a frame that lies behind the Ethernet header.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// What of it lies in the first segment.
    pub(crate) head: &'a [u8],
    /// Octets of all of it, in all segments, padding included.
    pub(crate) octets: usize,
    /// Where it begins in the frame.
    pub(crate) offset: usize,
}

impl Packet<'_> {
    /// Why a header of which `needed` octets are not at hand cannot be read.
    #[cold]
    fn missing(&self, needed: usize, short: Reason) -> Reason {
        if self.octets < needed { short } else { Reason::Split }
    }
}

/// Reads a frame of `frame_octets`, of which `frame` is the first contiguous segment. All headers must lie in it.
#[inline]
#[must_use]
pub fn parse(frame: &[u8], frame_octets: usize, rules: &Rules) -> Verdict {
    // The verdict is built once, where it is returned from: moving the datagram about costs more than reading it.
    match ethernet(frame, frame_octets, rules) {
        Ok((ETHERTYPE_IPV4, packet)) => ipv4::verdict(packet, &rules.checks),
        Ok((ETHERTYPE_IPV6, packet)) => ipv6::verdict(packet, &rules.checks),
        Ok((ETHERTYPE_ARP, _)) => Verdict::Other(Kind::Arp),
        Ok((ether_type, _)) => Verdict::Other(Kind::Ethernet { ether_type }),
        Err(reason) => Verdict::Bad(reason),
    }
}

/// The EtherType, and what lies behind it, of a frame that is for us.
#[inline]
pub(crate) fn ethernet<'a>(frame: &'a [u8], frame_octets: usize, rules: &Rules) -> Result<(u16, Packet<'a>), Reason> {
    let frame = &frame[..frame.len().min(frame_octets)];
    let whole = Packet { head: frame, octets: frame_octets, offset: 0 };
    let Some((header, head)) = frame.split_first_chunk::<ETHERNET_OCTETS>() else {
        return Err(whole.missing(ETHERNET_OCTETS, Reason::EthernetTooShort));
    };
    // IEEE 802.3 §3.2.3: the lowest bit of the first octet marks a group.
    if header[0] & 1 == 0 && header[..6] != rules.mac.octets() {
        return Err(Reason::NotOurMac);
    }
    let ether_type = u16::from_be_bytes([header[12], header[13]]);
    if ether_type == ETHERTYPE_VLAN || ether_type == ETHERTYPE_QINQ {
        return tagged(whole, ether_type, rules);
    }
    if rules.vlan.is_some() {
        return Err(Reason::ForeignVlan);
    }
    Ok((ether_type, Packet { head, octets: frame_octets - ETHERNET_OCTETS, offset: ETHERNET_OCTETS }))
}

/// As [`ethernet`], behind an 802.1Q tag. A second tag is foreign.
#[inline]
fn tagged<'a>(whole: Packet<'a>, outer: u16, rules: &Rules) -> Result<(u16, Packet<'a>), Reason> {
    const OCTETS: usize = ETHERNET_OCTETS + VLAN_OCTETS;
    let Some((header, head)) = whole.head.split_first_chunk::<OCTETS>() else {
        return Err(whole.missing(OCTETS, Reason::EthernetTooShort));
    };
    let vlan = u16::from_be_bytes([header[14], header[15]]) & 0x0fff;
    let inner = u16::from_be_bytes([header[16], header[17]]);
    // IEEE 802.1Q §9.6: VLAN 0 marks a priority only; the frame counts as untagged.
    let ours = vlan == rules.vlan.unwrap_or(0);
    if !ours || outer != ETHERTYPE_VLAN || inner == ETHERTYPE_VLAN || inner == ETHERTYPE_QINQ {
        return Err(Reason::ForeignVlan);
    }
    Ok((inner, Packet { head, octets: whole.octets - OCTETS, offset: OCTETS }))
}
