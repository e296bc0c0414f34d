//! The payload header of raw video (RFC 4175 §4.1, ST 2110-20 §6.1.4), read and checked.
//!
//! ```text
//! | extended sequence number (16) |
//! | length (16) | F | row (15) | C | offset (15) |   again while C = 1
//! | sample data of each segment, in the same order, without padding |
//! ```
//! The chain of headers is checked first: if it does not end inside the payload, nothing in the packet
//! can be found. Then each segment stands alone: a bad one is reported and left out, the others count.

use media::VideoFormat;

use crate::packing::{EXTENDED_SEQUENCE_OCTETS, SRD_OCTETS};

/// Why no segment of a packet can be used. Counted by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SrdError {
    /// No room for the extended sequence number and one header.
    #[error("payload is shorter than one sample row data header")]
    TooShort,
    /// A header says that another follows, and there is no room for it.
    #[error("sample row data header continues past the payload")]
    ChainTooLong,
    /// The headers go on in a further segment of the buffer, where they cannot be read.
    #[error("sample row data headers are split over segments of the buffer")]
    Split,
}

impl SrdError {
    /// Every reason, for counters.
    pub const ALL: [Self; 3] = [Self::TooShort, Self::ChainTooLong, Self::Split];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooShort => "srd_too_short",
            Self::ChainTooLong => "srd_chain_too_long",
            Self::Split => "srd_split",
        }
    }
}

/// Why a segment is left out. Counted by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SegmentError {
    /// The second field of a progressive picture.
    #[error("second field in a progressive picture")]
    Field,
    /// Its row is below the picture.
    #[error("row outside the picture")]
    Row,
    /// Its offset is right of the picture.
    #[error("offset outside the row")]
    Offset,
    /// Its offset is inside a pgroup.
    #[error("offset is not a multiple of the pgroup")]
    OffsetUnaligned,
    /// Its length is 0.
    #[error("length is 0")]
    Zero,
    /// Its length is no whole number of pgroups.
    #[error("length is not a multiple of the pgroup")]
    LengthUnaligned,
    /// It runs over the end of its row.
    #[error("segment runs over the end of the row")]
    RowEnd,
    /// Its data runs over the end of the payload.
    #[error("segment runs over the end of the payload")]
    Truncated,
}

impl SegmentError {
    /// Every reason, for counters.
    pub const ALL: [Self; 8] = [
        Self::Field,
        Self::Row,
        Self::Offset,
        Self::OffsetUnaligned,
        Self::Zero,
        Self::LengthUnaligned,
        Self::RowEnd,
        Self::Truncated,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Field => "segment_field",
            Self::Row => "segment_row",
            Self::Offset => "segment_offset",
            Self::OffsetUnaligned => "segment_offset_unaligned",
            Self::Zero => "segment_zero",
            Self::LengthUnaligned => "segment_length_unaligned",
            Self::RowEnd => "segment_row_end",
            Self::Truncated => "segment_truncated",
        }
    }
}

/// A run of samples inside one row, every bound checked against the format and the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Row of the picture.
    pub row: u16,
    /// First pgroup in the row.
    pub first_pgroup: u16,
    /// Pgroups, at least 1.
    pub pgroups: u16,
    /// First octet in the grain.
    pub grain_start: u32,
    /// Octets of samples.
    pub octets: u16,
    /// First octet in the RTP payload.
    pub payload_start: u32,
}

impl Segment {
    /// One past its last octet in the RTP payload.
    #[inline]
    #[must_use]
    pub const fn payload_end(&self) -> u32 {
        self.payload_start + self.octets as u32
    }
}

/// Where segments may lie in a picture: what of its format they are checked against, computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleGrid {
    width: u16,
    height: u16,
    row_pgroups: u16,
    pgroup_pixels: Divisor,
    pgroup_octets: Divisor,
    row_octets: u32,
}

/// A number that others are divided by, packet after packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Divisor {
    value: u16,
    /// 2³² / value, rounded up.
    reciprocal: u64,
}

impl Divisor {
    /// Of a `value` of at least 1.
    const fn new(value: u16) -> Self {
        Self { value, reciprocal: (1_u64 << 32).div_ceil(value as u64) }
    }

    /// How often it goes into `number`, if without a rest.
    ///
    /// The reciprocal is too large by less than 1, so the product by less than `number`; and it is 2³² / value or more below
    /// the next whole quotient: `number` times value is less than 2³².
    #[inline]
    fn whole(self, number: u16) -> Option<u16> {
        let quotient = ((u64::from(number) * self.reciprocal) >> 32) as u16;
        (quotient.wrapping_mul(self.value) == number).then_some(quotient)
    }
}

impl SampleGrid {
    /// The grid of `format`.
    #[must_use]
    pub fn new(format: &VideoFormat) -> Self {
        let pgroup = format.pgroup();
        Self {
            width: format.width(),
            height: format.height(),
            row_pgroups: format.row_pgroups(),
            pgroup_pixels: Divisor::new(pgroup.pixels),
            pgroup_octets: Divisor::new(pgroup.octets),
            row_octets: format.row_octets(),
        }
    }
}

/// A payload header whose chain of segment headers is whole.
#[derive(Clone, Copy, Debug)]
pub struct PayloadHeader<'a> {
    extended_sequence: u16,
    headers: &'a [[u8; SRD_OCTETS]],
    payload_octets: u32,
}

