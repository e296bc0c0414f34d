//! The layout of the control region (A) and of a lease page (C), version [`ABI`].
//!
//! Everything is a 64-bit little-endian word; every block that one party writes by itself starts on its own
//! 128-octet line.
//!
//! ```text
//! A   0      Header         geometry, repeated as a check
//!     256    RingWords      head, opened, concluded, successor, open | heartbeat, tick
//!     512    SeatWords      one line per consumer × 64
//!     8704   SlotWords      per slot: generation, progress, index | end fields | lost-line bitmap, padded to a line
//!     …      DescWords      one line per descriptor × M
//! C   0      LeaseWords     cursor | ack | want
//! ```
//!
//! Words that mean an index say "none" by 0: `head` and `opened` are one past the index, and so is the index
//! of a descriptor. A fresh, zeroed region is thereby a valid empty ring.

#[cfg(test)]
mod tests;

use std::mem::{offset_of, size_of};

use media::{AudioDepth, FlowFormat};

use crate::consumer::CONSUMERS_MAX;
use crate::geometry::Geometry;
use crate::pages::PLAIN_PAGE_OCTETS;

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("the ring's words are 64-bit little-endian");

/// The version of both layouts; a reader refuses any other.
pub(crate) const ABI: u64 = 1;

/// First word of A.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"FLYPRING");

/// The unit of false sharing: two cache lines, because prefetchers pull them in pairs.
pub(crate) const LINE: usize = 128;

/// Places of a writer for open grains.
const OPEN_PLACES: usize = Geometry::OPEN_MAX as usize;

/// Octets of a lease page (C).
pub(crate) const LEASE_PAGE_OCTETS: usize = PLAIN_PAGE_OCTETS as usize;

/// Structs that never are values: they only give the offsets of words in shared memory.
macro_rules! shared_words {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C, align(128))]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $type,)* }

        #[cfg(all(test, loom))]
        impl $name {
            /// Name, offset and octets of each field.
            pub(crate) const FIELDS: &[(&str, usize, usize)] =
                &[$((stringify!($field), offset_of!($name, $field), size_of::<$type>()),)*];
        }
    };
}

shared_words! {
    /// Two lines at 0.
    Header {
        /// [`MAGIC`], stored last.
        magic: u64,
        /// [`ABI`].
        abi: u64,
        control_octets: u64,
        data_octets: u64,
        epoch_low: u64,
        epoch_high: u64,
        /// The UUID's octets in their order.
        flow: [u64; 2],
        slots: u64,
        slot_stride: u64,
        descs: u64,
        slices: u64,
        slice_octets: u64,
        grain_octets: u64,
        k_max: u64,
        /// Numerator below, denominator above.
        rate: u64,
        /// 16 bits each from below. Pictures: width, height, bits per sample, 0. Audio: channels, samples of a block,
        /// depth (1 L16, 2 L24, 3 F32), 1. Ancillary: 0, 0, 0, 2.
        picture: u64,
        /// Nanoseconds, two's complement.
        tai_base: u64,
        /// [`NUMA_UNKNOWN`] until a placement tells.
        numa: u64,
        /// Most open grains, less one: who wrote nothing here has one.
        open_more: u64,
    }
}

/// The header's NUMA node when nobody has placed the region.
pub(crate) const NUMA_UNKNOWN: u64 = u64::MAX;

/// Where [`Header`] says it, as a word's number.
pub(crate) const NUMA_WORD: usize = offset_of!(Header, numa) / size_of::<u64>();

shared_words! {
    /// Two lines at 256.
    RingWords {
        /// One past the greatest committed index.
        head: u64,
        /// One past the newest opened index.
        opened: u64,
        /// Once the epoch is concluded, two past its last index: one past its end.
        concluded: u64,
        /// The epoch that follows; 0 when none was named.
        successor_low: u64,
        successor_high: u64,
        /// One past the slot of the grain that was opened last in each of the writer's places; it may have ended.
        open: [u64; OPEN_PLACES],
        spare: [u64; 3],
        /// Counts the writer's polls.
        heartbeat: u64,
        /// Not 0 while the housekeeping waker polls: a sleeper need not ring.
        tick: u64,
    }
}

