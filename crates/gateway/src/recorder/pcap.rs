//! Capture files: pcap 2.4, written with nanoseconds as tcpdump, tshark and net_pcap read them, read as any of them writes.
//!
//! All words little-endian, or, as the magic tells who reads, all big-endian (draft-ietf-opsawg-pcap §4, §5):
//!
//! ```text
//! file    magic a1b23c4d | version 2, 4 | 0 | 0 | octets kept at most | link type 1, Ethernet
//! packet  seconds | nanoseconds | octets kept | octets | the octets
//! ```

use std::io::{self, Read, Write};

use media::Tai;

/// Nanoseconds follow the seconds, not microseconds.
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const FILE_OCTETS: usize = 24;
const PACKET_OCTETS: usize = 16;
/// What a file may say that it kept of a packet, octets: more than any link carries.
const KEPT_OCTETS_MAX: u32 = 262_144;
const VERSION: [u16; 2] = [2, 4];
const LINKTYPE_ETHERNET: u32 = 1;

/// A file that is being written.
pub(super) struct PcapWriter<W> {
    out: W,
    /// TAI − UTC, seconds: the instants of a capture file are those of Unix.
    tai_offset_seconds: i64,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file's header.
    pub(super) fn new(mut out: W, snap_octets: u16, tai_offset_seconds: i64) -> io::Result<Self> {
        out.write_all(&MAGIC_NANOS.to_le_bytes())?;
        VERSION.iter().try_for_each(|part| out.write_all(&part.to_le_bytes()))?;
        for word in [0, 0, u32::from(snap_octets), LINKTYPE_ETHERNET] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { out, tai_offset_seconds })
    }

    /// Writes what was kept of a frame that had `octets` octets.
    pub(super) fn write(&mut self, time: Tai, octets: u32, kept: &[u8]) -> io::Result<()> {
        let nanos = time.as_nanos() - self.tai_offset_seconds * 1_000_000_000;
        let (seconds, nanos) = (nanos.div_euclid(1_000_000_000) as u32, nanos.rem_euclid(1_000_000_000) as u32);
        for word in [seconds, nanos, kept.len() as u32, octets] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(kept)
    }

    /// Has all of it with the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum PcapError {
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(
        "it is no pcap file: it begins with {0:08x} (pcapng is another format: `editcap -F nsecpcap IN OUT` makes one)"
    )]
    Foreign(u32),
    #[error("its packets are of link type {0}, and only Ethernet (1) is played")]
    Link(u32),
    #[error("packet {number} says that {octets} octets of it were kept: the file is damaged before it")]
    Packet { number: u64, octets: u32 },
}

/// A file that is read.
pub(super) struct PcapReader<R> {
    input: R,
    is_big_endian: bool,
    nanos_of_fraction: i64,
    packets: u64,
}

/// A packet of a file; what was kept of it is in the buffer that it was read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Nanoseconds of Unix time.
    pub(super) nanos: i64,
    /// How long it was, octets.
    pub(super) octets: u32,
}

impl<R: Read> PcapReader<R> {
    /// Reads the file's header.
    pub(super) fn new(mut input: R) -> Result<Self, PcapError> {
        let mut header = [0; FILE_OCTETS];
        input.read_exact(&mut header)?;
        let magic = word(&header, 0, false);
        let (is_big_endian, magic) = match magic {
            MAGIC_NANOS | MAGIC_MICROS => (false, magic),
            _ if [MAGIC_NANOS, MAGIC_MICROS].contains(&magic.swap_bytes()) => (true, magic.swap_bytes()),
            _ => return Err(PcapError::Foreign(magic)),
        };
        // The upper bits tell of frame check sequences.
        let link = word(&header, 20, is_big_endian) & 0xffff;
        if link != LINKTYPE_ETHERNET {
            return Err(PcapError::Link(link));
        }
        let nanos_of_fraction = if magic == MAGIC_NANOS { 1 } else { 1_000 };
        Ok(Self { input, is_big_endian, nanos_of_fraction, packets: 0 })
    }