/// Reads the header of an RTP payload of `payload_octets`, of which `payload_head` is the first
/// contiguous part. Any number of segments that fits is taken.
///
/// # Errors
/// [`SrdError`] if the chain of headers is not whole: then no segment can be found.
#[inline]
pub fn parse(payload_head: &[u8], payload_octets: usize) -> Result<PayloadHeader<'_>, SrdError> {
    let head = &payload_head[..payload_head.len().min(payload_octets)];
    let Some((sequence, rest)) = head.split_first_chunk::<EXTENDED_SEQUENCE_OCTETS>() else {
        return Err(missing(SrdError::TooShort, head.len(), payload_octets, EXTENDED_SEQUENCE_OCTETS));
    };
    let (headers, _) = rest.as_chunks::<SRD_OCTETS>();
    // RFC 4175 §4.1: C = 1, another header follows
    let Some(last) = headers.iter().position(|header| header[4] & 0x80 == 0) else {
        let reason = if headers.is_empty() { SrdError::TooShort } else { SrdError::ChainTooLong };
        let need = EXTENDED_SEQUENCE_OCTETS + (headers.len() + 1) * SRD_OCTETS;
        return Err(missing(reason, head.len(), payload_octets, need));
    };
    Ok(PayloadHeader {
        extended_sequence: u16::from_be_bytes(*sequence),
        headers: &headers[..=last],
        payload_octets: u32::try_from(payload_octets).unwrap_or(u32::MAX),
    })
}

/// The segment of a payload that has one only, if it is sound; as [`parse`] and [`PayloadHeader::segments_on`] would find
/// it. What this says nothing of is for them.
#[inline]
#[must_use]
pub fn sole(payload_head: &[u8], payload_octets: usize, grid: &SampleGrid) -> Option<Segment> {
    const OCTETS: usize = EXTENDED_SEQUENCE_OCTETS + SRD_OCTETS;
    let [_, _, header @ ..] = payload_head.first_chunk::<OCTETS>()?;
    // RFC 4175 §4.1: C = 1, another header follows
    if header[4] & 0x80 != 0 || payload_octets < OCTETS {
        return None;
    }
    check(header, grid, OCTETS as u32, u32::try_from(payload_octets).unwrap_or(u32::MAX)).ok()
}

/// The reason when `need` octets are not in the head: they may still be in the payload.
#[cold]
const fn missing(reason: SrdError, head: usize, payload: usize, need: usize) -> SrdError {
    if head < payload && need <= payload { SrdError::Split } else { reason }
}

impl<'a> PayloadHeader<'a> {
    /// The high 16 bits of the 32-bit sequence number. Some senders leave it 0.
    #[must_use]
    pub const fn extended_sequence(&self) -> u16 {
        self.extended_sequence
    }

    /// How many segments it announces, at least 1.
    #[must_use]
    pub const fn segment_count(&self) -> usize {
        self.headers.len()
    }

    /// The segments in their order, each checked against `format`.
    #[inline]
    #[must_use]
    pub fn segments(&self, format: &VideoFormat) -> Segments<'a> {
        self.segments_on(&SampleGrid::new(format))
    }

    /// As [`Self::segments`], with what is known of the format.
    #[inline]
    #[must_use]
    pub fn segments_on(&self, grid: &SampleGrid) -> Segments<'a> {
        let data = EXTENDED_SEQUENCE_OCTETS + self.headers.len() * SRD_OCTETS;
        Segments { headers: self.headers.iter(), grid: *grid, at: data as u32, end: self.payload_octets }
    }
}

/// The segments of a packet.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    headers: std::slice::Iter<'a, [u8; SRD_OCTETS]>,
    grid: SampleGrid,
    at: u32,
    end: u32,
}

impl Iterator for Segments<'_> {
    type Item = Result<Segment, SegmentError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let header = self.headers.next()?;
        let start = self.at;
        let octets = u16::from_be_bytes([header[0], header[1]]);
        // At most 10,923 headers of at most 65,535 octets: no overflow.
        self.at += u32::from(octets);
        Some(check(header, &self.grid, start, self.end))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.headers.size_hint()
    }
}

/// Checks one header whose data starts at `start` of a payload of `end` octets.
#[inline]
fn check(header: &[u8; SRD_OCTETS], grid: &SampleGrid, start: u32, end: u32) -> Result<Segment, SegmentError> {
    // RFC 4175 §4.1
    let octets = u16::from_be_bytes([header[0], header[1]]);
    let row = u16::from_be_bytes([header[2], header[3]]);
    let offset = u16::from_be_bytes([header[4], header[5]]) & 0x7fff;
    if row & 0x8000 != 0 {
        return Err(SegmentError::Field);
    }
    if row >= grid.height {
        return Err(SegmentError::Row);
    }
    if offset >= grid.width {
        return Err(SegmentError::Offset);
    }
    let Some(first_pgroup) = grid.pgroup_pixels.whole(offset) else { return Err(SegmentError::OffsetUnaligned) };
    if octets == 0 {
        return Err(SegmentError::Zero);
    }
    let Some(pgroups) = grid.pgroup_octets.whole(octets) else { return Err(SegmentError::LengthUnaligned) };
    if u32::from(first_pgroup) + u32::from(pgroups) > u32::from(grid.row_pgroups) {
        return Err(SegmentError::RowEnd);
    }
    if start + u32::from(octets) > end {
        return Err(SegmentError::Truncated);
    }
    let grain_start = u32::from(row) * grid.row_octets + u32::from(first_pgroup) * u32::from(grid.pgroup_octets.value);
    Ok(Segment { row, first_pgroup, pgroups, grain_start, octets, payload_start: start })
}

#[cfg(test)]
mod tests;
