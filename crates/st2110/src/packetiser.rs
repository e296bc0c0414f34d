//! The headers of one sender's packets, in front of ranges of the grain (RFC 4175 §4.1).
//!
//! ```text
//! | RTP header (12), marker on the last packet of the frame        |
//! | extended sequence number (16): the counter's high 16 bits      |
//! | SRD length (16) | F | row (15) | C | offset (15) |  1 to 3 times |
//! ```

use std::ops::Range;
use std::sync::Arc;

use media::{PayloadType, RtpTimestamp, SeqNum, Ssrc};
use rtp::{FIXED_HEADER_OCTETS, FixedHeader, first_word, with_number};

use crate::packing::{EXTENDED_SEQUENCE_OCTETS, MAX_HEADER_OCTETS, PackingPlan, PlannedPacket};

const SRD_START: usize = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS;

/// Writes headers for the packets of a plan and counts them.
#[derive(Clone, Debug)]
pub struct Packetiser {
    plan: Arc<PackingPlan>,
    payload_type: PayloadType,
    ssrc: Ssrc,
    sequence: u32,
}

impl Packetiser {
    /// A sender whose first packet has the 32-bit number `first_sequence` (random is good: RFC 3550 §5.1).
    #[must_use]
    pub const fn new(plan: Arc<PackingPlan>, payload_type: PayloadType, ssrc: Ssrc, first_sequence: u32) -> Self {
        Self { plan, payload_type, ssrc, sequence: first_sequence }
    }

    /// The plan it follows.
    #[must_use]
    pub fn plan(&self) -> &PackingPlan {
        &self.plan
    }

    /// The 32-bit number of the next packet.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Writes all that stands in front of the samples of packet `packet` of the plan, and takes a sequence
    /// number for it. Returns the octets written: `out[..n]` is the header.
    ///
    /// # Panics
    /// If the plan has no such packet.
    pub fn header(&mut self, packet: usize, timestamp: RtpTimestamp, out: &mut [u8; MAX_HEADER_OCTETS]) -> usize {
        let planned = &self.plan.packets()[packet];
        *out = self.stamp(timestamp).header(planned, self.sequence);
        self.sequence = self.sequence.wrapping_add(1);
        planned.header_octets()
    }

    /// These packets of a frame, as far as it has them, each with its header, of which [`PlannedPacket::header_octets`] count.
    /// `sequence` is the number of packet 0 of that frame; none is taken.
    #[inline]
    pub fn frame(
        &self,
        range: Range<u32>,
        sequence: u32,
        timestamp: RtpTimestamp,
    ) -> impl Iterator<Item = (&PlannedPacket, [u8; MAX_HEADER_OCTETS])> {
        let packets = self.plan.packets();
        let first = range.start;
        let some = packets.get(first as usize..packets.len().min(range.end as usize)).unwrap_or_default();
        let stamp = self.stamp(timestamp);
        some.iter()
            .zip(first..)
            .map(move |(planned, packet)| (planned, stamp.header(planned, sequence.wrapping_add(packet))))
    }

    #[inline]
    fn stamp(&self, timestamp: RtpTimestamp) -> Stamp {
        let (payload_type, ssrc) = (self.payload_type, self.ssrc);
        let header = FixedHeader { marker: false, payload_type, sequence: SeqNum(0), timestamp, ssrc };
        Stamp { first: first_word(&header), ssrc: u64::from(ssrc.0) << 32 }
    }

    /// Takes the numbers of `packets` packets that will not be sent: a packet left out because it was late
    /// is a loss, and its receivers shall see it as one.
    pub const fn skip(&mut self, packets: u32) {
        self.sequence = self.sequence.wrapping_add(packets);
    }
}

/// What the headers of a frame have in common, as numbers in the network's order.
#[derive(Clone, Copy)]
struct Stamp {
    /// The first eight octets, without marker and sequence number.
    first: u64,
    /// The next four, in front of four of 0.
    ssrc: u64,
}

