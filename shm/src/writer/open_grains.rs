//! The grains that are being written: a table of a few places, and the keys that name them.

use media::GrainIndex;

use crate::geometry::Geometry;

/// One open grain of one writer. Indices rise, so a key that is no longer good never comes to name another grain of
/// its writer, nor one of another epoch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrainKey {
    index: u64,
    /// The writer's number above the place.
    tag: u64,
}

const PLACE_BITS: u32 = PLACES.trailing_zeros();

impl GrainKey {
    /// The index of the grain.
    #[must_use]
    pub const fn index(&self) -> GrainIndex {
        GrainIndex(self.index)
    }

    /// Where the table of its writer has it.
    #[inline]
    pub(super) const fn place(self) -> u8 {
        (self.tag % PLACES as u64) as u8
    }
}

/// A grain being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenGrain {
    pub(super) key: GrainKey,
    pub(super) slot: u16,
    pub(super) q: u64,
    pub(super) slices: u16,
    pub(super) lines_lost: u16,
    /// One past the last octet that was written, or lent to be written.
    pub(super) written_octets: u32,
    /// Where its slot begins in the data region.
    pub(super) start: usize,
    /// Octets of the slices that are published.
    pub(super) published_octets: u32,
}

/// No grain has this index: it is beyond `GrainIndex::LIMIT`.
const VACANT: GrainKey = GrainKey { index: u64::MAX, tag: 0 };

const PLACES: usize = Geometry::OPEN_MAX as usize;

/// Up to `limit` open grains, each with the bitmap of its lost lines as published.
#[derive(Debug)]
pub(super) struct OpenGrains {
    places: [OpenGrain; PLACES],
    /// What tells the keys of this writer from those of another, above the bits of the place.
    writer: u64,
    limit: u16,
    lost: Box<[u64]>,
    bitmap_words: usize,
}

impl OpenGrains {
    /// Keys are this epoch's: one epoch has one writer.
    pub(super) fn new(epoch: u128, limit: u16, bitmap_words: usize) -> Self {
        let vacant = OpenGrain {
            key: VACANT,
            slot: 0,
            q: 0,
            slices: 0,
            lines_lost: 0,
            written_octets: 0,
            start: 0,
            published_octets: 0,
        };
        let lost = vec![0; usize::from(limit) * bitmap_words].into_boxed_slice();
        Self { places: [vacant; PLACES], writer: (epoch as u64) << PLACE_BITS, limit, lost, bitmap_words }
    }

    /// Most grains that may be open at a time.
    pub(super) fn limit(&self) -> u16 {
        self.limit
    }

    /// A place for one more grain.
    pub(super) fn vacancy(&self) -> Option<u8> {
        let places = &self.places[..usize::from(self.limit)];
        places.iter().position(|grain| grain.key == VACANT).map(|place| place as u8)
    }

    /// The key of grain `index` in a place.
    pub(super) fn key(&self, index: GrainIndex, place: u8) -> GrainKey {
        GrainKey { index: index.0, tag: self.writer | u64::from(place) }
    }

    /// Puts a grain into the place of its key, which is vacant; no line of it is lost yet.
    pub(super) fn put(&mut self, grain: OpenGrain) {
        let place = usize::from(grain.key.place());
        let first = place * self.bitmap_words;
        self.lost[first..first + self.bitmap_words].fill(0);
        self.places[place] = grain;
    }

    #[inline]
    pub(super) fn find(&self, key: GrainKey) -> Option<&OpenGrain> {
        let grain = &self.places[usize::from(key.place())];
        (grain.key == key).then_some(grain)
    }

    #[inline]
    pub(super) fn find_mut(&mut self, key: GrainKey) -> Option<&mut OpenGrain> {
        let grain = &mut self.places[usize::from(key.place())];
        (grain.key == key).then_some(grain)
    }

    /// Takes a grain out: its key and all copies of it are stale from now on.
    pub(super) fn take(&mut self, key: GrainKey) -> Option<OpenGrain> {
        let grain = *self.find(key)?;
        self.places[usize::from(key.place())].key = VACANT;
        Some(grain)
    }

    /// Marks a line of an open grain lost. Returns the word of the bitmap that changed, and its value; none if the line
    /// was marked already.
    pub(super) fn lose(&mut self, key: GrainKey, line: u16) -> Option<(usize, u64)> {
        let word = usize::from(line / 64);
        let bits = &mut self.lost[usize::from(key.place()) * self.bitmap_words + word];
        let bit = 1 << (line % 64);
        if *bits & bit != 0 {
            return None;
        }
        *bits |= bit;
        Some((word, *bits))
    }

    /// Open grains and their keys, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = GrainKey> {
        self.places.iter().map(|grain| grain.key).filter(|key| *key != VACANT)
    }
}
