//! The writer's half of the ring: open, write, publish, commit; one thread, bounded steps.
//!
//! No step allocates, locks or enters the kernel. Of shared memory the writer reads nothing but two words of
//! each lease page, which may hold anything: they are clamped and never an index. What it knows of its slots it
//! knows from its own memory.
//!
//! Publication, with the reader's counterparts: `opened` and a descriptor's index announce a grain, `progress`
//! its slices, `generation` its lap and its end.

mod consumers;
mod counters;
mod history;
#[cfg(test)]
mod model;
mod patience;
mod slots;
#[cfg(test)]
mod tests;

use std::mem::offset_of;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use media::{GrainIndex, Tai};

pub use counters::{SlotAccounts, WriterCounters};

use crate::atomics::{Ordering, fence};
use crate::geometry::{Geometry, GeometryError};
use crate::grain::{GrainEnd, GrainStamp};
use crate::layout::{self, DescWords, FLAG_CANCELLED, HEADER_WORDS, Layout, SlotWords};
use crate::mailbox::Mailbox;
use crate::mapping::Mapping;
use consumers::{Consumers, Turn};
use history::History;
use patience::Patience;
use slots::Slots;

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
    #[error("grain {last} was opened already: indices must rise")]
    NotMonotone {
        /// The newest grain.
        last: GrainIndex,
    },
    /// The index is 2⁴⁷ or more.
    #[error("the index is beyond the ring's limit of 2^47")]
    Limit,
    /// Every slot is leased or quarantined: the grain is dropped whole and counted.
    #[error("no free slot: all are held by consumers")]
    NoSlot,
    /// The grain before is still open.
    #[error("a grain is open: commit or cancel it first")]
    AlreadyOpen,
}

/// Why bytes were not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No grain is open.
    #[error("no grain is open")]
    NotOpen,
    /// The bytes reach beyond the grain.
    #[error("outside the grain")]
    Range,
    /// The bytes lie in slices that are published already: readers may be looking at them.
    #[error("the slice is published")]
    Published,
}

/// The grain being written.
#[derive(Clone, Copy, Debug)]
struct OpenGrain {
    index: u64,
    slot: u16,
    q: u64,
    slices: u16,
    lines_lost: u16,
    stamp: GrainStamp,
}

/// The one writer of a ring.
#[derive(Debug)]
pub struct FrameWriter {
    geometry: Geometry,
    layout: Layout,
    control: Mapping,
    data: Mapping,
    mailbox: Arc<Mailbox>,
    counters: Arc<WriterCounters>,
    slots: Slots,
    consumers: Consumers,
    patience: Patience,
    open: Option<OpenGrain>,
    /// Lost lines of the open grain, as published.
    lost: Box<[u64]>,
    history: History,
    heartbeat: u64,
}