impl Stamp {
    /// All that stands in front of the samples: all three places of SRDs, of which those that are not used are behind the
    /// header's end. In whole words, which stay in registers until they are where they belong.
    #[inline]
    fn header(self, planned: &PlannedPacket, sequence: u32) -> [u8; MAX_HEADER_OCTETS] {
        // RFC 4175 §4.1: the low 16 bits are RTP's sequence number, the high 16 bits follow the header
        let first = with_number(self.first, planned.is_last, SeqNum(sequence as u16));
        let (begun, rest) = planned.srd_room().split_at(2 * 8 - SRD_START);
        let srd = u16::from_be_bytes([begun[0], begun[1]]);
        let second = self.ssrc | u64::from(sequence >> 16) << 16 | u64::from(srd);
        let mut out = [0; MAX_HEADER_OCTETS];
        out[..8].copy_from_slice(&first.to_be_bytes());
        out[8..16].copy_from_slice(&second.to_be_bytes());
        out[16..24].copy_from_slice(&rest[..8]);
        out[24..].copy_from_slice(&rest[8..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{PackingMode, UdpLimit};
    use media::{Depth, Rate, Sampling, VideoFormat};

    fn packetiser(first_sequence: u32) -> Packetiser {
        let format =
            VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap();
        let plan = PackingPlan::new(format, PackingMode::Bpm, UdpLimit::Standard).unwrap();
        Packetiser::new(Arc::new(plan), PayloadType(96), Ssrc(0x0a0b_0c0d), first_sequence)
    }

    #[test]
    fn golden_header_of_a_packet_that_straddles_rows() {
        let mut out = [0xff; MAX_HEADER_OCTETS];
        // Packet 3 carries octets 3780 to 5039: 1020 of row 0 from pixel 1512, 240 of row 1.
        let octets = packetiser(0x0001_ffff).header(3, RtpTimestamp(0x0102_0304), &mut out);
        let want = [
            0x80, 0x60, 0xff, 0xff, 1, 2, 3, 4, 0x0a, 0x0b, 0x0c, 0x0d, // RTP
            0x00, 0x01, // extended sequence number
            0x03, 0xfc, 0x00, 0x00, 0x85, 0xe8, // 1020 octets, row 0, continues, pixel 1512
            0x00, 0xf0, 0x00, 0x01, 0x00, 0x00, // 240 octets, row 1, pixel 0
        ];
        assert_eq!(&out[..octets], want);
    }

    #[test]
    fn a_frame_is_numbered_from_its_first_packet_whoever_asks() {
        let mut sender = packetiser(0xffff_fff0);
        let whole: Vec<_> = sender.frame(0..u32::MAX, 0xffff_fff0, RtpTimestamp(7)).map(|(_, header)| header).collect();
        let part: Vec<_> = sender.frame(30..33, 0xffff_fff0, RtpTimestamp(7)).collect();
        assert_eq!(part.len(), 3);
        for (packet, (planned, header)) in (30..).zip(part) {
            assert_eq!((planned, header), (&sender.plan().packets()[packet], whole[packet]));
        }
        assert_eq!(sender.frame(whole.len() as u32..u32::MAX, 0, RtpTimestamp(7)).count(), 0);
        for (packet, expected) in whole.iter().enumerate() {
            let mut out = [0xff; MAX_HEADER_OCTETS];
            let octets = sender.header(packet, RtpTimestamp(7), &mut out);
            assert_eq!(out[..octets], expected[..octets], "{packet}");
        }
    }

    #[test]
    fn the_marker_is_on_the_last_packet_only() {
        let mut sender = packetiser(0);
        let mut out = [0; MAX_HEADER_OCTETS];
        let last = sender.plan().packets().len() - 1;
        sender.header(last - 1, RtpTimestamp(0), &mut out);
        assert_eq!(out[1], 0x60);
        sender.header(last, RtpTimestamp(0), &mut out);
        assert_eq!(out[1], 0xe0);
    }

    #[test]
    fn numbers_carry_into_the_extension_and_wrap_at_32_bits() {
        let mut sender = packetiser(0xffff_fffe);
        let mut out = [0; MAX_HEADER_OCTETS];
        let mut numbers = Vec::new();
        for _ in 0..2 {
            sender.header(0, RtpTimestamp(0), &mut out);
            numbers.push([out[12], out[13], out[2], out[3]]);
            sender.skip(1);
        }
        assert_eq!(numbers, [[0xff, 0xff, 0xff, 0xfe], [0, 0, 0, 0]]);
        assert_eq!(sender.sequence(), 2);
    }
}
