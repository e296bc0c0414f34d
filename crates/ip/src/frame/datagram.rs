//! A UDP datagram in a frame (RFC 768).
//!
//! ```text
//! |          source port          |       destination port        |  octets 0-3
//! |            length             |           checksum            |  4-7
//! ```

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::{Check, PROTOCOL_UDP, Packet, Reason};
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
    /// The sender gave none: legal on IPv4 (RFC 768).
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

    /// Octets of the payload.
    #[inline]
    #[must_use]
    pub const fn payload_octets(&self) -> u16 {
        self.payload_octets
    }

    /// The sum over pseudo-header and UDP header, to which the payload's is added.
    #[inline]
    fn header_sum(&self) -> Sum {
        let octets = self.payload_octets + UDP_OCTETS as u16;
        let sum = checksum::pseudo(self.source.ip(), self.destination.ip(), PROTOCOL_UDP, octets).unwrap_or_default();
        sum.word(self.source.port()).word(self.destination.port()).word(octets).word(self.checksum_field)
    }
}

/// Whether the checksum of `datagram` is right, or absent, with the payload in `segments` (its octets only: neither
/// headers nor padding).
#[must_use]
pub fn udp_checksum_holds<'a>(datagram: &Datagram, segments: impl IntoIterator<Item = &'a [u8]>) -> bool {
    if datagram.checksum_field == 0 {
        return datagram.source.is_ipv4();
    }
    segments.into_iter().fold(datagram.header_sum(), Sum::octets).holds()
}

/// The IP header's share of a datagram.
#[derive(Clone, Copy)]
pub(super) struct Carrier {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) dscp: u8,
}

#[inline]
pub(super) fn read(packet: Packet<'_>, carrier: Carrier, check: Check) -> Result<Datagram, Reason> {
    let Some((header, payload)) = packet.head.split_first_chunk::<UDP_OCTETS>() else {
        return Err(packet.missing(UDP_OCTETS, Reason::UdpTooShort));
    };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let length = word(4);
    // RFC 768: the length covers header and data. What IP carries beyond it is not the datagram's.
    if usize::from(length) < UDP_OCTETS || usize::from(length) > packet.octets {
        return Err(Reason::UdpLength);
    }
    let payload_octets = length - UDP_OCTETS as u16;
    let mut datagram = Datagram {
        source: SocketAddr::new(carrier.source, word(0)),
        destination: SocketAddr::new(carrier.destination, word(2)),
        ttl: carrier.ttl,
        dscp: carrier.dscp,
        checksum: UdpChecksum::Trusted,
        // The headers are at most 18 + 60 + 8 octets.
        payload_start: (packet.offset + UDP_OCTETS) as u16,
        payload_octets,
        checksum_field: word(6),
    };
    datagram.checksum = checked(&datagram, payload, check)?;
    Ok(datagram)
}

/// What is known of the checksum when the first segment holds `payload`.
#[inline]
fn checked(datagram: &Datagram, payload: &[u8], check: Check) -> Result<UdpChecksum, Reason> {
    if datagram.checksum_field == 0 {
        return absent(datagram, check);
    }
    if check == Check::Trusted {
        return Ok(UdpChecksum::Trusted);
    }
    let Some(payload) = payload.get(..usize::from(datagram.payload_octets)) else {
        return Ok(UdpChecksum::Pending);
    };
    match (datagram.header_sum().octets(payload).holds(), check) {
        (true, _) => Ok(UdpChecksum::Holds),
        (false, Check::Advisory) => Ok(UdpChecksum::Fails),
        (false, _) => Err(Reason::UdpChecksum),
    }
}

#[inline]
fn absent(datagram: &Datagram, check: Check) -> Result<UdpChecksum, Reason> {
    // RFC 8200 §8.1
    if datagram.source.is_ipv6() && check != Check::Advisory {
        return Err(Reason::UdpChecksumAbsent);
    }
    Ok(UdpChecksum::Absent)
}
