//! A packet that is about to be made: its header, and the range of a payload behind it.

use std::ops::Range;

use media::Tai;

/// Longest header of a [`Planned`] packet: RTP, the extended sequence number and three SRD headers (RFC 4175 §4.1).
pub const PLANNED_HEADER_OCTETS: usize = 32;

/// One packet for [`crate::TxQueue::gather_burst`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// The header, from RTP on; what follows [`Self::header_octets`] is not sent.
    pub header: [u8; PLANNED_HEADER_OCTETS],
    /// Octets of the header, at most [`PLANNED_HEADER_OCTETS`].
    pub header_octets: u8,
    /// Octets of the payload.
    pub octets: u16,
    /// The first of them.
    pub start: u32,
    /// When it is to leave, on a port that paces by itself ([`crate::Pacing::LaunchTime`]); others ignore it.
    pub launch: Option<Tai>,
}

impl Planned {
    /// The header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_octets).min(PLANNED_HEADER_OCTETS)]
    }

    /// The range of the payload. One that would end beyond 32 bits is inverted, and of no payload.
    #[inline]
    #[must_use]
    pub const fn range(&self) -> Range<u32> {
        self.start..self.start.wrapping_add(self.octets as u32)
    }
}