shared_words! {
    /// One line per consumer.
    SeatWords {
        /// `SeatStatus`.
        status: u64,
        /// Whose status it is.
        nonce: u64,
        /// Counts the wakes of this seat; a shared futex on its low half.
        futex: u64,
    }
}

shared_words! {
    /// Two lines and the bitmap per slot.
    SlotWords {
        /// 2q + 1 open, 2q + 2 closed; q is the slot's own sequence.
        generation: u64,
        /// q above 16 bits of slices.
        progress: u64,
        /// One past the index of the grain in it: indices leap, and another grain may have taken its descriptor.
        index: u64,
        spare: [u64; 13],
        /// [`FLAG_CANCELLED`].
        flags: u64,
        /// Octets of the grain.
        octets: u64,
        /// As in the descriptor.
        tai: u64,
        rtp: u64,
        first_arrival: u64,
        last_arrival: u64,
        lost_lines: u64,
    }
}

/// The grain was cancelled: slices beyond its progress never come.
pub(crate) const FLAG_CANCELLED: u64 = 1;

shared_words! {
    /// One line per descriptor: a seqlock whose sequence is `index`.
    DescWords {
        /// One past the grain index; 0 while the other words change.
        index: u64,
        slot: u64,
        q: u64,
        tai: u64,
        rtp: u64,
    }
}

shared_words! {
    /// Three lines of C.
    LeaseWords {
        /// Least index still in use.
        cursor: u64,
        spare: [u64; 15],
        /// The nonce of an eviction that is acknowledged.
        ack: u64,
        spare2: [u64; 15],
        /// What the consumer sleeps for (`wake::Want`); 0 is nothing.
        want: u64,
    }
}

const RING_AT: usize = 256;
const SEATS_AT: usize = 512;
const SLOTS_AT: usize = SEATS_AT + CONSUMERS_MAX as usize * LINE;
/// The bitmap, from the start of a slot's block.
const BITMAP_AT: usize = size_of::<SlotWords>();

const _: () = {
    assert!(size_of::<Header>() == 256 && offset_of!(Header, numa) == 144);
    assert!(offset_of!(Header, open_more) == 152);
    assert!(offset_of!(Header, flow) == 48 && offset_of!(Header, slots) == 64 && offset_of!(Header, rate) == 120);
    assert!(size_of::<RingWords>() == 256 && offset_of!(RingWords, opened) == 8);
    assert!(offset_of!(RingWords, concluded) == 16 && offset_of!(RingWords, successor_high) == 32);
    assert!(offset_of!(RingWords, open) == 40 && offset_of!(RingWords, heartbeat) == LINE);
    assert!(offset_of!(RingWords, tick) == LINE + 8);
    assert!(size_of::<SeatWords>() == LINE && offset_of!(SeatWords, nonce) == 8);
    assert!(offset_of!(SeatWords, futex) == 16);
    assert!(size_of::<SlotWords>() == 256 && offset_of!(SlotWords, flags) == LINE);
    assert!(offset_of!(SlotWords, progress) == 8 && offset_of!(SlotWords, index) == 16);
    assert!(offset_of!(SlotWords, tai) == 144 && offset_of!(SlotWords, lost_lines) == 176);
    assert!(size_of::<DescWords>() == LINE && offset_of!(DescWords, rtp) == 32);
    assert!(offset_of!(LeaseWords, ack) == LINE && offset_of!(LeaseWords, want) == 2 * LINE);
    assert!(size_of::<LeaseWords>() <= LEASE_PAGE_OCTETS && SLOTS_AT == 8704);
};

pub(crate) const HEAD: usize = RING_AT + offset_of!(RingWords, head);
pub(crate) const OPENED: usize = RING_AT + offset_of!(RingWords, opened);
pub(crate) const CONCLUDED: usize = RING_AT + offset_of!(RingWords, concluded);
pub(crate) const SUCCESSOR_LOW: usize = RING_AT + offset_of!(RingWords, successor_low);
pub(crate) const SUCCESSOR_HIGH: usize = RING_AT + offset_of!(RingWords, successor_high);
pub(crate) const HEARTBEAT: usize = RING_AT + offset_of!(RingWords, heartbeat);
pub(crate) const TICK: usize = RING_AT + offset_of!(RingWords, tick);