    /// Reads the next packet into `kept`; none at the end, also where the last one was cut off.
    pub(super) fn next(&mut self, kept: &mut Vec<u8>) -> Result<Option<Packet>, PcapError> {
        let mut header = [0; PACKET_OCTETS];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let word = |at| word(&header, at, self.is_big_endian);
        let length = word(8);
        self.packets += 1;
        if length > KEPT_OCTETS_MAX {
            return Err(PcapError::Packet { number: self.packets, octets: length });
        }
        let nanos = i64::from(word(0)) * 1_000_000_000 + i64::from(word(4)) * self.nanos_of_fraction;
        let packet = Packet { nanos, octets: word(12) };
        kept.resize(length as usize, 0);
        Ok(self.fill(kept)?.then_some(packet))
    }

    /// Whether there is as much.
    fn fill(&mut self, out: &mut [u8]) -> Result<bool, PcapError> {
        match self.input.read_exact(out) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn word(octets: &[u8], at: usize, is_big_endian: bool) -> u32 {
    let octets = [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]];
    if is_big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All packets of a file.
    fn read(file: &[u8]) -> Result<Vec<(i64, u32, Vec<u8>)>, PcapError> {
        let (mut reader, mut kept, mut packets) = (PcapReader::new(file)?, Vec::new(), Vec::new());
        while let Some(packet) = reader.next(&mut kept)? {
            packets.push((packet.nanos, packet.octets, kept.clone()));
        }
        Ok(packets)
    }

    fn written() -> Vec<u8> {
        let mut out = Vec::new();
        let mut file = PcapWriter::new(&mut out, 96, 37).unwrap();
        file.write(Tai::from_nanos(1_700_000_037_123_456_789), 1258, &[0xaa; 3]).unwrap();
        file.write(Tai::from_nanos(1_700_000_038_000_000_001), 2, &[7, 8]).unwrap();
        out
    }

    #[test]
    fn what_was_written_is_read() {
        let first = (1_700_000_000_123_456_789, 1258, vec![0xaa; 3]);
        assert_eq!(read(&written()).unwrap(), [first, (1_700_000_001_000_000_001, 2, vec![7, 8])]);
    }

    #[test]
    fn big_endian_files_and_microseconds_are_read_too() {
        let mut file = Vec::new();
        for word in [MAGIC_MICROS, 0x0002_0004, 0, 0, 65_535, 1, 5, 999_999, 1, 60] {
            file.extend(word.to_be_bytes());
        }
        file.push(9);
        assert_eq!(read(&file).unwrap(), [(5_999_999_000, 60, vec![9])]);
    }

    #[test]
    fn a_file_that_is_cut_off_ends_with_its_last_whole_packet() {
        let whole = written();
        for end in 0..whole.len() {
            match read(&whole[..end]) {
                Ok(packets) => assert_eq!(packets.len(), usize::from(end >= 24 + 16 + 3), "{end}"),
                Err(error) => assert!(end < 24 && matches!(error, PcapError::Read(_)), "{end}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_no_capture_of_ethernet_is_named() {
        let mut file = written();
        file[20] = 113;
        assert!(matches!(read(&file), Err(PcapError::Link(113))));
        file[..4].copy_from_slice(&0x0a0d_0d0a_u32.to_le_bytes());
        assert!(read(&file).unwrap_err().to_string().contains("editcap"));
        let mut file = written();
        file[24 + 16 + 3 + 11] = 1;
        assert!(matches!(read(&file), Err(PcapError::Packet { number: 2, octets: 16_777_218 })));
    }

    #[test]
    fn a_file_stands_as_the_page_says() {
        let mut out = Vec::new();
        let mut file = PcapWriter::new(&mut out, 96, 37).unwrap();
        file.write(Tai::from_nanos(1_700_000_037_123_456_789), 1258, &[0xaa; 3]).unwrap();
        assert_eq!(out[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!((out[16], out[20], out.len()), (96, 1, 24 + 16 + 3));
        let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
        assert_eq!([word(24), word(28), word(32), word(36)], [1_700_000_000, 123_456_789, 3, 1258]);
        assert_eq!(out[40..], [0xaa; 3]);
    }
}
