//! Grains of which every octet follows from the epoch, the index and the line: whoever reads one knows what it must be.

use hwtests::Dice;
use hwtests::dice::mixed;
use media::{Depth, GrainIndex, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use shm::{FrameWriter, GrainEnd, GrainKey, GrainStamp, OpenError};

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
            0..5 => Fate::Skipped,
            5..10 => Fate::Cancelled((mixed(&[self.epoch, index, 1]) % 180) as u16),
            _ => Fate::Whole,
        }
    }

    /// Whether the line is declared lost, and not written.
    pub(crate) fn is_lost(self, index: u64, line: u16) -> bool {
        mixed(&[self.epoch, index, line.into(), 2]).is_multiple_of(97)
    }

    /// The octets of a line, one after the other.
    fn line(self, index: u64, line: u16) -> Vec<u8> {
        let word = mixed(&[self.epoch, index, line.into()]);
        word.to_le_bytes().repeat(format().row_octets() as usize / 8)
    }

    /// The first of `lines` (from line `first` on) that is not what it must be.
    pub(crate) fn wrong_line(self, index: u64, first: u16, lines: &[u8]) -> Option<u16> {
        let rows = lines.chunks_exact(format().row_octets() as usize).zip(first..);
        let mut wrong = rows.filter(|(row, line)| !self.is_lost(index, *line) && **row != self.line(index, *line)[..]);
        wrong.next().map(|(_, line)| line)
    }

    /// The least index from `index` on that is opened.
    pub(crate) fn opened_from(self, index: u64) -> u64 {
        (index..).find(|index| self.fate(*index) != Fate::Skipped).unwrap_or(index)
    }

    /// Opens, writes and ends a grain as its fate is, with pieces and pauses by chance.
    pub(crate) fn write(self, writer: &mut FrameWriter, index: u64, dice: &mut Dice) -> Result<(), OpenError> {
        let now = Tai::from_nanos(index as i64 * PERIOD_NANOS);
        let key = writer.open(GrainIndex(index), GrainStamp { tai: now, rtp: RtpTimestamp(index as u32) }, now)?;
        let fate = self.fate(index);
        let end = if let Fate::Cancelled(after) = fate { after } else { format().height() };
        let mut line = 0;
        while line < end {
            let next = end.min(line + dice.between(1, 60) as u16);
            (line..next).for_each(|line| self.write_line(writer, key, line));
            writer.publish(key, next);
            line = next;
            if dice.below(4) == 0 {
                std::thread::yield_now();
            }
        }
        match fate {
            Fate::Cancelled(_) => writer.cancel(key),
            _ => writer.commit(key, GrainEnd { first_arrival: now, last_arrival: now, octets: None }),
        }
        Ok(())
    }

    fn write_line(self, writer: &mut FrameWriter, key: GrainKey, line: u16) {
        let index = key.index().0;
        if self.is_lost(index, line) {
            writer.mark_lost(key, line);
        } else {
            writer.write(key, u32::from(line) * format().row_octets(), &self.line(index, line)).unwrap();
        }
    }
}
