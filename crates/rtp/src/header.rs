//! The RTP header, checked once (RFC 3550 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |  octets 0-3
//! |                           timestamp                           |  4-7
//! |                             SSRC                              |  8-11
//! |                    CSRC[0..CC-1] (4 octets each)              |
//! [X=1: profile (16) | length in 32-bit words (16) | extension]
//! ... payload ... [P=1: padding, its last octet is its length]
//! ```

use std::ops::Range;

use media::{PayloadType, RtpTimestamp, SeqNum, Ssrc};

/// Octets of the header without CSRCs and extension.
pub const FIXED_HEADER_OCTETS: usize = 12;

/// The first octet of a header with nothing behind the 12: version 2, P = X = CC = 0.
const PLAIN: u8 = 2 << 6;

/// The largest datagram: UDP cannot carry more, nor can RTSP's interleaving.
const MAX_DATAGRAM_OCTETS: usize = 65_535;

/// A received header and where its payload lies in the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// The marker bit; its meaning is the payload format's.
    pub marker: bool,
    /// Payload type.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: SeqNum,
    /// Timestamp.
    pub timestamp: RtpTimestamp,
    /// Synchronisation source.
    pub ssrc: Ssrc,
    payload_start: u32,
    payload_end: u32,
}

/// Why a datagram is no RTP packet. Counted by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RtpError {
    /// Fewer than 12 octets.
    #[error("shorter than an RTP header")]
    TooShort,
    /// More octets than UDP can carry.
    #[error("longer than a datagram can be")]
    TooLong,
    /// The version is not 2.
    #[error("RTP version is not 2")]
    Version,
    /// The CSRC list runs past the end.
    #[error("CSRC list runs past the end")]
    CsrcTooLong,
    /// The extension runs past the end.
    #[error("header extension runs past the end")]
    ExtensionTooLong,
    /// The header continues in a further segment of the buffer, where it cannot be read.
    #[error("header is split over segments of the buffer")]
    Split,
    /// Padding is announced with a length of 0, which does not even hold the length.
    #[error("padding of length 0")]
    PaddingZero,
    /// Padding is longer than what follows the header.
    #[error("padding runs into the header")]
    PaddingTooLong,
}

impl RtpError {
    /// Every reason, for counters.
    pub const ALL: [Self; 8] = [
        Self::TooShort,
        Self::TooLong,
        Self::Version,
        Self::CsrcTooLong,
        Self::ExtensionTooLong,
        Self::Split,
        Self::PaddingZero,
        Self::PaddingTooLong,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooShort => "rtp_too_short",
            Self::TooLong => "rtp_too_long",
            Self::Version => "rtp_version",
            Self::CsrcTooLong => "rtp_csrc_too_long",
            Self::ExtensionTooLong => "rtp_extension_too_long",
            Self::Split => "rtp_split",
            Self::PaddingZero => "rtp_padding_zero",
            Self::PaddingTooLong => "rtp_padding_too_long",
        }
    }
}

impl RtpHeader {
    /// Reads the header of a datagram of `datagram_octets`, of which `head` is the first contiguous
    /// part and `last_octet` the last octet (it tells the length of the padding).
    ///
    /// # Errors
    /// [`RtpError`], the first reason found; nothing of the packet may then be used.
    #[inline]
    pub fn parse(head: &[u8], datagram_octets: usize, last_octet: u8) -> Result<Self, RtpError> {
        if datagram_octets > MAX_DATAGRAM_OCTETS {
            return Err(RtpError::TooLong);
        }
        let head = &head[..head.len().min(datagram_octets)];
        let Some((fixed, rest)) = head.split_first_chunk::<FIXED_HEADER_OCTETS>() else {
            return Err(if datagram_octets < FIXED_HEADER_OCTETS { RtpError::TooShort } else { RtpError::Split });
        };
        // RFC 3550 §5.1
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let room = datagram_octets - FIXED_HEADER_OCTETS;
        let optional = optional_octets(fixed[0], rest, room)?;
        let padding = padding_octets(fixed[0], last_octet, room - optional)?;
        Ok(Self::of(fixed, FIXED_HEADER_OCTETS + optional, datagram_octets - padding))
    }

