//! What a reader and its leases share: the mappings, the seat, the table of grains in use.

use std::mem::{MaybeUninit, offset_of};
use std::ops::Range;
use std::os::fd::OwnedFd;

use media::GrainIndex;

use super::lease_table::LeaseTable;
use super::{AcknowledgeError, ReadError, ReaderParts, Trust};
use crate::atomics::{AtomicU64, Ordering, fence};
use crate::consumer::{ConsumerClass, SeatStatus};
use crate::geometry::Geometry;
use crate::grain::{GrainRef, GrainState};
use crate::layout::{self, FLAG_CANCELLED, Layout, SeatWords, SlotWords};
use crate::lease_page;
use crate::mapping::Mapping;
use crate::seed::{planted, sound};
use crate::view::DataView;
use crate::wake::Bed;

/// One membership of one consumer. Geometry and mappings were checked against each other.
#[derive(Debug)]
pub(crate) struct Membership {
    geometry: Geometry,
    layout: Layout,
    control: Mapping,
    data: DataView,
    lease: Mapping,
    consumer: u8,
    class: ConsumerClass,
    nonce: u64,
    trust: Trust,
    table: LeaseTable,
    /// 1 once the eviction is acknowledged.
    ended: AtomicU64,
    /// Whether the writer was seen to have let it in.
    is_seated: bool,
    /// Last field: closed, and so noticed by the broker, when everything is unmapped.
    _life: Option<OwnedFd>,
}

impl Membership {
    pub(super) fn new(parts: ReaderParts) -> Self {
        let ReaderParts { geometry, control, data, lease, consumer, class, nonce, trust, life } = parts;
        let leases = class.holds().unwrap_or(Geometry::LEASES_MAX);
        Self {
            geometry,
            layout: Layout::of(&geometry),
            control,
            data,
            lease,
            consumer,
            class,
            nonce,
            trust,
            table: LeaseTable::new(leases),
            ended: AtomicU64::new(0),
            is_seated: false,
            _life: life,
        }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn control(&self) -> &Mapping {
        &self.control
    }

    pub(crate) fn data(&self) -> &Mapping {
        self.data.mapping()
    }

    pub(super) fn view(&self) -> &DataView {
        &self.data
    }

    /// The writer has let it in; grains below `next` are not its own.
    pub(super) fn sit_down(&mut self, next: u64) {
        self.is_seated = true;
        self.table.skip_to(next);
        lease_page::raise_cursor(&self.lease, next);
    }

    /// What this consumer sleeps on.
    pub(crate) fn bed(&self) -> Bed<'_> {
        Bed { control: &self.control, lease: &self.lease, seat: self.consumer }
    }

