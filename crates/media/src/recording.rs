//! The index of a recording: one header, then a fixed record for each grain, little-endian.
//!
//! The grains stand in a file of their own, one every [`Header::grain_stride`] octets, as they were in the ring: pgroups,
//! rows unpadded, then padding up to the stride. The index stands beside it and is what counts: a grain that it does not
//! name is not recorded. A record is written after its grain, so whatever is cut off, both are readable up to there.
//!
//! ```text
//! header, 256 octets            record, Header::entry_octets
//!   0  8 "FLYPKIX1"               0  4 number of the record, from 1
//!   8  4 octets of the header     4  4 RTP timestamp
//!  12  4 octets of a record       8  8 grain index
//!  16  8 stride of grains        16  8 TAI, ns
//!  24  4 octets of a grain       24  8 offset in the file
//!  28  4 rows                    32  4 octets
//!  32  4 width                   36  2 lines that were lost
//!  36  1 sampling: 0 is 4:2:2    38  2 zero
//!  37  1 bits of a sample        40  n a bit for each row, lost where it is set: row 0 is
//!  38  2 zero                          the lowest bit of the first octet; 8 x ceil(rows / 64)
//!  40  4 rate, numerator
//!  44  4 rate, denominator
//!  48  8 TAI of the start, ns
//!  56  8 zero
//!  64 64 name of the flow, filled with zeros
//! 128    zero
//! ```

use std::str::FromStr;

use crate::{Depth, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};

const MAGIC: [u8; 8] = *b"FLYPKIX1";
const FIXED_OCTETS: usize = 40;

/// What all grains of a recording have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The flow that was recorded.
    pub flow: Name,
    /// What its grains are.
    pub format: VideoFormat,
    /// When the recording was begun.
    pub started: Tai,
}

/// One recorded grain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the recording, from 0.
    pub number: u32,
    /// Its index in the flow.
    pub index: GrainIndex,
    /// Its instant.
    pub tai: Tai,
    /// Its RTP timestamp.
    pub rtp: RtpTimestamp,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its octets, without padding.
    pub octets: u32,
    /// Its rows that were lost, rising: these octets mean nothing.
    pub lost: Vec<u16>,
}

/// Why octets are no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// They do not begin as an index does.
    #[error("this is no index of a recording: it does not begin with FLYPKIX1 and a whole header of 256 octets")]
    Foreign,
    /// A header that no recorder of this version writes.
    #[error(
        "the index says {field} = {value}, which this version does not read: record again, or use the version that wrote it"
    )]
    Header {
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: u64,
    },
    /// A record that contradicts the header or its place.
    #[error("record {number} of the index says {field} = {value}, which cannot be: the recording ends before it")]
    Entry {
        /// Its number, from 0.
        number: u32,
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: u64,
    },
}

impl Header {
    /// Octets of an encoded header.
    pub const OCTETS: usize = 256;
    /// What strides and offsets are multiples of, octets: what direct disk access asks for, whatever the disk.
    pub const ALIGNMENT_OCTETS: u64 = 4096;

    /// Octets from one grain to the next in the file.
    #[must_use]
    pub fn grain_stride(&self) -> u64 {
        u64::from(self.format.frame_octets()).next_multiple_of(Self::ALIGNMENT_OCTETS)
    }

    /// Octets of a record.
    #[must_use]
    pub fn entry_octets(&self) -> usize {
        FIXED_OCTETS + usize::from(self.format.height()).div_ceil(64) * 8
    }

