//! Capture files: pcap 2.4 with nanoseconds, as tcpdump, tshark and net_pcap read them.
//!
//! All words little-endian (draft-ietf-opsawg-pcap §4, §5):
//!
//! ```text
//! file    magic a1b23c4d | version 2, 4 | 0 | 0 | octets kept at most | link type 1, Ethernet
//! packet  seconds | nanoseconds | octets kept | octets | the octets
//! ```

use std::io::{self, Write};

use media::Tai;

/// Nanoseconds follow the seconds, not microseconds.
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
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

#[cfg(test)]
mod tests {
    use super::*;

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
