//! Samples that lie one behind the other in a packet as in the picture: the end of a row and the beginning of the next one
//! are copied at once.

use netio::PacketBuf;
use shm::{FrameWriter, GrainKey, Store};
use st2110::srd::Segment;

/// One segment, or several without a gap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// First octet in the grain.
    grain_start: u32,
    /// First octet in the RTP payload.
    payload_start: u32,
    octets: u32,
}

impl Run {
    #[inline]
    pub(super) fn of(segment: &Segment) -> Self {
        let Segment { grain_start, payload_start, octets, .. } = *segment;
        Self { grain_start, payload_start, octets: octets.into() }
    }

    /// Takes the segment in if it lies behind, here and there.
    #[inline]
    pub(super) fn goes_on_with(&mut self, segment: &Segment) -> bool {
        let is_next = segment.grain_start == self.grain_start + self.octets
            && segment.payload_start == self.payload_start + self.octets
            && self.octets > 0;
        self.octets += if is_next { u32::from(segment.octets) } else { 0 };
        is_next
    }
}

/// An open grain that a packet is written into.
pub(super) struct Writing<'a> {
    pub(super) writer: &'a mut FrameWriter,
    pub(super) store: Store,
    pub(super) key: GrainKey,
    /// Octets written so far.
    pub(super) octets: u64,
}

impl Writing<'_> {
    /// Writes a run of a packet whose payload begins at octet `start`.
    #[inline]
    pub(super) fn write<B: PacketBuf>(&mut self, packet: &B, start: usize, run: Run) {
        if run.octets == 0 {
            return;
        }
        let skip = start + run.payload_start as usize;
        match packet.run(skip, run.octets as usize) {
            Some(whole) => {
                // The grain is open, and no line that is published is covered anew.
                let written = self.writer.write_on(self.store, self.key, run.grain_start, whole);
                debug_assert!(written.is_ok(), "{written:?}");
            }
            None => self.write_pieces(packet, skip, run),
        }
        self.octets += u64::from(run.octets);
    }

    /// A run whose octets lie in several buffers.
    #[cold]
    fn write_pieces<B: PacketBuf>(&mut self, packet: &B, skip: usize, run: Run) {
        let (mut offset, mut skip, mut left) = (run.grain_start, skip, run.octets as usize);
        for part in packet.segments() {
            let from = skip.min(part.len());
            let take = left.min(part.len() - from);
            if self.writer.write_on(self.store, self.key, offset, &part[from..from + take]).is_err() {
                break;
            }
            offset += take as u32;
            skip -= from;
            left -= take;
            if left == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lie_behind_one_another_are_one_run() {
        let segment =
            |grain_start, payload_start, octets| Segment { grain_start, payload_start, octets, ..Segment::default() };
        let mut run = Run::of(&segment(4_000, 14, 800));
        assert!(run.goes_on_with(&segment(4_800, 814, 400)));
        assert_eq!(run.octets, 1_200);
        assert!(!run.goes_on_with(&segment(5_300, 1_214, 10)), "a gap in the picture");
        assert!(!run.goes_on_with(&segment(5_200, 1_224, 10)), "a gap in the packet");
        assert!(!Run::default().goes_on_with(&segment(0, 0, 10)), "there is nothing to go on from");
    }
}
