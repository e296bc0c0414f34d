//! Grains of which every octet follows from the epoch, the index and the line: whoever reads one knows what it must be.

use hwtests::dice::mixed;
use media::{Depth, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use shm::{GrainStamp, GrainState};

/// From one grain to the next, on the clock of a writer.
pub(crate) const PERIOD_NANOS: i64 = 20_000_000;

/// 320 × 180: rows of 800 octets, 144 000 a grain.
pub(crate) fn format() -> VideoFormat {
    VideoFormat::new(320, 180, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

/// What becomes of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Never opened.
    Skipped,
    /// Given up after so many lines.
    Cancelled(u16),
    /// Committed.
    Whole,
}

/// The grains of one set of memfds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grains {
    epoch: u64,
}

impl Grains {
    pub(crate) fn of(epoch: u128) -> Self {
        Self { epoch: mixed(&[epoch as u64, (epoch >> 64) as u64]) }
    }

    pub(crate) fn fate(self, index: u64) -> Fate {
        match mixed(&[self.epoch, index]) % 100 {
            _ if self.is_in_a_leap(index) => Fate::Skipped,
            0..5 => Fate::Skipped,
            5..10 => Fate::Cancelled((mixed(&[self.epoch, index, 1]) % 180) as u16),
            _ => Fate::Whole,
        }
    }

    /// Grains come a hundred in a row, or three every 128 indices, which all share their descriptors.
    fn is_in_a_leap(self, index: u64) -> bool {
        let (run, place) = (index / 1024, index % 1024);
        if mixed(&[self.epoch, run, 3]).is_multiple_of(2) { place >= 100 } else { place % 128 >= 3 }
    }

    /// The least index from `index` on that is opened; 0 never is.
    pub(crate) fn opened_from(self, index: u64) -> u64 {
        (index.max(1)..).find(|index| self.fate(*index) != Fate::Skipped).unwrap_or(index)
    }

    /// The instants of a grain.
    pub(crate) fn stamp(index: u64) -> GrainStamp {
        GrainStamp { tai: Tai::from_nanos(index as i64 * PERIOD_NANOS), rtp: RtpTimestamp(index as u32) }
    }

    /// Whether the line is declared lost, and not written.
    pub(crate) fn is_lost(self, index: u64, line: u16) -> bool {
        mixed(&[self.epoch, index, line.into(), 2]).is_multiple_of(97)
    }

    /// The octets of a line, one after the other.
    pub(crate) fn line(self, index: u64, line: u16) -> Vec<u8> {
        self.word(index, line).repeat(format().row_octets() as usize / 8)
    }

    fn word(self, index: u64, line: u16) -> [u8; 8] {
        mixed(&[self.epoch, index, line.into()]).to_le_bytes()
    }

    /// The first of `lines` (from line `first` on) that is not what it must be. One that was lost has what an earlier
    /// grain left: the whole of one row, nothing that is mixed of two.
    pub(crate) fn wrong_line(self, index: u64, first: u16, lines: &[u8]) -> Option<u16> {
        let rows = lines.chunks_exact(format().row_octets() as usize).zip(first..);
        let mut wrong = rows.filter(|(row, line)| {
            let expected = if self.is_lost(index, *line) { front(row) } else { self.word(index, *line) };
            row.chunks_exact(8).any(|word| word != expected)
        });
        wrong.next().map(|(_, line)| line)
    }

    /// How a grain must stand when it has ended.
    pub(crate) fn end(self, index: u64) -> GrainState {
        let height = format().height();
        let (slices, cancelled) = match self.fate(index) {
            Fate::Cancelled(lines) => (lines, true),
            Fate::Whole | Fate::Skipped => (height, false),
        };
        let lost_lines = (0..slices).map(|line| u16::from(self.is_lost(index, line))).sum();
        let octets = u32::from(slices) * format().row_octets();
        GrainState { slices, complete: !cancelled, cancelled, octets, lost_lines }
    }
}

fn front(row: &[u8]) -> [u8; 8] {
    row.first_chunk().copied().unwrap_or_default()
}
