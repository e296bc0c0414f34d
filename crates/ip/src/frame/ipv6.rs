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

/// The hop-by-hop options (RFC 8200 §4.3).
const NEXT_HEADER_HOP_BY_HOP: u8 = 0;
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
pub(super) fn verdict(packet: Packet<'_>, checks: &Checks) -> Verdict {
    let ip = match header(packet) {
        Ok(ip) => ip,
        Err(reason) => return Verdict::Bad(reason),
    };
    match ip.next_header {
        PROTOCOL_UDP => {
            let carrier = Carrier { source: ip.source, destination: ip.destination, ttl: ip.hop_limit, dscp: ip.dscp };
            datagram::verdict(ip.payload, &carrier, checks.udp)
        }
        NEXT_HEADER_FRAGMENT => Verdict::Bad(Reason::Fragment),
        next_header => Verdict::Other(Kind::Ipv6 { next_header }),
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

/// What lies behind the hop-by-hop header, if there is one.
pub(crate) struct Upper<'a> {
    pub(crate) protocol: u8,
    pub(crate) octets: &'a [u8],
    /// The hop-by-hop header holds the router alert option of MLD (RFC 2711).
    pub(crate) router_alert: bool,
}

/// Steps over a hop-by-hop header (RFC 8200 §4.3); other extensions count as unknown protocols. All must lie in the
/// first segment.
pub(crate) fn upper_layer<'a>(header: &Header<'a>) -> Result<Upper<'a>, Reason> {
    let octets = header.payload.head;
    if octets.len() < header.payload.octets {
        return Err(Reason::Split);
    }
    if header.next_header != NEXT_HEADER_HOP_BY_HOP {
        return Ok(Upper { protocol: header.next_header, octets, router_alert: false });
    }
    let &[protocol, eights, ..] = octets else { return Err(Reason::IpTooShort) };
    let end = (usize::from(eights) + 1) * 8;
    let options = octets.get(2..end).ok_or(Reason::IpTooShort)?;
    Ok(Upper { protocol, octets: &octets[end..], router_alert: has_router_alert(options) })
}

/// RFC 8200 §4.2: options are type, length, value; type 0 is a single octet of padding.
fn has_router_alert(mut options: &[u8]) -> bool {
    loop {
        options = match options {
            [0, rest @ ..] => rest,
            [5, 2, 0, 0, ..] => return true,
            [_, octets, rest @ ..] if usize::from(*octets) <= rest.len() => &rest[usize::from(*octets)..],
            _ => return false,
        }
    }
}

#[inline]
fn address(fixed: &[u8; HEADER_OCTETS], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&fixed[at..at + 16]);
    Ipv6Addr::from(octets)
}