    /// As [`Self::parse`] of a header without CSRCs, extension and padding, as nearly all are; `None` where it is another, or
    /// none.
    #[inline]
    #[must_use]
    pub fn parse_plain(head: &[u8], datagram_octets: usize) -> Option<Self> {
        let fixed = head.first_chunk::<FIXED_HEADER_OCTETS>()?;
        if fixed[0] != PLAIN || !(FIXED_HEADER_OCTETS..=MAX_DATAGRAM_OCTETS).contains(&datagram_octets) {
            return None;
        }
        Some(Self::of(fixed, FIXED_HEADER_OCTETS, datagram_octets))
    }

    #[inline]
    fn of(fixed: &[u8; FIXED_HEADER_OCTETS], payload_start: usize, payload_end: usize) -> Self {
        Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: PayloadType(fixed[1] & 0x7f),
            sequence: SeqNum(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: RtpTimestamp(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ssrc: Ssrc(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
            payload_start: payload_start as u32,
            payload_end: payload_end as u32,
        }
    }

    /// Where the payload lies in the datagram, padding left out. May be empty.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> Range<usize> {
        self.payload_start as usize..self.payload_end as usize
    }

    /// Octets of the payload.
    #[inline]
    #[must_use]
    pub fn payload_octets(&self) -> usize {
        self.payload().len()
    }
}

/// Octets of CSRC list and extension, which `room` octets must hold.
fn optional_octets(first: u8, rest: &[u8], room: usize) -> Result<usize, RtpError> {
    // RFC 3550 §5.1
    let csrc = usize::from(first & 0x0f) * 4;
    if csrc > room {
        return Err(RtpError::CsrcTooLong);
    }
    if first & 0x10 == 0 {
        return Ok(csrc);
    }
    // RFC 3550 §5.3.1
    if csrc + 4 > room {
        return Err(RtpError::ExtensionTooLong);
    }
    let Some(words) = rest.get(csrc + 2..csrc + 4) else {
        return Err(RtpError::Split);
    };
    let optional = csrc + 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    if optional > room { Err(RtpError::ExtensionTooLong) } else { Ok(optional) }
}

/// Octets of padding, which `room` octets must hold.
fn padding_octets(first: u8, last_octet: u8, room: usize) -> Result<usize, RtpError> {
    // RFC 3550 §5.1
    if first & 0x20 == 0 {
        return Ok(0);
    }
    match usize::from(last_octet) {
        0 => Err(RtpError::PaddingZero),
        padding if padding > room => Err(RtpError::PaddingTooLong),
        padding => Ok(padding),
    }
}

/// What a header that we write says: version 2, no padding, extension or CSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// The marker bit.
    pub marker: bool,
    /// Payload type, 0 to 127; a higher bit is not sent.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: SeqNum,
    /// Timestamp.
    pub timestamp: RtpTimestamp,
    /// Synchronisation source.
    pub ssrc: Ssrc,
}

/// Writes the 12 octets of `header`.
#[inline]
pub fn write_header(out: &mut [u8; FIXED_HEADER_OCTETS], header: &FixedHeader) {
    out[..8].copy_from_slice(&first_word(header).to_be_bytes());
    out[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
}

/// The first eight octets of it, as a number in the network's order: for who writes many.
#[inline]
#[must_use]
pub fn first_word(header: &FixedHeader) -> u64 {
    let first = 2 << 14 | u64::from(header.marker) << 7 | u64::from(header.payload_type.0 & 0x7f);
    first << 48 | u64::from(header.sequence.0) << 32 | u64::from(header.timestamp.0)
}

/// [`first_word`] of a header with this marker and number; `first` is that of one without marker, with the number 0.
#[inline]
#[must_use]
pub const fn with_number(first: u64, marker: bool, sequence: SeqNum) -> u64 {
    first | (marker as u64) << 55 | (sequence.0 as u64) << 32
}

#[cfg(test)]
mod tests;
