//! The RTP header that a destination of a relay gets (RFC 3550 §5.1): as it came, or with numbers of its own.
//!
//! Numbers of its own go on when the source changes: the sequence without a break, the timestamp by the time that has
//! passed. Within a source both only shift, so that a gap stays a gap and a late packet keeps its place. What the fixed
//! header says besides (padding, extension, CSRC count, marker) stays, and so does all that follows it.

use media::{ExtSeqNum, PayloadType, RtpTimestamp, SeqNum, Ssrc, Tai};
use rtp::FIXED_HEADER_OCTETS;

use crate::kept::Original;

/// Which numbers a destination gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// The source's.
    #[default]
    Keep,
    /// The first source's, continued over every change of the source.
    Continue,
}

/// What a destination gets of its own; `None` and the default: as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The payload type of all packets.
    pub payload_type: Option<PayloadType>,
    /// The SSRC of all packets.
    pub ssrc: Option<Ssrc>,
    /// Sequence numbers from this one on.
    pub first_sequence: Option<SeqNum>,
    /// The time stamps.
    pub timestamps: Timestamps,
}

impl Rewrite {
    /// Whether the packets of several SSRCs stay apart: nothing of the stream is the destination's own.
    #[must_use]
    pub fn keeps_streams_apart(&self) -> bool {
        self.ssrc.is_none() && self.first_sequence.is_none() && self.timestamps == Timestamps::Keep
    }
}

/// The highest packet that went out.
#[derive(Clone, Copy, Debug)]
struct Last {
    number: ExtSeqNum,
    sequence: SeqNum,
    timestamp: RtpTimestamp,
    at: Tai,
}

/// Rewrites the headers for one destination.
#[derive(Debug)]
pub(crate) struct Rewriter {
    rewrite: Rewrite,
    /// Added to the source's, modulo 2^16 and 2^32.
    sequence_offset: u16,
    timestamp_offset: u32,
    last: Option<Last>,
}

impl Rewriter {
    pub(crate) const fn new(rewrite: Rewrite) -> Self {
        Self { rewrite, sequence_offset: 0, timestamp_offset: 0, last: None }
    }

    pub(crate) const fn rewrite(&self) -> &Rewrite {
        &self.rewrite
    }

    /// From here on packets are of another stream, of which `first` is the first; `clock_hz` is its time stamps' rate.
    #[cold]
    pub(crate) fn begin(&mut self, first: &Original, clock_hz: u32) {
        if let Some(start) = self.rewrite.first_sequence {
            let next = self.last.map_or(start, |last| SeqNum(last.sequence.0.wrapping_add(1)));
            self.sequence_offset = next.0.wrapping_sub(first.number.0 as u16);
        }
        if let (Timestamps::Continue, Some(last)) = (self.rewrite.timestamps, self.last) {
            let passed = ticks(first.at.nanos_since(last.at), clock_hz);
            self.timestamp_offset = last.timestamp.0.wrapping_add(passed).wrapping_sub(first.timestamp());
        }
        // Numbers of another stream: the first one is the highest.
        if let Some(last) = &mut self.last {
            last.number = ExtSeqNum(0);
        }
    }

