//! A bystander's view of a ring, for status: how far the writer is, who is seated, how far each has come.

use std::mem::offset_of;

use media::GrainIndex;

use crate::consumer::{CONSUMERS_MAX, SeatStatus};
use crate::directory::Directory;
use crate::geometry::Geometry;
use crate::layout::{self, Layout, SeatWords};
use crate::lease_page;
use crate::mapping::Mapping;
use crate::writer::RingError;

/// Reads a control region that may hold anything; every answer is clamped and for display only.
#[derive(Debug)]
pub struct RingProbe {
    control: Mapping,
    layout: Layout,
}

impl RingProbe {
    /// A probe of a control region mapped read-only.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn new(geometry: &Geometry, control: Mapping) -> Result<Self, RingError> {
        geometry.check()?;
        let (octets, wanted) = (control.octets() as u64, geometry.control_octets());
        if octets < wanted {
            return Err(RingError::Short { octets, wanted });
        }
        Ok(Self { control, layout: Layout::of(geometry) })
    }

    /// The newest grain that was opened.
    #[must_use]
    pub fn newest(&self) -> Option<GrainIndex> {
        self.index_below(layout::OPENED) // pairs with FrameWriter::open
    }

    /// The newest grain that was committed.
    #[must_use]
    pub fn head(&self) -> Option<GrainIndex> {
        self.index_below(layout::HEAD) // pairs with FrameWriter::commit
    }

    /// Counts the writer's polls: standing still means that the writer does.
    #[must_use]
    pub fn heartbeat(&self) -> u64 {
        self.control.load(layout::HEARTBEAT)
    }

    /// The writer's verdict on a seat; empty when there is no such seat.
    #[must_use]
    pub fn status(&self, consumer: u8) -> SeatStatus {
        if consumer >= CONSUMERS_MAX {
            return SeatStatus::Empty;
        }
        SeatStatus::decode(self.control.load_acquire(layout::seat(consumer) + offset_of!(SeatWords, status)))
    }

    /// Grains that a consumer has yet to release or pass, of those that are still named.
    #[must_use]
    pub fn lag(&self, lease: &Mapping) -> u64 {
        let cursor = lease_page::cursor(lease);
        self.named_from(cursor)
    }

    /// Grains from `first` on that a consumer has yet to release or pass, of those that are still named.
    #[must_use]
    pub fn held(&self, lease: &Mapping, first: GrainIndex) -> u64 {
        let from = lease_page::cursor(lease).max(first.0);
        self.named_from(from)
    }

    /// Indices from `first` to `end` that an evicted consumer has not passed. Its grains are not named for long.
    #[must_use]
    pub fn quarantined(lease: &Mapping, first: GrainIndex, end: GrainIndex) -> u64 {
        end.0.saturating_sub(lease_page::cursor(lease).max(first.0))
    }

    fn named_from(&self, index: u64) -> u64 {
        Directory::new(&self.control, &self.layout).grains(index..u64::MAX).count() as u64
    }

    fn index_below(&self, word: usize) -> Option<GrainIndex> {
        self.control.load_acquire(word).min(GrainIndex::LIMIT).checked_sub(1).map(GrainIndex)
    }
}