impl FrameWriter {
    /// The writer of a fresh ring; writes its header. Both mappings are read-write; they may be larger
    /// than the geometry needs.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn new(geometry: Geometry, control: Mapping, data: Mapping, mailbox: Arc<Mailbox>) -> Result<Self, RingError> {
        check_mappings(&geometry, &control, &data)?;
        if control.load_acquire(0) != 0 {
            return Err(RingError::InUse);
        }
        let layout = Layout::of(&geometry);
        write_header(&control, &geometry);
        let writer = Self {
            geometry,
            layout,
            control,
            data,
            mailbox,
            counters: Arc::new(WriterCounters::default()),
            slots: Slots::new(geometry.slots),
            consumers: Consumers::new(geometry.k_max),
            patience: Patience::default(),
            open: None,
            lost: vec![0; layout.bitmap_words()].into_boxed_slice(),
            history: History::new(),
            heartbeat: 0,
        };
        writer.publish_accounts();
        Ok(writer)
    }

    /// The ring's geometry.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The counters; they outlive the writer.
    #[must_use]
    pub fn counters(&self) -> Arc<WriterCounters> {
        Arc::clone(&self.counters)
    }

    /// The open grain.
    #[must_use]
    pub fn current(&self) -> Option<GrainIndex> {
        self.open.map(|grain| GrainIndex(grain.index))
    }

    /// The newest grain that was opened.
    #[must_use]
    pub fn last(&self) -> Option<GrainIndex> {
        self.history.end().checked_sub(1).map(GrainIndex)
    }

    /// Slices of the open grain that are published; 0 without one.
    #[must_use]
    pub fn published(&self) -> u16 {
        self.open.map_or(0, |grain| grain.slices)
    }

    /// Where every slot is now.
    #[must_use]
    pub fn slot_accounts(&self) -> SlotAccounts {
        let consumers = &self.consumers;
        self.slots.accounts(|index| consumers.leases(index), |index| consumers.quarantines(index))
    }

    /// Looks after the consumers: lets them join and leave, sees how far they are, evicts those who are late. To
    /// be called on every turn, also while no grain comes, so that a consumer may join a silent flow.
    pub fn poll(&mut self, now: Tai) {
        self.heartbeat = self.heartbeat.wrapping_add(1);
        self.control.store(layout::HEARTBEAT, self.heartbeat);
        if self.look_after(now, Turn::Poll) {
            self.publish_accounts();
        }
    }

    /// Opens grain `index`. From now on consumers see it and its stamp.
    ///
    /// # Errors
    /// [`OpenError`]; the grain before stays as it is.
    pub fn open(&mut self, index: GrainIndex, stamp: GrainStamp, now: Tai) -> Result<(), OpenError> {
        self.check_index(index)?;
        self.look_after(now, Turn::Open);
        let consumers = &self.consumers;
        let newest = self.history.end().checked_sub(1);
        let Some(slot) = self.slots.pick(newest, |held| consumers.holds(held)) else {
            self.counters.count_no_slot();
            self.publish_accounts();
            return Err(OpenError::NoSlot);
        };
        let q = self.slots.open(slot, index.0);
        self.begin_slot(slot, q);
        self.describe(index.0, slot, q, stamp);
        self.history.push(index.0);
        self.control.store_release(layout::OPENED, index.0 + 1); // pairs with FrameReader::newest
        self.open = Some(OpenGrain { index: index.0, slot, q, slices: 0, lines_lost: 0, stamp });
        self.counters.count_opened();
        self.publish_accounts();
        Ok(())
    }

    /// Copies `bytes` to octet `offset` of the open grain.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written then.
    #[inline]
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), WriteError> {
        let at = self.writable_at(offset, bytes.len())?;
        self.data.copy_in(at, bytes);
        Ok(())
    }

    /// Lines of the open grain to write in place; not those that are published.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn lines_mut(&mut self, lines: Range<u16>) -> Result<&mut [u8], WriteError> {
        let count = lines.end.checked_sub(lines.start).ok_or(WriteError::Range)?;
        let offset = u64::from(lines.start) * u64::from(self.geometry.slice_octets);
        let offset = u32::try_from(offset).map_err(|_| WriteError::Range)?;
        let octets = usize::from(count) * self.geometry.slice_octets as usize;
        let at = self.writable_at(offset, octets)?;
        let start = self.data.range(at, octets);
        // SAFETY: in bounds (`range`), mapped for writing as long as `self` lives, borrowed from `&mut self`. No
        // other reference covers it: readers in this process form slices of published lines only, and the slot
        // was not given out while any lease held it. Other processes cannot write here.
        Ok(unsafe { slice::from_raw_parts_mut(start, octets) })
    }

    /// Declares a line of the open grain lost; to be called before the line is published. Without an open
    /// grain, beyond the picture, or twice, it does nothing.
    pub fn mark_lost(&mut self, line: u16) {
        let Some(grain) = &mut self.open else { return };
        if line >= self.geometry.slices || line < grain.slices {
            return;
        }
        let (word, bit) = (usize::from(line / 64), 1 << (line % 64));
        if self.lost[word] & bit == 0 {
            self.lost[word] |= bit;
            grain.lines_lost += 1;
            self.counters.count_lines_lost(1);
            // Ordered by the Release of `progress` that passes the line.
            self.control.store(self.layout.bitmap(grain.slot, word), self.lost[word]);
        }
    }

    /// Publishes the first `slices` slices: each is written, or declared lost. Never goes back, and at
    /// most to the whole grain.
    #[inline]
    pub fn publish(&mut self, slices: u16) {
        let Some(grain) = &mut self.open else { return };
        let slices = slices.min(self.geometry.slices);
        if slices > grain.slices {
            grain.slices = slices;
            let progress = grain.q << 16 | u64::from(slices);
            // Pairs with Membership::state: the bytes and the bitmap are visible before the progress.
            self.control.store_release(self.layout.slot(grain.slot) + offset_of!(SlotWords, progress), progress);
        }
    }

    /// Ends the open grain: publishes all of it. Lines that were neither written nor declared lost show what
    /// an earlier grain left there. Does nothing without an open grain.
    pub fn commit(&mut self, end: GrainEnd) {
        self.publish(self.geometry.slices);
        if let Some(grain) = self.open.take() {
            self.close(&grain, 0, end);
            // A commit is always of the newest index, so `head` never falls.
            self.control.store_release(layout::HEAD, grain.index + 1); // pairs with RingProbe::head
            self.counters.count_committed();
            self.publish_accounts();
        }
    }

    /// Gives the open grain up; what was published stays readable. Does nothing without one.
    pub fn cancel(&mut self) {
        if let Some(grain) = self.open.take() {
            self.close(&grain, FLAG_CANCELLED, GrainEnd::default());
            self.counters.count_cancelled();
            self.publish_accounts();
        }
    }

    fn check_index(&self, index: GrainIndex) -> Result<(), OpenError> {
        if self.open.is_some() {
            return Err(OpenError::AlreadyOpen);
        }
        if index.0 >= GrainIndex::LIMIT {
            return Err(OpenError::Limit);
        }
        match self.last() {
            Some(last) if index <= last => Err(OpenError::NotMonotone { last }),
            _ => Ok(()),
        }
    }

    /// Whether anything about the consumers changed.
    fn look_after(&mut self, now: Tai, turn: Turn) -> bool {
        let at = self.patience.advance(now);
        let mail = self.consumers.drain(&self.mailbox, &self.control, self.history.end(), at);
        let (seen, evicted) = self.consumers.observe(&self.mailbox, &self.control, &self.history, at, turn);
        self.counters.count_evicted(evicted);
        mail || seen
    }

    /// Starts a new lap of a slot. Its words still describe the grain before; a reader that sees any of what
    /// follows, or any later byte, also sees the new `generation`.
    fn begin_slot(&mut self, slot: u16, q: u64) {
        let at = self.layout.slot(slot);
        self.control.store(at + offset_of!(SlotWords, generation), 2 * q + 1);
        // Pairs with the Acquire fence before Membership::lap_holds reads `generation`.
        fence(Ordering::Release);
        self.lost.fill(0);
        for word in 0..self.layout.bitmap_words() {
            self.control.store(self.layout.bitmap(slot, word), 0);
        }
        self.control.store(at + offset_of!(SlotWords, flags), 0);
        // Pairs with Membership::state: no slice of this lap is final yet.
        self.control.store_release(at + offset_of!(SlotWords, progress), q << 16);
    }

    /// Announces the grain in the descriptor of its index: a seqlock.
    fn describe(&self, index: u64, slot: u16, q: u64, stamp: GrainStamp) {
        let at = self.layout.desc(index);
        self.control.store(at + offset_of!(DescWords, index), 0);
        fence(Ordering::Release); // pairs with the Acquire fence in FrameReader::describe
        self.control.store(at + offset_of!(DescWords, slot), u64::from(slot));
        self.control.store(at + offset_of!(DescWords, q), q);
        self.control.store(at + offset_of!(DescWords, tai), stamp.tai.as_nanos() as u64);
        self.control.store(at + offset_of!(DescWords, rtp), u64::from(stamp.rtp.0));
        self.control.store_release(at + offset_of!(DescWords, index), index + 1); // pairs with FrameReader::describe
    }

    fn close(&mut self, grain: &OpenGrain, flags: u64, end: GrainEnd) {
        let at = self.layout.slot(grain.slot);
        let words = [
            (offset_of!(SlotWords, flags), flags),
            (offset_of!(SlotWords, octets), u64::from(self.geometry.grain_octets)),
            (offset_of!(SlotWords, tai), grain.stamp.tai.as_nanos() as u64),
            (offset_of!(SlotWords, rtp), u64::from(grain.stamp.rtp.0)),
            (offset_of!(SlotWords, first_arrival), end.first_arrival.as_nanos() as u64),
            (offset_of!(SlotWords, last_arrival), end.last_arrival.as_nanos() as u64),
            (offset_of!(SlotWords, lost_lines), u64::from(grain.lines_lost)),
        ];
        for (field, value) in words {
            self.control.store(at + field, value);
        }
        // Pairs with Membership::state: the end fields are visible before the end.
        self.control.store_release(at + offset_of!(SlotWords, generation), 2 * grain.q + 2);
        self.slots.close(grain.slot);
    }

    /// Offset in the data region of `octets` octets at `offset` of the open grain, if they may be written.
    fn writable_at(&self, offset: u32, octets: usize) -> Result<usize, WriteError> {
        let grain = self.open.as_ref().ok_or(WriteError::NotOpen)?;
        let end = (offset as usize).checked_add(octets).ok_or(WriteError::Range)?;
        if end > self.geometry.grain_octets as usize {
            return Err(WriteError::Range);
        }
        if u64::from(offset) < u64::from(grain.slices) * u64::from(self.geometry.slice_octets) {
            return Err(WriteError::Published);
        }
        Ok(usize::from(grain.slot) * self.geometry.slot_stride as usize + offset as usize)
    }

    fn publish_accounts(&self) {
        self.counters.set_accounts(self.slot_accounts());
    }
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

fn write_header(control: &Mapping, geometry: &Geometry) {
    let words = layout::header_words(geometry);
    for (word, value) in words.iter().enumerate().take(HEADER_WORDS).skip(1) {
        control.store(word * size_of::<u64>(), *value);
    }
    control.store_release(0, words[0]); // pairs with the header check of FrameReader::new
}
