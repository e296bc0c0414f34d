//! The IPv6 header (RFC 8200 §3).
//!
//! ```text
//!  0                   1                   2                   3
//! |Version|   DSCP    |ECN|             Flow Label                |  octets 0-3
//! |         Payload Length        |  Next Header  |   Hop Limit   |  4-7
//! |                        Source Address                         |  8-23
//! |                     Destination Address                       |  24-39
//! ```
//! UDP counts only directly behind it: no sender of media puts extension headers between, and the host reads those it
//! needs (the router alert of MLD).

use std::net::Ipv6Addr;

use super::datagram::{self, Carrier};
use super::{Checks, Kind, PROTOCOL_UDP, Packet, Reason, Verdict};

/// Octets of the header without extensions.
pub(crate) const HEADER_OCTETS: usize = 40;

/// The fragment extension (RFC 8200 §4.5).
pub(crate) const NEXT_HEADER_FRAGMENT: u8 = 44;

/// An IPv6 packet's header, checked.
pub(crate) struct Header<'a> {
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) next_header: u8,
    pub(crate) hop_limit: u8,
    pub(crate) dscp: u8,
    /// What it carries, extensions included, the frame's padding cut off.
    pub(crate) payload: Packet<'a>,
}

#[inline]
pub(super) fn verdict(packet: Packet<'_>, checks: &Checks) -> Result<Verdict, Reason> {
    let ip = header(packet)?;
    match ip.next_header {
        PROTOCOL_UDP => {
            let (source, destination) = (ip.source.into(), ip.destination.into());
            let carrier = Carrier { source, destination, ttl: ip.hop_limit, dscp: ip.dscp };
            datagram::read(ip.payload, carrier, checks.udp).map(Verdict::Udp)
        }
        NEXT_HEADER_FRAGMENT => Err(Reason::Fragment),
        next_header => Ok(Verdict::Other(Kind::Ipv6 { next_header })),
    }
}

/// Checks the header in front of `packet`.
#[inline]
pub(crate) fn header(packet: Packet<'_>) -> Result<Header<'_>, Reason> {
    let Some((fixed, _)) = packet.head.split_first_chunk::<HEADER_OCTETS>() else {
        return Err(packet.missing(HEADER_OCTETS, Reason::IpTooShort));
    };
    if fixed[0] >> 4 != 6 {
        return Err(Reason::IpVersion);
    }
    // RFC 2675's jumbograms (length 0) do not exist on Ethernet: what they carry counts as empty.
    let octets = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if octets > packet.octets - HEADER_OCTETS {
        return Err(Reason::IpLength);
    }
    let source = address(fixed, 8);
    // RFC 4291 §2.7
    if source.is_multicast() {
        return Err(Reason::SourceAddress);
    }
    let end = packet.head.len().min(HEADER_OCTETS + octets);
    Ok(Header {
        source,
        destination: address(fixed, 24),
        next_header: fixed[6],
        hop_limit: fixed[7],
        dscp: ((fixed[0] & 0x0f) << 2) | (fixed[1] >> 6),
        payload: Packet { head: &packet.head[HEADER_OCTETS..end], octets, offset: packet.offset + HEADER_OCTETS },
    })
}

#[inline]
fn address(fixed: &[u8; HEADER_OCTETS], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&fixed[at..at + 16]);
    Ipv6Addr::from(octets)
}