    /// The header as it stands in a file.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::OCTETS] {
        let mut out = [0; Self::OCTETS];
        let mut put = |at: usize, octets: &[u8]| out[at..at + octets.len()].copy_from_slice(octets);
        let format = &self.format;
        put(0, &MAGIC);
        put(8, &(Self::OCTETS as u32).to_le_bytes());
        put(12, &(self.entry_octets() as u32).to_le_bytes());
        put(16, &self.grain_stride().to_le_bytes());
        put(24, &format.frame_octets().to_le_bytes());
        put(28, &u32::from(format.height()).to_le_bytes());
        put(32, &u32::from(format.width()).to_le_bytes());
        put(36, &[sampling_code(format.sampling()), format.depth().bits()]);
        put(40, &format.rate().num().to_le_bytes());
        put(44, &format.rate().den().to_le_bytes());
        put(48, &self.started.as_nanos().to_le_bytes());
        put(64, self.flow.as_str().as_bytes());
        out
    }

    /// The header at the beginning of `octets`.
    ///
    /// # Errors
    /// [`RecordingError::Foreign`], [`RecordingError::Header`].
    pub fn decode(octets: &[u8]) -> Result<Self, RecordingError> {
        let octets = octets.get(..Self::OCTETS).filter(|octets| octets.starts_with(&MAGIC));
        let octets = octets.ok_or(RecordingError::Foreign)?;
        let word = |at| u32::from_le_bytes(array(octets, at));
        let wrong = |field, value| RecordingError::Header { field, value };
        let depth = match octets[37] {
            8 => Depth::Bits8,
            10 => Depth::Bits10,
            bits => return Err(wrong("bits of a sample", bits.into())),
        };
        if octets[36] != sampling_code(Sampling::YCbCr422) {
            return Err(wrong("sampling", octets[36].into()));
        }
        let rate = Rate::new(word(40), word(44)).map_err(|_| wrong("rate", word(40).into()))?;
        let format = VideoFormat::new(word(32), word(28), Sampling::YCbCr422, depth, rate);
        let format = format.map_err(|_| wrong("width or rows", word(32).into()))?;
        let name = octets[64..128].split(|octet| *octet == 0).next().unwrap_or_default();
        let flow = std::str::from_utf8(name).ok().and_then(|name| Name::from_str(name).ok());
        let flow = flow.ok_or_else(|| wrong("name of the flow", name.len() as u64))?;
        let header = Self { flow, format, started: Tai::from_nanos(i64::from_le_bytes(array(octets, 48))) };
        let stated = [
            ("octets of the header", u64::from(word(8)), Self::OCTETS as u64),
            ("octets of a record", u64::from(word(12)), header.entry_octets() as u64),
            ("stride of grains", u64::from_le_bytes(array(octets, 16)), header.grain_stride()),
            ("octets of a grain", u64::from(word(24)), u64::from(format.frame_octets())),
        ];
        match stated.iter().find(|(_, stated, own)| stated != own) {
            Some((field, value, _)) => Err(wrong(field, *value)),
            None => Ok(header),
        }
    }

    /// Records that `octets` octets of an index hold, at most.
    #[must_use]
    pub fn entries_in(&self, octets: u64) -> u32 {
        let entries = octets.saturating_sub(Self::OCTETS as u64) / self.entry_octets() as u64;
        u32::try_from(entries).unwrap_or(u32::MAX)
    }

    /// Where record `number` begins in the index.
    #[must_use]
    pub fn entry_offset(&self, number: u32) -> u64 {
        Self::OCTETS as u64 + u64::from(number) * self.entry_octets() as u64
    }

    /// Appends a record to `out`, as it stands in a file. Lost rows beyond the picture are left out.
    pub fn encode_entry(&self, entry: &Entry, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&entry.number.wrapping_add(1).to_le_bytes());
        out.extend_from_slice(&entry.rtp.0.to_le_bytes());
        out.extend_from_slice(&entry.index.0.to_le_bytes());
        out.extend_from_slice(&entry.tai.as_nanos().to_le_bytes());
        out.extend_from_slice(&entry.offset.to_le_bytes());
        out.extend_from_slice(&entry.octets.to_le_bytes());
        out.resize(start + self.entry_octets(), 0);
        let mut lost = 0_u16;
        for row in entry.lost.iter().filter(|row| **row < self.format.height()) {
            out[start + FIXED_OCTETS + usize::from(row / 8)] |= 1 << (row % 8);
            lost += 1;
        }
        out[start + 36..start + 38].copy_from_slice(&lost.to_le_bytes());
    }

    /// Record `number`, of the octets where it should stand.
    ///
    /// # Errors
    /// [`RecordingError::Entry`]: it was not, or not wholly written.
    pub fn decode_entry(&self, number: u32, octets: &[u8]) -> Result<Entry, RecordingError> {
        let wrong = |field, value| RecordingError::Entry { number, field, value };
        let length = octets.len() as u64;
        let octets = octets.get(..self.entry_octets()).ok_or_else(|| wrong("octets of a record", length))?;
        let word = |at| u32::from_le_bytes(array(octets, at));
        let long = |at| u64::from_le_bytes(array(octets, at));
        if word(0) != number.wrapping_add(1) {
            return Err(wrong("number", word(0).into()));
        }
        if long(8) >= GrainIndex::LIMIT {
            return Err(wrong("grain index", long(8)));
        }
        if !long(24).is_multiple_of(Self::ALIGNMENT_OCTETS) || long(24) > 1 << 62 {
            return Err(wrong("offset", long(24)));
        }
        if word(32) != self.format.frame_octets() {
            return Err(wrong("octets", word(32).into()));
        }
        let is_lost = |row: &u16| octets[FIXED_OCTETS + usize::from(row / 8)] >> (row % 8) & 1 == 1;
        let lost = (0..self.format.height()).filter(is_lost).collect();
        let (tai, rtp) = (Tai::from_nanos(long(16) as i64), RtpTimestamp(word(4)));
        Ok(Entry { number, index: GrainIndex(long(8)), tai, rtp, offset: long(24), octets: word(32), lost })
    }
}

