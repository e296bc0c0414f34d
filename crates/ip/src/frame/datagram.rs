//! A UDP datagram in a frame (RFC 768).
//!
//! ```text
//! |          source port          |       destination port        |  octets 0-3
//! |            length             |           checksum            |  4-7
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::{Check, PROTOCOL_UDP, Packet, Reason, Verdict};
use crate::checksum::{self, Sum};

/// Octets of the UDP header.
pub const UDP_OCTETS: usize = 8;

/// A UDP datagram: who to whom, and where its payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it. An IPv6 address has no scope here.
    pub source: SocketAddr,
    /// The address and port it was sent to.
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// What is known of its checksum.
    pub checksum: UdpChecksum,
    payload_start: u16,
    payload_octets: u16,
    checksum_field: u16,
}

/// What is known of a datagram's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpChecksum {
    /// The sender gave none: legal on IPv4 (RFC 768), and seen there only.
    Absent,
    /// Computed, and right.
    Holds,
    /// Computed, and wrong; seen under [`Check::Advisory`] only.
    Fails,
    /// Not computed here: the device vouches for it.
    Trusted,
    /// Not computed yet: the datagram goes on in further segments, ask [`udp_checksum_holds`].
    Pending,
}

impl Datagram {
    /// Where the payload lies, counted from the frame's first octet over all its segments. May be empty.
    #[inline]
    #[must_use]
    pub const fn payload(&self) -> Range<usize> {
        self.payload_start as usize..self.payload_start as usize + self.payload_octets as usize
    }

    /// Becomes another one of the same stream, whose payload lies where this one's does.
    #[inline]
    pub(super) const fn go_on(&mut self, payload_octets: u16, checksum: UdpChecksum, checksum_field: u16) {
        self.payload_octets = payload_octets;
        self.checksum = checksum;
        self.checksum_field = checksum_field;
    }

    /// Octets of the payload.
    #[inline]
    #[must_use]
    pub const fn payload_octets(&self) -> u16 {
        self.payload_octets
    }
}

/// Whether the checksum of `datagram` is right, or absent, with the payload in `segments` (its octets only: neither
/// headers nor padding).
#[must_use]
pub fn udp_checksum_holds<'a>(datagram: &Datagram, segments: impl IntoIterator<Item = &'a [u8]>) -> bool {
    if datagram.checksum_field == 0 {
        return datagram.source.is_ipv4();
    }
    let octets = datagram.payload_octets + UDP_OCTETS as u16;
    let (source, destination) = (datagram.source, datagram.destination);
    let pseudo = checksum::pseudo(source.ip(), destination.ip(), PROTOCOL_UDP, octets).unwrap_or_default();
    let header = pseudo.word(source.port()).word(destination.port()).word(octets).word(datagram.checksum_field);
    segments.into_iter().fold(header, Sum::octets).holds()
}

/// The IP header's share of a datagram, of either family.
pub(super) struct Carrier<A> {
    pub(super) source: A,
    pub(super) destination: A,
    pub(super) ttl: u8,
    pub(super) dscp: u8,
}

/// An address of either family.
pub(super) trait Address: Copy + Into<IpAddr> {
    /// The sum of the pseudo-header in front of a datagram of `octets`.
    fn pseudo(source: Self, destination: Self, octets: u16) -> Sum;

    /// Whether a datagram may come without a checksum.
    const CHECKSUM_OPTIONAL: bool;
}

impl Address for Ipv4Addr {
    const CHECKSUM_OPTIONAL: bool = true;

    #[inline]
    fn pseudo(source: Self, destination: Self, octets: u16) -> Sum {
        checksum::pseudo_v4(source, destination, PROTOCOL_UDP, octets)
    }
}

impl Address for Ipv6Addr {
    // RFC 8200 §8.1
    const CHECKSUM_OPTIONAL: bool = false;

    #[inline]
    fn pseudo(source: Self, destination: Self, octets: u16) -> Sum {
        checksum::pseudo_v6(source, destination, PROTOCOL_UDP, octets)
    }
}

#[inline]
pub(super) fn verdict<A: Address>(packet: Packet<'_>, carrier: &Carrier<A>, check: Check) -> Verdict {
    let Some((header, payload)) = packet.head.split_first_chunk::<UDP_OCTETS>() else {
        return Verdict::Bad(packet.missing(UDP_OCTETS, Reason::UdpTooShort));
    };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let length = word(4);
    // RFC 768: the length covers header and data. What IP carries beyond it is not the datagram's.
    if usize::from(length) < UDP_OCTETS || usize::from(length) > packet.octets {
        return Verdict::Bad(Reason::UdpLength);
    }
    let payload_octets = length - UDP_OCTETS as u16;
    let checksum = match checked(carrier, header, payload.get(..usize::from(payload_octets)), check) {
        Ok(checksum) => checksum,
        Err(reason) => return Verdict::Bad(reason),
    };
    Verdict::Udp(Datagram {
        source: SocketAddr::new(carrier.source.into(), word(0)),
        destination: SocketAddr::new(carrier.destination.into(), word(2)),
        ttl: carrier.ttl,
        dscp: carrier.dscp,
        checksum,
        // The headers are at most 18 + 60 + 8 octets.
        payload_start: (packet.offset + UDP_OCTETS) as u16,
        payload_octets,
        checksum_field: word(6),
    })
}

/// What is known of the checksum; `payload` is `None` when it goes on in further segments.
#[inline]
fn checked<A: Address>(
    carrier: &Carrier<A>,
    header: &[u8; UDP_OCTETS],
    payload: Option<&[u8]>,
    check: Check,
) -> Result<UdpChecksum, Reason> {
    if header[6..] == [0, 0] {
        // RFC 8200 §8.1: over IPv6 such a datagram is discarded. What a kernel leaves for a device is never 0.
        return if A::CHECKSUM_OPTIONAL { Ok(UdpChecksum::Absent) } else { Err(Reason::UdpChecksumAbsent) };
    }
    if check == Check::Trusted {
        return Ok(UdpChecksum::Trusted);
    }
    let Some(payload) = payload else { return Ok(UdpChecksum::Pending) };
    let octets = u16::from_be_bytes([header[4], header[5]]);
    let holds = A::pseudo(carrier.source, carrier.destination, octets).octets(header).octets(payload).holds();
    match (holds, check) {
        (true, _) => Ok(UdpChecksum::Holds),
        (false, Check::Advisory) => Ok(UdpChecksum::Fails),
        (false, _) => Err(Reason::UdpChecksum),
    }
}
