//! How a format's frame is cut into packets, computed once (ST 2110-20 §6.3, RFC 4175 §4.1).
//!
//! A plan is the whole frame: per packet the range of the grain that it carries and its payload header,
//! ready to copy. General packing (GPM) never lets a packet straddle rows and makes packets of one size
//! where the row allows (equal sizes are what segmentation offload wants); block packing (BPM) runs
//! 180-octet blocks through the frame, a packet straddling up to [`MAX_SRDS`] rows.

use std::fmt;

use media::VideoFormat;
use rtp::FIXED_HEADER_OCTETS;

/// Most Sample Row Data headers in one of our packets (ST 2110-20 §6.1.4).
pub const MAX_SRDS: usize = 3;
/// Octets of one Sample Row Data header (RFC 4175 §4.1).
pub const SRD_OCTETS: usize = 6;
/// Octets of the extended sequence number (RFC 4175 §4.1).
pub const EXTENDED_SEQUENCE_OCTETS: usize = 2;
/// Most octets in front of the sample data of one of our packets.
pub const MAX_HEADER_OCTETS: usize = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS + MAX_SRDS * SRD_OCTETS;
/// A block of BPM: whole pgroups of every format (ST 2110-20 §6.3.3).
pub const BLOCK_OCTETS: u32 = 180;

const UDP_HEADER_OCTETS: u32 = 8;

/// How sample data is cut into packets (ST 2110-20 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PackingMode {
    /// General: any whole number of pgroups.
    #[default]
    Gpm,
    /// Blocks of 180 octets, the same number in every packet but the last.
    Bpm,
}

impl fmt::Display for PackingMode {
    /// The word of SDP's `PM`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gpm => "2110GPM",
            Self::Bpm => "2110BPM",
        })
    }
}

/// The UDP size limit (ST 2110-10 §6.3): the value of UDP's length field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UdpLimit {
    /// 1460 octets.
    #[default]
    Standard,
    /// 8960 octets: needs jumbo frames on the whole path.
    Extended,
}

impl UdpLimit {
    /// Octets, the 8 of the UDP header included.
    #[must_use]
    pub const fn octets(self) -> u32 {
        match self {
            Self::Standard => 1460,
            Self::Extended => 8960,
        }
    }

    /// Most sample octets behind `srds` Sample Row Data headers.
    const fn sample_octets(self, srds: usize) -> u32 {
        let headers = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS + srds * SRD_OCTETS;
        self.octets() - UDP_HEADER_OCTETS - headers as u32
    }

    /// Most blocks of BPM in a packet (ST 2110-20 §6.3.3): 7 or 49.
    const fn blocks(self) -> u32 {
        self.sample_octets(MAX_SRDS) / BLOCK_OCTETS
    }
}

/// Why a format cannot be packed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// BPM would need more than three rows in a packet.
    #[error(
        "block packing (2110BPM) of rows of {row_octets} octets would put more than {MAX_SRDS} rows \
         into a packet: use general packing (2110GPM) for pictures this narrow"
    )]
    TooNarrow {
        /// Octets of a row.
        row_octets: u32,
    },
}

/// One packet of the plan: octets `start .. start + octets` of the grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPacket {
    /// First octet in the grain.
    pub start: u32,
    /// Sample octets.
    pub octets: u16,
    /// Last row it takes from: it can go when slices 0 ..= `last_row` are there.
    pub last_row: u16,
    header_octets: u8,
    /// The last packet of its frame, on which the marker stands.
    pub(crate) is_last: bool,
    srd_headers: [u8; MAX_SRDS * SRD_OCTETS],
}

impl PlannedPacket {
    /// The Sample Row Data headers, ready to send.
    #[inline]
    #[must_use]
    pub fn srd_headers(&self) -> &[u8] {
        &self.srd_headers[..self.header_octets() - FIXED_HEADER_OCTETS - EXTENDED_SEQUENCE_OCTETS]
    }

    /// As [`Self::srd_headers`], with the places that it does not use, which are 0.
    #[inline]
    pub(crate) const fn srd_room(&self) -> &[u8; MAX_SRDS * SRD_OCTETS] {
        &self.srd_headers
    }

    /// Octets in front of the samples, the RTP header included.
    #[inline]
    #[must_use]
    pub const fn header_octets(&self) -> usize {
        self.header_octets as usize
    }

    /// The range of the grain that it carries.
    #[inline]
    #[must_use]
    pub const fn range(&self) -> std::ops::Range<u32> {
        self.start..self.start + self.octets as u32
    }
}

/// A format's packets.
#[derive(Clone, Debug)]
pub struct PackingPlan {
    format: VideoFormat,
    mode: PackingMode,
    limit: UdpLimit,
    packets: Vec<PlannedPacket>,
    max_header_octets: usize,
}

impl PackingPlan {
    /// How many of `most` packets from `first` on can go when so many slices are there: rows never decrease.
    #[inline]
    #[must_use]
    pub fn there(&self, first: u32, most: u32, slices: u16) -> u32 {
        let end = self.packets.len().min(first.saturating_add(most) as usize);
        let some = self.packets.get(first as usize..end).unwrap_or_default();
        let is_there = |packet: &PlannedPacket| packet.last_row < slices;
        let all = some.last().is_none_or(is_there);
        (if all { some.len() } else { some.partition_point(is_there) }) as u32
    }

