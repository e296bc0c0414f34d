//! Which grains a control region names, and where.
//!
//! A grain is named by the descriptor of its index, as long as no later grain has taken that: indices leap, and two
//! grains that are both held may be a multiple of the descriptors apart. Each slot names its grain, too. The words may
//! be a pod's and hold anything: what they say is a hint, to be checked by whoever goes there.

use std::mem::offset_of;
use std::ops::Range;

use media::GrainIndex;

use crate::geometry::Geometry;
use crate::layout::{self, DescWords, Layout, SlotWords};
use crate::mapping::Mapping;

/// Where a grain is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the descriptor of its index.
    Described,
    /// In its slot only.
    Lodged(u16),
}

/// The words by which grains are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory<'a> {
    control: &'a Mapping,
    layout: &'a Layout,
}

impl<'a> Directory<'a> {
    pub(crate) const fn new(control: &'a Mapping, layout: &'a Layout) -> Self {
        Self { control, layout }
    }

    /// One past the index of the grain that has the descriptor of `index`.
    pub(crate) fn described(self, index: u64) -> u64 {
        let at = self.layout.desc(index) + offset_of!(DescWords, index);
        self.control.load_acquire(at) // pairs with FrameWriter::describe
    }

    /// Grains with indices in `range`, each at most once and in no order. All that were opened before the last acquire of
    /// `opened`, and are still in their slots, are among them.
    pub(crate) fn grains(self, range: Range<u64>) -> impl Iterator<Item = (GrainIndex, Place)> + 'a {
        let within = range.clone();
        let described = (0..self.layout.descs()).filter_map(move |position| {
            let index = self.described(position).checked_sub(1)?;
            let is_there = within.contains(&index) && index % self.layout.descs() == position;
            is_there.then_some((GrainIndex(index), Place::Described))
        });
        let lodged = (0..self.layout.slots()).filter_map(move |slot| {
            let index = self.lodged(slot).checked_sub(1).filter(|index| range.contains(index))?;
            (self.described(index) != index + 1).then_some((GrainIndex(index), Place::Lodged(slot)))
        });
        described.chain(lodged)
    }

    /// The slot that names grain `index`.
    #[cold]
    pub(crate) fn slot_of(self, index: GrainIndex) -> Option<u16> {
        (0..self.layout.slots()).find(|slot| self.lodged(*slot).checked_sub(1) == Some(index.0))
    }

    /// The slot that names grain `index`, if the grain is open: a few loads, however many slots there are.
    #[cold]
    pub(crate) fn slot_of_open(self, index: GrainIndex) -> Option<u16> {
        let slots = (0..Geometry::OPEN_MAX as u8).filter_map(|place| {
            let slot = self.control.load(layout::open(place)).checked_sub(1)?;
            u16::try_from(slot).ok().filter(|slot| *slot < self.layout.slots())
        });
        slots.into_iter().find(|slot| self.lodged(*slot).checked_sub(1) == Some(index.0))
    }

    /// One past the index of the grain in `slot`, which is below the slot count. Of a grain that was opened before the
    /// last acquire of `opened` it is there to be seen.
    fn lodged(self, slot: u16) -> u64 {
        self.control.load(self.layout.slot(slot) + offset_of!(SlotWords, index))
    }
}
