//! Why the writer does not do what it is asked.

use media::GrainIndex;

use crate::geometry::{Geometry, GeometryError};
use crate::mapping::Mapping;

/// Why a ring cannot be attached to.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The geometry is impossible.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A mapping is smaller than the geometry says.
    #[error("a mapping of {octets} octets is too small: {wanted} are needed")]
    Short {
        /// Octets mapped.
        octets: u64,
        /// Octets that the geometry needs.
        wanted: u64,
    },
    /// The control region has been written before: an epoch has one writer in its life.
    #[error("the control region is already in use: a ring is never reused, create a new region")]
    InUse,
}

/// Why a grain was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The index is not above the last one.
    #[error("grain {index} cannot be opened after {last}: indices must rise")]
    NotMonotone {
        /// What was asked for.
        index: GrainIndex,
        /// The newest grain.
        last: GrainIndex,
    },
    /// The index is 2⁴⁷ or more.
    #[error("grain {index} is beyond the ring's limit of 2^47")]
    Limit {
        /// What was asked for.
        index: GrainIndex,
    },
    /// Every slot is open, the newest, leased or quarantined: the grain is dropped whole and counted.
    #[error("no free slot: consumers hold {held} of {slots}")]
    NoSlot {
        /// Slots of the ring.
        slots: u16,
        /// Those that some consumer holds.
        held: u16,
    },
    /// No slot is free because of a consumer that the writer waits for. Nothing was dropped: try again once it has moved.
    #[error("blocking consumer {consumer} holds the slot that is needed: try again")]
    Held {
        /// The seat of the one that is furthest behind.
        consumer: u8,
    },
    /// The epoch is over: [`crate::FrameWriter::conclude`].
    #[error("the epoch ended at grain {end}: open it in the ring that follows")]
    Concluded {
        /// One past the last grain of the epoch.
        end: GrainIndex,
    },
    /// As many grains are open as the geometry allows.
    #[error("{limit} grains are open, no more can be: commit or cancel one first")]
    TooManyOpen {
        /// [`Geometry::open_max`].
        limit: u16,
    },
}

/// Why bytes were not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The grain is not open: it was committed or cancelled.
    #[error("grain {index} is not open any more")]
    NotOpen {
        /// The grain that the key names.
        index: GrainIndex,
    },
    /// The bytes reach beyond the grain.
    #[error("octets up to {end} lie outside a grain of {grain_octets}")]
    Range {
        /// Where they would end; `u64::MAX` when the range runs backwards.
        end: u64,
        /// Octets of a grain.
        grain_octets: u32,
    },
    /// The bytes lie in slices that are published already: readers may be looking at them.
    #[error("octet {offset} is published: write from {published_octets} on")]
    Published {
        /// Where the bytes would begin.
        offset: u32,
        /// Octets from the top that are published.
        published_octets: u32,
    },
}

pub(crate) fn check_mappings(geometry: &Geometry, control: &Mapping, data: &Mapping) -> Result<(), RingError> {
    geometry.check()?;
    for (mapping, wanted) in [(control, geometry.control_octets()), (data, geometry.data_octets())] {
        let octets = mapping.octets() as u64;
        if octets < wanted {
            return Err(RingError::Short { octets, wanted });
        }
    }
    Ok(())
}