    /// Cuts a frame of `format` into packets: 28 octets of memory for each.
    ///
    /// # Errors
    /// [`PlanError::TooNarrow`] for BPM of pictures that would need more than three rows in a packet.
    pub fn new(format: VideoFormat, mode: PackingMode, limit: UdpLimit) -> Result<Self, PlanError> {
        let mut packets = match mode {
            PackingMode::Gpm => general(&format, limit),
            PackingMode::Bpm => (1..=limit.blocks())
                .rev()
                .find_map(|blocks| block(&format, blocks * BLOCK_OCTETS))
                .ok_or(PlanError::TooNarrow { row_octets: format.row_octets() })?,
        };
        let least = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS;
        let max_header_octets = packets.iter().map(PlannedPacket::header_octets).max().unwrap_or(least);
        if let Some(last) = packets.last_mut() {
            last.is_last = true;
        }
        Ok(Self { format, mode, limit, packets, max_header_octets })
    }

    /// The packets of a frame in order, at least one; the marker goes with the last.
    #[inline]
    #[must_use]
    pub fn packets(&self) -> &[PlannedPacket] {
        &self.packets
    }

    /// N_PKTS of ST 2110-21: packets of a frame.
    #[must_use]
    pub fn packets_per_frame(&self) -> u32 {
        self.packets.len() as u32
    }

    /// Most octets in front of the sample data, the RTP header included.
    #[must_use]
    pub const fn max_header_octets(&self) -> usize {
        self.max_header_octets
    }

    /// Octets in front of the sample data, where all packets have as many.
    #[inline]
    #[must_use]
    pub const fn common_header_octets(&self) -> Option<usize> {
        // A packet has one row at least.
        let least = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS + SRD_OCTETS;
        if self.max_header_octets == least { Some(least) } else { None }
    }

    /// The format it packs.
    #[must_use]
    pub const fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// How it packs.
    #[must_use]
    pub const fn mode(&self) -> PackingMode {
        self.mode
    }

    /// The UDP size limit that it keeps.
    #[must_use]
    pub const fn limit(&self) -> UdpLimit {
        self.limit
    }
}

/// GPM: every row cut alike.
fn general(format: &VideoFormat, limit: UdpLimit) -> Vec<PlannedPacket> {
    let pgroup = u32::from(format.pgroup().octets);
    let piece = general_piece(u32::from(format.row_pgroups()), limit.sample_octets(1) / pgroup) * pgroup;
    let row_octets = format.row_octets();
    let pieces = row_octets.div_ceil(piece);
    let mut packets = Vec::with_capacity(pieces as usize * usize::from(format.height()));
    for row in 0..u32::from(format.height()) {
        for start in (0..row_octets).step_by(piece as usize) {
            let octets = piece.min(row_octets - start);
            packets.extend(planned(format, row * row_octets + start, octets));
        }
    }
    packets
}

/// Pgroups of a GPM packet: the largest equal division of the row that costs at most a third more
/// packets than the fullest packets would, else nearly equal pieces of which the last may be shorter.
fn general_piece(row_pgroups: u32, most: u32) -> u32 {
    let least_pieces = row_pgroups.div_ceil(most);
    let equal = (least_pieces..=least_pieces + least_pieces.div_ceil(3)).find(|n| row_pgroups.is_multiple_of(*n));
    row_pgroups.div_ceil(equal.unwrap_or(least_pieces))
}

/// BPM with `octets` a packet; none if a packet would take more than three rows.
fn block(format: &VideoFormat, octets: u32) -> Option<Vec<PlannedPacket>> {
    let frame = format.frame_octets();
    let count = frame.div_ceil(octets);
    let mut packets = Vec::new();
    for packet in 0..count {
        let start = packet * octets;
        // The end of the frame need not be the end of a block: the last packet ends with the samples.
        packets.push(planned(format, start, octets.min(frame - start))?);
    }
    Some(packets)
}

/// The packet that carries this range of the frame; none if it takes more than three rows.
fn planned(format: &VideoFormat, start: u32, octets: u32) -> Option<PlannedPacket> {
    let row_octets = format.row_octets();
    let pgroup = format.pgroup();
    let mut srd_headers = [0; MAX_SRDS * SRD_OCTETS];
    let (mut at, end) = (start, start + octets);
    let mut header_octets = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS;
    for header in srd_headers.chunks_exact_mut(SRD_OCTETS) {
        let (row, in_row) = (at / row_octets, at % row_octets);
        let length = (row_octets - in_row).min(end - at);
        at += length;
        header_octets += SRD_OCTETS;
        let pixels = in_row / u32::from(pgroup.octets) * u32::from(pgroup.pixels);
        // RFC 4175 §4.1: length, F = 0 with the row number, C with the offset
        let continues = if at < end { 0x8000 } else { 0 };
        header[0..2].copy_from_slice(&(length as u16).to_be_bytes());
        header[2..4].copy_from_slice(&(row as u16).to_be_bytes());
        header[4..6].copy_from_slice(&(pixels as u16 | continues).to_be_bytes());
        if at == end {
            break;
        }
    }
    let last_row = ((end - 1) / row_octets) as u16;
    let (octets, header_octets) = (octets as u16, header_octets as u8);
    (at == end).then_some(PlannedPacket { start, octets, last_row, header_octets, is_last: false, srd_headers })
}

#[cfg(test)]
mod tests;
