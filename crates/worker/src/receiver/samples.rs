//! What a packet brings of a picture: its sound segments, read once.

use netio::PacketBuf;
use rtp::RtpHeader;
use st2110::srd::{self, SampleGrid, Segment, SegmentError};

use crate::counters::ReceiverCounters;

/// Segments that are kept: as many as ST 2110-20 allows in a packet (§6.1.4). RFC 4175 allows any number: those of a packet
/// that has more are read again.
const KEPT: usize = 3;

/// The sound segments of a packet; there is one at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples {
    kept: [Segment; KEPT],
    count: u16,
    /// End of the last one's samples in the RTP payload.
    end: u32,
}

impl Samples {
    /// Nothing yet.
    #[inline]
    pub(super) fn none() -> Self {
        Self { kept: [Segment::default(); KEPT], count: 0, end: 0 }
    }

    /// One segment.
    pub(super) fn sole(segment: Segment) -> Self {
        let mut samples = Self { end: segment.payload_end(), count: 1, ..Self::none() };
        samples.kept[0] = segment;
        samples
    }

    /// Reads a packet's payload header; what is wrong with it is counted. Whether it brings anything.
    ///
    /// It is read to where it stays: a copy of what was just written waits for all stores before it, and those are the
    /// octets of the packet before, on their way to memory.
    #[inline]
    pub(super) fn read<B: PacketBuf>(
        &mut self,
        packet: &B,
        header: &RtpHeader,
        grid: &SampleGrid,
        counters: &ReceiverCounters,
    ) -> bool {
        let payload = header.payload();
        let Ok(parsed) = srd::parse(packet.head().get(payload.start..).unwrap_or_default(), payload.len()) else {
            counters.payload_malformed.add(1);
            return false;
        };
        for segment in parsed.segments_on(grid) {
            match segment {
                Ok(segment) => {
                    self.end = segment.payload_end();
                    if let Some(kept) = self.kept.get_mut(usize::from(self.count)) {
                        *kept = segment;
                    }
                    self.count += 1;
                }
                Err(error) => count(counters, error),
            }
        }
        self.count > 0
    }

    /// Octets of an RTP payload behind the samples.
    #[inline]
    pub(super) fn trailing(&self, header: &RtpHeader) -> u64 {
        header.payload_octets() as u64 - u64::from(self.end)
    }

    /// The segments in their order, unless there are too many of them: then [`read_again`] tells.
    #[inline]
    pub(super) fn kept(&self) -> Option<&[Segment]> {
        self.kept.get(..usize::from(self.count))
    }
}

/// Reads the sound segments of a packet that has many.
pub(super) fn read_again<'a, B: PacketBuf>(
    packet: &'a B,
    header: &RtpHeader,
    grid: &SampleGrid,
) -> impl Iterator<Item = Segment> + use<'a, B> {
    let payload = header.payload();
    let head = packet.head().get(payload.start..).unwrap_or_default();
    let parsed = srd::parse(head, payload.len()).ok();
    parsed.map(|parsed| parsed.segments_on(grid)).into_iter().flatten().flatten()
}

#[cold]
fn count(counters: &ReceiverCounters, error: SegmentError) {
    let counter = match error {
        SegmentError::Row => &counters.segment_row,
        SegmentError::Offset | SegmentError::OffsetUnaligned | SegmentError::RowEnd => &counters.segment_offset,
        SegmentError::Zero | SegmentError::LengthUnaligned => &counters.segment_length,
        SegmentError::Truncated => &counters.segment_truncated,
        SegmentError::Field => &counters.segment_field,
    };
    counter.add(1);
}
