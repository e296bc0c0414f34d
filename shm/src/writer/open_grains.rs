//! The grains that are being written: a table of a few places, and the keys that name them.

use media::GrainIndex;

use crate::geometry::Geometry;

/// One open grain of one writer. Indices rise, so a key that is no longer good never comes to name another grain of
/// its writer; writers do not tell each other's keys apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrainKey {
    index: u64,
    place: u8,
}

impl GrainKey {
    /// The index of the grain.
    #[must_use]
    pub const fn index(&self) -> GrainIndex {
        GrainIndex(self.index)
    }
}

/// A grain being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenGrain {
    pub(super) index: u64,
    pub(super) slot: u16,
    pub(super) q: u64,
    pub(super) slices: u16,
    pub(super) lines_lost: u16,
    /// Where its slot begins in the data region.
    pub(super) start: usize,
    /// Octets of the slices that are published.
    pub(super) published_octets: u32,
}

/// No grain has this index: it is beyond `GrainIndex::LIMIT`.
const VACANT: u64 = u64::MAX;

const PLACES: usize = Geometry::OPEN_MAX as usize;

/// Up to `limit` open grains, each with the bitmap of its lost lines as published.
#[derive(Debug)]
pub(super) struct OpenGrains {
    places: [OpenGrain; PLACES],
    limit: u16,
    lost: Box<[u64]>,
    bitmap_words: usize,
}

impl OpenGrains {
    pub(super) fn new(limit: u16, bitmap_words: usize) -> Self {
        let vacant =
            OpenGrain { index: VACANT, slot: 0, q: 0, slices: 0, lines_lost: 0, start: 0, published_octets: 0 };
        let lost = vec![0; usize::from(limit) * bitmap_words].into_boxed_slice();
        Self { places: [vacant; PLACES], limit, lost, bitmap_words }
    }

    /// Most grains that may be open at a time.
    pub(super) fn limit(&self) -> u16 {
        self.limit
    }

    /// A place for one more grain.
    pub(super) fn vacancy(&self) -> Option<u8> {
        let places = &self.places[..usize::from(self.limit)];
        places.iter().position(|grain| grain.index == VACANT).map(|place| place as u8)
    }

    /// Puts a grain into a place that is vacant; no line of it is lost yet.
    pub(super) fn put(&mut self, place: u8, grain: OpenGrain) -> GrainKey {
        let first = usize::from(place) * self.bitmap_words;
        self.lost[first..first + self.bitmap_words].fill(0);
        self.places[usize::from(place)] = grain;
        GrainKey { index: grain.index, place }
    }

    #[inline]
    pub(super) fn find(&self, key: GrainKey) -> Option<&OpenGrain> {
        let grain = &self.places[usize::from(key.place) % PLACES];
        (grain.index == key.index).then_some(grain)
    }

    #[inline]
    pub(super) fn find_mut(&mut self, key: GrainKey) -> Option<&mut OpenGrain> {
        let grain = &mut self.places[usize::from(key.place) % PLACES];
        (grain.index == key.index).then_some(grain)
    }

    /// Takes a grain out: its key and all copies of it are stale from now on.
    pub(super) fn take(&mut self, key: GrainKey) -> Option<OpenGrain> {
        let grain = *self.find(key)?;
        self.places[usize::from(key.place) % PLACES].index = VACANT;
        Some(grain)
    }

    /// Marks a line of an open grain lost. Returns the word of the bitmap that changed, and its value; none if the line
    /// was marked already.
    pub(super) fn lose(&mut self, key: GrainKey, line: u16) -> Option<(usize, u64)> {
        let word = usize::from(line / 64);
        let bits = &mut self.lost[usize::from(key.place) * self.bitmap_words + word];
        let bit = 1 << (line % 64);
        if *bits & bit != 0 {
            return None;
        }
        *bits |= bit;
        Some((word, *bits))
    }

    /// Open grains and their keys, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = GrainKey> {
        let taken = (0_u8..).zip(&self.places).filter(|(_, grain)| grain.index != VACANT);
        taken.map(|(place, grain)| GrainKey { index: grain.index, place })
    }
}