fn sampling_code(sampling: Sampling) -> u8 {
    match sampling {
        Sampling::YCbCr422 => 0,
    }
}

/// `N` octets from `at` on, which the caller knows to be there.
fn array<const N: usize>(octets: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&octets[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let rate = Rate::new(30_000, 1001).unwrap();
        let format = VideoFormat::new(1280, 720, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
        Header { flow: "cam-1".parse().unwrap(), format, started: Tai::from_nanos(-7) }
    }

    fn entry() -> Entry {
        let (tai, rtp) = (Tai::from_nanos(1_700_000_000_000_000_123), RtpTimestamp(0xfedc_ba98));
        Entry { number: 4, index: GrainIndex(51), tai, rtp, offset: 40_960, octets: 2_304_000, lost: vec![0, 63, 719] }
    }

    #[test]
    fn a_header_stands_where_the_page_says_and_comes_back() {
        let octets = header().encode();
        assert_eq!(&octets[..12], b"FLYPKIX1\x00\x01\x00\x00");
        assert_eq!(u64::from_le_bytes(array(&octets, 16)), 2_306_048, "563 blocks of 4,096");
        assert_eq!((octets[37], &octets[64..70]), (10, &b"cam-1\0"[..]));
        assert_eq!(Header::decode(&octets).unwrap(), header());
    }

    #[test]
    fn a_record_stands_where_the_page_says_and_comes_back() {
        let (header, mut out) = (header(), vec![9]);
        header.encode_entry(&entry(), &mut out);
        let octets = &out[1..];
        assert_eq!(octets.len(), header.entry_octets());
        assert_eq!((octets[0], octets[36], octets[40], octets[47], octets[40 + 89]), (5, 3, 1, 0x80, 0x80));
        assert_eq!(header.decode_entry(4, octets).unwrap(), entry());
    }

    #[test]
    fn every_truncation_is_refused() {
        let (header, mut out) = (header(), Vec::new());
        let whole = header.encode();
        assert!((0..whole.len()).all(|end| Header::decode(&whole[..end]) == Err(RecordingError::Foreign)));
        header.encode_entry(&entry(), &mut out);
        assert!((0..out.len()).all(|end| header.decode_entry(4, &out[..end]).is_err()));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let (header, mut out) = (header(), Vec::new());
        for (at, value, word) in
            [(16, 1, "stride"), (24, 1, "octets of a grain"), (37, 12, "bits"), (44, 0, "rate"), (64, b'/', "name")]
        {
            let mut octets = header.encode();
            octets[at..at + 4].fill(value);
            let refused = Header::decode(&octets).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
        header.encode_entry(&entry(), &mut out);
        assert!(matches!(header.decode_entry(5, &out), Err(RecordingError::Entry { field: "number", value: 5, .. })));
        for (at, word) in [(15, "grain index"), (24, "offset"), (32, "octets")] {
            let mut octets = out.clone();
            octets[at] ^= 0xff;
            let refused = header.decode_entry(4, &octets).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn an_index_that_was_cut_off_holds_its_whole_records() {
        let header = header();
        assert_eq!(header.entries_in(header.entry_offset(3) + 5), 3);
        assert_eq!((header.entries_in(0), header.entries_in(header.entry_offset(3) - 1)), (0, 2));
    }
}
