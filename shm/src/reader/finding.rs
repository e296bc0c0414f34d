//! Where a grain is: by its descriptor, or by the slot that still holds it.

use std::mem::offset_of;

use media::{GrainIndex, RtpTimestamp, Tai};

use super::{FrameReader, ReadError};
use crate::atomics::{Ordering, fence};
use crate::directory::{Directory, Place};
use crate::epoch_end::EpochEnd;
use crate::grain::{GrainRef, GrainStamp};
use crate::layout::{DescWords, SlotWords};
use crate::seed::sound;

impl FrameReader {
    /// The least grain that was opened and not passed yet; holes are skipped. It may be gone by the time it is
    /// leased; ask again then. What is held for this reader is always found, however indices leap.
    #[must_use]
    pub fn next_available(&self) -> Option<GrainIndex> {
        let newest = self.newest()?.0;
        if newest < self.next {
            return None;
        }
        if self.directory().described(self.next) == self.next + 1 {
            return Some(GrainIndex(self.next));
        }
        // What is described beyond it is not opened yet, or never will be.
        self.grains_below(newest + 1).map(|(index, _)| index).min()
    }

    /// The oldest grain that was not passed and is still in its slot. It may be gone by the time it is leased.
    #[must_use]
    pub fn oldest(&self) -> Option<GrainIndex> {
        let end = self.newest()?.0 + 1;
        let there = self.grains_below(end).filter(|(index, place)| self.locate_at(*index, *place).is_some());
        there.map(|(index, _)| index).min()
    }

    /// Grains that are named and not passed, with indices below `end`; each at most once, in no order.
    pub(super) fn grains_below(&self, end: u64) -> impl Iterator<Item = (GrainIndex, Place)> {
        self.directory().grains(self.next..end)
    }

    /// A grain that was opened, and whose slot still holds it. What is gone is so without advice: see [`Self::gone`].
    pub(super) fn find(&self, index: GrainIndex) -> Result<(GrainRef, GrainStamp), ReadError> {
        let newest = self.newest();
        if newest.is_none_or(|newest| index > newest) {
            return Err(self.not_yet(index, newest));
        }
        self.locate(index).ok_or(ReadError::Gone { index, oldest: None })
    }

    /// The grain at the place where it was named; none if the slot holds another.
    pub(super) fn locate_at(&self, index: GrainIndex, place: Place) -> Option<(GrainRef, GrainStamp)> {
        match place {
            // A later grain may have the descriptor by now.
            Place::Described => self.locate(index),
            Place::Lodged(slot) => self.locate_lodged(index, slot),
        }
    }

    fn locate(&self, index: GrainIndex) -> Option<(GrainRef, GrainStamp)> {
        let Some((slot, q, stamp)) = self.read_descriptor(index) else {
            return self.locate_lodged(index, self.directory().slot_of(index)?);
        };
        let slot = u16::try_from(slot).ok().filter(|slot| *slot < self.geometry().slots)?;
        let grain = GrainRef { index, slot, q };
        self.member.state(&grain).ok()?;
        Some((grain, stamp))
    }

    /// Slot, its lap, and the stamp, as the descriptor says; none if it is another grain's.
    fn read_descriptor(&self, index: GrainIndex) -> Option<(u64, u64, GrainStamp)> {
        let announced = index.0.checked_add(1).filter(|word| self.directory().described(index.0) == *word)?;
        let control = self.member.control();
        let at = self.member.layout().desc(index.0);
        let slot = control.load(at + offset_of!(DescWords, slot));
        let q = control.load(at + offset_of!(DescWords, q));
        let tai = control.load(at + offset_of!(DescWords, tai));
        let rtp = control.load(at + offset_of!(DescWords, rtp));
        sound!(fence(Ordering::Acquire), unless DescUnchecked); // pairs with the Release fence in FrameWriter::describe
        (control.load(at + offset_of!(DescWords, index)) == announced).then(|| (slot, q, stamp(tai, rtp)))
    }

    /// Reads a slot that names the grain; none if it holds another by now.
    fn locate_lodged(&self, index: GrainIndex, slot: u16) -> Option<(GrainRef, GrainStamp)> {
        let control = self.member.control();
        let at = self.member.layout().slot(slot);
        // Pairs with FrameWriter::begin_slot: what follows is of this lap, or of a later one.
        let q = control.load_acquire(at + offset_of!(SlotWords, progress)) >> 16;
        let lodged = control.load(at + offset_of!(SlotWords, index));
        let tai = control.load(at + offset_of!(SlotWords, tai));
        let rtp = control.load(at + offset_of!(SlotWords, rtp));
        let grain = GrainRef { index, slot, q };
        (lodged == index.0 + 1 && self.member.lap_holds(&grain)).then_some((grain, stamp(tai, rtp)))
    }

    fn directory(&self) -> Directory<'_> {
        Directory::new(self.member.control(), self.member.layout())
    }

    /// A grain that is not there, and may come: unless the epoch is over, and that grain was not opened meanwhile.
    #[cold]
    fn not_yet(&self, index: GrainIndex, newest: Option<GrainIndex>) -> ReadError {
        match self.conclusion() {
            Some(EpochEnd { end, successor }) if sound!(index >= end, unless EndForAll => true) => {
                ReadError::EpochEnded { end, successor }
            }
            _ => ReadError::NotYet { index, newest },
        }
    }

    /// That a grain is gone, with the oldest that is not: a look at all that are named.
    #[cold]
    pub(super) fn gone(&self, index: GrainIndex) -> ReadError {
        // A model pays for each load, and nothing there depends on the advice.
        let oldest = if cfg!(loom) { None } else { self.oldest() };
        ReadError::Gone { index, oldest }
    }
}

fn stamp(tai: u64, rtp: u64) -> GrainStamp {
    GrainStamp { tai: Tai::from_nanos(tai as i64), rtp: RtpTimestamp(rtp as u32) }
}
