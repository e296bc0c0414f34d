//! The IPv4 header (RFC 791 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//! |Version|  IHL  |   DSCP    |ECN|          Total Length         |  octets 0-3
//! |         Identification        |0|D|M|     Fragment Offset     |  4-7
//! | Time to Live  |    Protocol   |        Header Checksum        |  8-11
//! |                        Source Address                         |  12-15
//! |                     Destination Address                       |  16-19
//! |                 options (IHL * 4 - 20 octets)                 |
//! ```

use std::net::Ipv4Addr;

use super::datagram::{self, Carrier};
use super::{Check, Checks, Kind, PROTOCOL_UDP, Packet, Reason, Verdict};
use crate::checksum::Sum;

/// Octets of the header without options.
pub(crate) const HEADER_OCTETS: usize = 20;

/// An IPv4 packet's header, checked.
pub(crate) struct Header<'a> {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
    /// What it carries, the frame's padding cut off.
    pub(crate) payload: Packet<'a>,
}

#[inline]
pub(super) fn verdict(packet: Packet<'_>, checks: &Checks) -> Verdict {
    let ip = match header(packet, checks.ipv4_header) {
        Ok(ip) => ip,
        Err(reason) => return Verdict::Bad(reason),
    };
    if ip.protocol != PROTOCOL_UDP {
        return Verdict::Other(Kind::Ipv4 { protocol: ip.protocol });
    }
    let carrier = Carrier { source: ip.source, destination: ip.destination, ttl: ip.ttl, dscp: ip.dscp };
    datagram::verdict(ip.payload, &carrier, checks.udp)
}

/// Checks the header in front of `packet`.
#[inline]
pub(crate) fn header(packet: Packet<'_>, check: Check) -> Result<Header<'_>, Reason> {
    let Some(fixed) = packet.head.first_chunk::<HEADER_OCTETS>() else {
        return Err(packet.missing(HEADER_OCTETS, Reason::IpTooShort));
    };
    let (octets, total) = lengths(fixed, packet)?;
    // Of a length that the compiler knows, the sum is a handful of additions.
    let sum =
        || if octets == HEADER_OCTETS { Sum::new().octets(fixed) } else { Sum::new().octets(&packet.head[..octets]) };
    if check == Check::Verify && !sum().holds() {
        return Err(Reason::IpChecksum);
    }
    // More fragments, or an offset: reserved and "don't fragment" do not matter.
    if fixed[6] & 0x3f != 0 || fixed[7] != 0 {
        return Err(Reason::Fragment);
    }
    let source = Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]);
    // RFC 1122 §3.2.1.3
    if source.is_multicast() || source.is_broadcast() {
        return Err(Reason::SourceAddress);
    }
    let head = &packet.head[octets..packet.head.len().min(total)];
    Ok(Header {
        source,
        destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
        protocol: fixed[9],
        ttl: fixed[8],
        dscp: fixed[1] >> 2,
        payload: Packet { head, octets: total - octets, offset: packet.offset + octets },
    })
}

/// Octets of the header and of the whole packet: 20 ≤ header ≤ total ≤ frame, the header in the first segment.
#[inline]
fn lengths(fixed: &[u8; HEADER_OCTETS], packet: Packet<'_>) -> Result<(usize, usize), Reason> {
    if fixed[0] >> 4 != 4 {
        return Err(Reason::IpVersion);
    }
    let octets = usize::from(fixed[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if octets < HEADER_OCTETS {
        return Err(Reason::IpHeaderLength);
    }
    if total > packet.octets || total < HEADER_OCTETS {
        return Err(Reason::IpLength);
    }
    if octets > total {
        return Err(Reason::IpHeaderLength);
    }
    if octets > packet.head.len() {
        return Err(Reason::Split);
    }
    Ok((octets, total))
}