/// Offset of the word that names the slot of the open grain in place `place` of the writer's [`Geometry::OPEN_MAX`].
pub(crate) const fn open(place: u8) -> usize {
    RING_AT + offset_of!(RingWords, open) + place as usize * size_of::<u64>()
}

/// Offset of consumer `consumer`'s [`SeatWords`]; the number is below [`CONSUMERS_MAX`].
pub(crate) const fn seat(consumer: u8) -> usize {
    SEATS_AT + consumer as usize * LINE
}

/// Offsets that depend on the geometry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    slots: usize,
    slot_block: usize,
    descs: usize,
    bitmap_words: usize,
}

impl Layout {
    pub(crate) fn of(geometry: &Geometry) -> Self {
        let bitmap_words = usize::from(geometry.slices).div_ceil(64);
        Self {
            slots: usize::from(geometry.slots),
            slot_block: BITMAP_AT + (bitmap_words * size_of::<u64>()).next_multiple_of(LINE),
            descs: usize::from(geometry.descs),
            bitmap_words,
        }
    }

    /// Slots of the ring.
    pub(crate) const fn slots(&self) -> u16 {
        self.slots as u16
    }

    /// Descriptors of the ring.
    pub(crate) const fn descs(&self) -> u64 {
        self.descs as u64
    }

    /// Offset of a slot's [`SlotWords`].
    pub(crate) const fn slot(&self, slot: u16) -> usize {
        SLOTS_AT + slot as usize * self.slot_block
    }

    /// Offset of word `word` of a slot's lost-line bitmap.
    pub(crate) const fn bitmap(&self, slot: u16, word: usize) -> usize {
        self.slot(slot) + BITMAP_AT + word * size_of::<u64>()
    }

    /// Words of a lost-line bitmap.
    pub(crate) const fn bitmap_words(&self) -> usize {
        self.bitmap_words
    }

    /// Offset of the [`DescWords`] that index `index` uses.
    pub(crate) const fn desc(&self, index: u64) -> usize {
        let position = index as usize & (self.descs - 1);
        SLOTS_AT + self.slots * self.slot_block + position * LINE
    }

    /// Octets of A.
    pub(crate) const fn control_octets(&self) -> usize {
        let end = SLOTS_AT + self.slots * self.slot_block + self.descs * LINE;
        end.next_multiple_of(PLAIN_PAGE_OCTETS as usize)
    }
}

/// Words of [`Header`] that carry something.
pub(crate) const HEADER_WORDS: usize = 20;

/// The header of a geometry, word by word from offset 0.
pub(crate) fn header_words(geometry: &Geometry) -> [u64; HEADER_WORDS] {
    let flow = u128::from_le_bytes(geometry.flow.octets());
    let format = geometry.format;
    let rate = format.rate();
    [
        MAGIC,
        ABI,
        geometry.control_octets(),
        geometry.data_octets(),
        geometry.epoch as u64,
        (geometry.epoch >> 64) as u64,
        flow as u64,
        (flow >> 64) as u64,
        u64::from(geometry.slots),
        geometry.slot_stride,
        u64::from(geometry.descs),
        u64::from(geometry.slices),
        u64::from(geometry.slice_octets),
        u64::from(geometry.grain_octets),
        u64::from(geometry.k_max),
        u64::from(rate.num()) | u64::from(rate.den()) << 32,
        format_word(&format),
        geometry.tai_base.as_nanos() as u64,
        NUMA_UNKNOWN,
        u64::from(geometry.open_max.saturating_sub(1)),
    ]
}

/// What tells formats of one rate and one size apart.
fn format_word(format: &FlowFormat) -> u64 {
    let parts = match format {
        FlowFormat::Video(video) => [video.width(), video.height(), u16::from(video.depth().bits()), 0],
        FlowFormat::Audio(audio) => {
            let depth = match audio.depth() {
                AudioDepth::L16 => 1,
                AudioDepth::L24 => 2,
                AudioDepth::F32 => 3,
            };
            [audio.channels(), audio.block_samples(), depth, 1]
        }
        FlowFormat::Ancillary(_) => [0, 0, 0, 2],
    };
    parts.iter().rev().fold(0, |word, part| word << 16 | u64::from(*part))
}
