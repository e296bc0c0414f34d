//! Who writes grains: several at a time, by pieces, and ends them in any order.

use hwtests::Dice;
use media::{GrainIndex, Tai};
use shm::{FrameWriter, GrainEnd, GrainKey, OpenError};

use crate::grain::{Fate, Grains, PERIOD_NANOS, format};

/// The writing of one epoch.
pub(crate) struct Author {
    grains: Grains,
    /// Of the newest grain.
    index: u64,
    /// Grains so far: the clock by which consumers are late. It does not leap where indices do.
    opened: i64,
    /// As many as may be.
    open_max: usize,
    open: Vec<Unfinished>,
}

struct Unfinished {
    key: GrainKey,
    /// Lines that are written.
    lines: u16,
}

impl Author {
    pub(crate) fn of(writer: &FrameWriter) -> Self {
        let geometry = writer.geometry();
        let (grains, open_max) = (Grains::of(geometry.epoch), geometry.open_max.into());
        Self { grains, index: 0, opened: 0, open_max, open: Vec::new() }
    }

    pub(crate) fn now(&self) -> Tai {
        Tai::from_nanos(self.opened * PERIOD_NANOS)
    }

    /// Opens the next grain, for which another one may have to end.
    pub(crate) fn open(&mut self, writer: &mut FrameWriter, dice: &mut Dice) -> Result<(), OpenError> {
        if self.open.len() == self.open_max {
            let which = dice.below(self.open.len() as u64) as usize;
            while self.write(writer, which, dice) {}
        }
        let index = self.grains.opened_from(self.index + 1);
        let key = writer.open(GrainIndex(index), Grains::stamp(index), self.now())?;
        self.open.push(Unfinished { key, lines: 0 });
        (self.index, self.opened) = (index, self.opened + 1);
        Ok(())
    }

    /// Writes some pieces of what is open.
    pub(crate) fn go_on(&mut self, writer: &mut FrameWriter, dice: &mut Dice) {
        for _ in 0..dice.below(8) {
            if self.open.is_empty() {
                return;
            }
            let which = dice.below(self.open.len() as u64) as usize;
            self.write(writer, which, dice);
        }
    }

    /// Ends all that is open.
    pub(crate) fn finish(&mut self, writer: &mut FrameWriter, dice: &mut Dice) {
        while !self.open.is_empty() {
            let which = dice.below(self.open.len() as u64) as usize;
            self.write(writer, which, dice);
        }
    }

    /// A piece of an open grain, or its end. Whether it is still open.
    fn write(&mut self, writer: &mut FrameWriter, which: usize, dice: &mut Dice) -> bool {
        let Unfinished { key, lines } = self.open[which];
        let fate = self.grains.fate(key.index().0);
        let end = if let Fate::Cancelled(after) = fate { after } else { format().height() };
        if lines < end {
            let next = end.min(lines + dice.between(1, 60) as u16);
            (lines..next).for_each(|line| self.write_line(writer, key, line));
            // A commit publishes what is left.
            if next < end || fate != Fate::Whole || dice.below(2) == 0 {
                writer.publish(key, next);
            }
            self.open[which].lines = next;
            return true;
        }
        match fate {
            Fate::Cancelled(_) => writer.cancel(key),
            _ => writer.commit(key, GrainEnd { first_arrival: self.now(), last_arrival: self.now(), octets: None }),
        }
        self.open.swap_remove(which);
        false
    }

    fn write_line(&self, writer: &mut FrameWriter, key: GrainKey, line: u16) {
        let index = key.index().0;
        if self.grains.is_lost(index, line) {
            writer.mark_lost(key, line);
        } else {
            let offset = u32::from(line) * format().row_octets();
            writer.write(key, offset, &self.grains.line(index, line)).unwrap();
        }
    }
}