    pub(crate) fn table(&self) -> &LeaseTable {
        &self.table
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether the writer keeps what this consumer has in use.
    pub(crate) fn is_held(&self) -> bool {
        self.class.holds().is_some()
    }

    /// The writer's verdict on this membership; an empty seat when it is somebody else's.
    pub(crate) fn status(&self) -> SeatStatus {
        let at = layout::seat(self.consumer);
        planted!(NonceReadFirst => return self.status_nonce_first());
        // Pairs with the writer's `show`.
        let status = self.control.load_acquire(at + offset_of!(SeatWords, status));
        let nonce = self.control.load(at + offset_of!(SeatWords, nonce));
        if nonce == self.nonce { SeatStatus::decode(status) } else { SeatStatus::Empty }
    }

    /// A mistake, for models to find: asks whose status it is before it asks for the status.
    #[cfg(loom)]
    fn status_nonce_first(&self) -> SeatStatus {
        let at = layout::seat(self.consumer);
        let nonce = self.control.load_acquire(at + offset_of!(SeatWords, nonce));
        let status = self.control.load_acquire(at + offset_of!(SeatWords, status));
        if nonce == self.nonce { SeatStatus::decode(status) } else { SeatStatus::Empty }
    }

    /// The bound that grain `index` is at or above, if it is out of this consumer's reach.
    pub(super) fn out_of_reach(&self, index: GrainIndex) -> Option<GrainIndex> {
        let hi = match self.status() {
            _ if self.has_ended() => GrainIndex(0),
            SeatStatus::Live { .. } => return None,
            SeatStatus::Evicted { hi } => hi,
            SeatStatus::Empty => GrainIndex(0),
        };
        (index >= hi).then_some(hi)
    }

    /// Acknowledges the eviction, if no lease is left.
    pub(super) fn end(&self) -> Result<(), AcknowledgeError> {
        match self.table.in_use() {
            0 => {
                self.ended.store(1, Ordering::Relaxed);
                lease_page::acknowledge(&self.lease, self.nonce);
                Ok(())
            }
            leases => Err(AcknowledgeError::InUse(leases)),
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn release(&self, entry: u8) {
        if self.table.release(entry) {
            self.advance();
        }
    }

    /// Shows the writer what is still in use.
    pub(super) fn advance(&self) {
        lease_page::raise_cursor(&self.lease, self.table.cursor());
    }

    /// Slices of a grain that are final: one word, so that a reader that waits for them has one line of the producer's
    /// to wait for.
    #[inline]
    pub(crate) fn slices(&self, grain: &GrainRef) -> Result<u16, ReadError> {
        let at = self.slot_words(grain)?;
        // Pairs with FrameWriter::publish and begin_slot.
        let progress = self.control.load_acquire(at + offset_of!(SlotWords, progress));
        if progress >> 16 != grain.q {
            return Err(gone(grain));
        }
        Ok(((progress & 0xffff) as u16).min(self.geometry.slices))
    }

    /// See [`crate::FrameReader::state`].
    pub(crate) fn state(&self, grain: &GrainRef) -> Result<GrainState, ReadError> {
        let at = self.slot_words(grain)?;
        // Before the progress: a grain that has ended has all its progress. Pairs with FrameWriter::close.
        let generation = self.control.load_acquire(at + offset_of!(SlotWords, generation));
        let slices = self.slices(grain)?;
        let closed = generation == end_generation(grain.q);
        if !closed {
            // The end fields stand on a line of their own, which a reader that follows the slices leaves to the writer.
            let state = GrainState { slices, ..GrainState::default() };
            return if self.lap_holds(grain) { Ok(state) } else { Err(gone(grain)) };
        }
        let flags = self.control.load(at + offset_of!(SlotWords, flags));
        let octets = self.control.load(at + offset_of!(SlotWords, octets));
        let lost_lines = self.control.load(at + offset_of!(SlotWords, lost_lines));
        if !self.lap_holds(grain) {
            return Err(gone(grain));
        }
        let cancelled = flags & FLAG_CANCELLED != 0;
        let complete = !cancelled && slices == self.geometry.slices;
        let most = u32::from(slices) * self.geometry.slice_octets;
        let (octets, lost_lines) = match (complete, cancelled) {
            (false, false) => (0, 0),
            (_, true) => (most, lost_lines),
            (true, false) => (u32::try_from(octets).unwrap_or(u32::MAX).min(most), lost_lines),
        };
        let lost_lines = lost_lines.min(u64::from(self.geometry.slices)) as u16;
        Ok(GrainState { slices, complete, cancelled, octets, lost_lines })
    }

    /// See [`crate::GrainLease::copy_lines`].
    pub(crate) fn copy_lines(&self, grain: &GrainRef, lines: &Range<u16>, out: &mut [u8]) -> Result<(), ReadError> {
        let out = front(out, self.octets_of(lines)?)?;
        self.copy_with(grain, lines, |data, offset| data.copy_out(offset, out))
    }

    /// See [`crate::GrainLease::copy_lines_to`].
    pub(crate) fn copy_lines_to(
        &self,
        grain: &GrainRef,
        lines: &Range<u16>,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), ReadError> {
        let out = front(out, self.octets_of(lines)?)?;
        self.copy_with(grain, lines, |data, offset| data.copy_out_to(offset, out))
    }

    /// Octets of lines that a grain has.
    fn octets_of(&self, lines: &Range<u16>) -> Result<usize, ReadError> {
        if lines.start > lines.end || lines.end > self.geometry.slices {
            let Range { start, end } = *lines;
            return Err(ReadError::Lines { start, end, slices: self.geometry.slices });
        }
        Ok(self.line_octets(lines))
    }

    /// Copies lines that are published, from their offset on, and checks that they were of this very grain.
    fn copy_with(
        &self,
        grain: &GrainRef,
        lines: &Range<u16>,
        copy: impl FnOnce(&Mapping, usize),
    ) -> Result<(), ReadError> {
        if self.slices(grain)? < lines.end {
            return Err(missing(grain, &self.state(grain)?, lines.end));
        }
        copy(self.data(), self.data_offset(grain.slot, lines.start));
        if self.lap_holds(grain) { Ok(()) } else { Err(ReadError::Torn { index: grain.index }) }
    }

    /// See [`crate::GrainLease::copy_bytes`].
    pub(crate) fn copy_grain(&self, grain: &GrainRef, out: &mut [u8]) -> Result<usize, ReadError> {
        let state = self.state(grain)?;
        if !state.is_closed() {
            return Err(missing(grain, &state, self.geometry.slices));
        }
        let octets = state.octets as usize;
        let out = front(out, octets)?;
        self.data().copy_out(self.data_offset(grain.slot, 0), out);
        if self.lap_holds(grain) { Ok(octets) } else { Err(ReadError::Torn { index: grain.index }) }
    }

    /// See [`crate::FrameReader::is_lost`].
    pub(crate) fn is_lost(&self, grain: &GrainRef, line: u16) -> bool {
        line < self.geometry.slices && self.lost_word(grain, line / 64) >> (line % 64) & 1 == 1
    }

    /// Word `word` of the lost-line bitmap, without bits beyond the picture; all of them for a grain that is gone, or of
    /// another ring.
    pub(super) fn lost_word(&self, grain: &GrainRef, word: u16) -> u64 {
        let lines = u64::from(self.geometry.slices).saturating_sub(u64::from(word) * 64);
        let mask = if lines < 64 { (1 << lines) - 1 } else { u64::MAX };
        if self.slot_words(grain).is_err() {
            return mask;
        }
        // Ordered by the acquire of the progress that passed these lines.
        let bits = self.control.load(self.layout.bitmap(grain.slot, usize::from(word)));
        if self.lap_holds(grain) { bits & mask } else { mask }
    }

    /// Octets of `lines`, which lie within the picture.
    pub(crate) fn line_octets(&self, lines: &Range<u16>) -> usize {
        usize::from(lines.end - lines.start) * self.geometry.slice_octets as usize
    }

    /// Offset of a line in the data region.
    pub(crate) fn data_offset(&self, slot: u16, line: u16) -> usize {
        let slot_start = usize::from(slot) * self.geometry.slot_stride as usize;
        slot_start + usize::from(line) * self.geometry.slice_octets as usize
    }

    /// Whether the slot is still in the grain's lap, after everything that was read before.
    pub(super) fn lap_holds(&self, grain: &GrainRef) -> bool {
        sound!(fence(Ordering::Acquire), unless LapUnchecked); // pairs with the Release fence in FrameWriter::begin_slot
        let at = self.layout.slot(grain.slot) + offset_of!(SlotWords, generation);
        let generation = self.control.load(at);
        generation.wrapping_sub(1) / 2 == grain.q
    }

    /// Offset of the grain's slot; a reference of another ring may name a slot that does not exist here.
    fn slot_words(&self, grain: &GrainRef) -> Result<usize, ReadError> {
        if grain.slot < self.geometry.slots { Ok(self.layout.slot(grain.slot)) } else { Err(gone(grain)) }
    }
}

/// Nothing is in use any more, and the writer is told so, for it may be long until the life pipe says it: a child after
/// fork keeps copies of the descriptors. So the seat holds nothing up meanwhile, nor what it left in quarantine.
impl Drop for Membership {
    fn drop(&mut self) {
        if self.is_seated {
            lease_page::raise_cursor(&self.lease, GrainIndex::LIMIT);
            // Counts once it is evicted, before or later.
            lease_page::acknowledge(&self.lease, self.nonce);
        }
    }
}

fn gone(grain: &GrainRef) -> ReadError {
    ReadError::Gone { index: grain.index, oldest: None }
}

/// Why a grain has fewer than `wanted` slices.
fn missing(grain: &GrainRef, state: &GrainState, wanted: u16) -> ReadError {
    let (index, slices) = (grain.index, state.slices);
    if state.cancelled {
        ReadError::Cancelled { index, slices }
    } else {
        ReadError::Unpublished { index, wanted, slices }
    }
}

/// The first `octets` octets of a buffer.
fn front<T>(out: &mut [T], octets: usize) -> Result<&mut [T], ReadError> {
    let room = out.len();
    out.get_mut(..octets).ok_or(ReadError::Size { octets, room })
}

fn end_generation(q: u64) -> u64 {
    q.wrapping_mul(2).wrapping_add(2)
}