    /// The header of `original` for the destination.
    #[inline]
    pub(crate) fn header(&self, original: &Original) -> [u8; FIXED_HEADER_OCTETS] {
        let mut header = original.header;
        if let Some(payload_type) = self.rewrite.payload_type {
            header[1] = header[1] & 0x80 | payload_type.0 & 0x7f;
        }
        let sequence = u16::from_be_bytes([header[2], header[3]]).wrapping_add(self.sequence_offset);
        header[2..4].copy_from_slice(&sequence.to_be_bytes());
        let timestamp = original.timestamp().wrapping_add(self.timestamp_offset);
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        if let Some(ssrc) = self.rewrite.ssrc {
            header[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
        }
        header
    }

    /// `original` has gone out, or was given up: its number is used either way.
    #[inline]
    pub(crate) fn passed(&mut self, original: &Original) {
        if self.last.is_none_or(|last| original.number > last.number) {
            let sequence = SeqNum((original.number.0 as u16).wrapping_add(self.sequence_offset));
            let timestamp = RtpTimestamp(original.timestamp().wrapping_add(self.timestamp_offset));
            self.last = Some(Last { number: original.number, sequence, timestamp, at: original.at });
        }
    }
}

/// Ticks of a clock in `nanos`; at least one, so that another stream's picture is another picture.
fn ticks(nanos: i64, clock_hz: u32) -> u32 {
    let ticks = i128::from(nanos.max(0)) * i128::from(clock_hz) / 1_000_000_000;
    (ticks as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u32 = 90_000;

    /// Octets 0 and 1 with every bit that must stay: padding, extension, two CSRCs, the marker.
    fn original(number: u64, timestamp: u32, at_ms: i64) -> Original {
        let mut header = [0xb2, 0x80 | 33, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd];
        header[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        Original { header, number: ExtSeqNum(number), at: Tai::from_nanos(at_ms * 1_000_000) }
    }

    fn send(rewriter: &mut Rewriter, original: &Original) -> (u16, u32) {
        let header = rewriter.header(original);
        rewriter.passed(original);
        let timestamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        (u16::from_be_bytes([header[2], header[3]]), timestamp)
    }

    fn own() -> Rewrite {
        Rewrite { first_sequence: Some(SeqNum(65_535)), timestamps: Timestamps::Continue, ..Rewrite::default() }
    }

    #[test]
    fn nothing_of_its_own_is_the_packet_as_it_came() {
        let mut rewriter = Rewriter::new(Rewrite::default());
        let (first, second) = (original(0x1_0007, 1, 0), original(0x2_fff0, 77, 1));
        rewriter.begin(&first, HZ);
        assert_eq!(rewriter.header(&first), first.header);
        rewriter.passed(&first);
        rewriter.begin(&second, HZ);
        assert_eq!(rewriter.header(&second), second.header);
        assert!(Rewrite::default().keeps_streams_apart() && !own().keeps_streams_apart());
    }

    #[test]
    fn what_is_its_own_replaces_nothing_else() {
        let rewrite = Rewrite { payload_type: Some(PayloadType(96)), ssrc: Some(Ssrc(0x0102_0304)), ..own() };
        let mut rewriter = Rewriter::new(rewrite);
        let first = original(0x1_0007, 1_000, 0);
        rewriter.begin(&first, HZ);
        assert_eq!(rewriter.header(&first), [0xb2, 0x80 | 96, 0xff, 0xff, 0, 0, 0x03, 0xe8, 1, 2, 3, 4]);
    }

    #[test]
    fn another_source_goes_on_where_the_last_ended() {
        let mut rewriter = Rewriter::new(own());
        rewriter.begin(&original(0x1_0010, 5_000, 0), HZ);
        assert_eq!(send(&mut rewriter, &original(0x1_0010, 5_000, 0)), (65_535, 5_000));
        // 0x11 was lost: a gap stays a gap, and filling it late changes nothing behind.
        assert_eq!(send(&mut rewriter, &original(0x1_0012, 8_600, 40)), (1, 8_600));
        assert_eq!(send(&mut rewriter, &original(0x1_0011, 5_000, 41)), (0, 5_000));
        let other = original(0x1_9000, 4_000_000_000, 80);
        rewriter.begin(&other, HZ);
        assert_eq!(send(&mut rewriter, &other), (2, 8_600 + 3_600));
        assert_eq!(send(&mut rewriter, &original(0x1_9001, 4_000_003_600, 120)), (3, 8_600 + 7_200));
        // And back, a low number after a high one.
        let back = original(0x1_0014, 12_200, 120);
        rewriter.begin(&back, HZ);
        assert_eq!(send(&mut rewriter, &back), (4, 8_600 + 7_200 + 1));
        assert_eq!(send(&mut rewriter, &original(0x1_0015, 12_200, 120)), (5, 8_600 + 7_200 + 1));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_turn_time_back() {
        assert_eq!((ticks(-5, HZ), ticks(0, HZ), ticks(1_000_000_000, 48_000)), (1, 1, 48_000));
        // Two weeks wrap the time stamp, as the source's own would have.
        assert_eq!(ticks(1_209_600 * 1_000_000_000, HZ), (1_209_600_u64 * 90_000) as u32);
    }
}
