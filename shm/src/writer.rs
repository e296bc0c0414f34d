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
mod error;
mod history;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod model;
mod open_grains;
mod patience;
mod quarantine;
mod ring_memory;
mod slots;
#[cfg(test)]
mod tests;

use std::mem::offset_of;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use media::{GrainIndex, Tai};

pub use counters::{SlotAccounts, WriterCounters};
pub(crate) use error::check_mappings;
pub use error::{OpenError, RingError, WriteError};
pub use open_grains::GrainKey;
pub use ring_memory::RingMemory;

use crate::atomics::{Ordering, fence};
use crate::epoch_end::{self, Successor};
use crate::geometry::Geometry;
use crate::grain::{GrainEnd, GrainStamp};
use crate::layout::{self, DescWords, FLAG_CANCELLED, HEADER_WORDS, Layout, SlotWords};
use crate::mailbox::Mailbox;
use crate::mapping::{self, Mapping};
use crate::seed::{planted, sound};
use crate::wake::{Reached, Sleepers};
use consumers::{Consumers, Scene, Turn};
use history::History;
use open_grains::{OpenGrain, OpenGrains};
use patience::Patience;
use slots::Slots;

/// The one writer of a ring.
#[derive(Debug)]
pub struct FrameWriter {
    geometry: Geometry,
    layout: Layout,
    control: Mapping,
    data: Arc<Mapping>,
    mailbox: Arc<Mailbox>,
    counters: Arc<WriterCounters>,
    slots: Slots,
    consumers: Consumers,
    patience: Patience,
    open: OpenGrains,
    history: History,
    /// One past the greatest committed index.
    head: u64,
    heartbeat: u64,
    /// Whom this writer wakes itself; none where a thread beside it does.
    sleepers: Option<Arc<Sleepers>>,
    reached: Reached,
    is_concluded: bool,
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
            data: Arc::new(data),
            mailbox,
            counters: Arc::new(WriterCounters::default()),
            slots: Slots::new(geometry.slots),
            consumers: Consumers::new(&geometry),
            patience: Patience::default(),
            open: OpenGrains::new(geometry.epoch, geometry.open_max, layout.bitmap_words()),
            history: History::new(),
            head: 0,
            heartbeat: 0,
            sleepers: None,
            reached: Reached::of(&geometry),
            is_concluded: false,
        };
        writer.publish_accounts();
        Ok(writer)
    }

    /// The same writer, but for what will not wait: blocking consumers are refused.
    #[must_use]
    pub fn without_blocking(mut self) -> Self {
        self.consumers.refuse_blocking();
        self
    }

    /// The ring's geometry.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Keeps the ring's octets mapped where they are, also when the writer has gone over to another ring: for whoever
    /// leaves addresses of [`Self::lines_mut`] in hands that may be late.
    #[must_use]
    pub fn memory(&self) -> RingMemory {
        RingMemory(Arc::clone(&self.data))
    }

    /// The counters; they outlive the writer.
    #[must_use]
    pub fn counters(&self) -> Arc<WriterCounters> {
        Arc::clone(&self.counters)
    }

    /// The grains that are open, in no order.
    pub fn open_grains(&self) -> impl Iterator<Item = (GrainIndex, GrainKey)> {
        self.open.iter().map(|key| (key.index(), key))
    }

    /// The newest grain that was opened.
    #[must_use]
    pub fn last(&self) -> Option<GrainIndex> {
        self.history.end().checked_sub(1).map(GrainIndex)
    }

    /// Slices of an open grain that are published; 0 when it is not open.
    #[must_use]
    pub fn published(&self, key: GrainKey) -> u16 {
        self.open.find(key).map_or(0, |grain| grain.slices)
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
            sound!(self.wake_sleepers(), unless PolledUnwoken);
        }
    }

    /// Opens grain `index`, beside those that are open: up to [`Geometry::open_max`] at a time. From now on consumers
    /// see it and its stamp. Open grains are written and ended in any order.
    ///
    /// # Errors
    /// [`OpenError`]; the grains before stay as they are.
    pub fn open(&mut self, index: GrainIndex, stamp: GrainStamp, now: Tai) -> Result<GrainKey, OpenError> {
        self.check_index(index)?;
        let place = self.open.vacancy().ok_or(OpenError::TooManyOpen { limit: self.open.limit() })?;
        self.look_after(now, Turn::Open);
        let consumers = &self.consumers;
        let newest = self.history.end().checked_sub(1);
        let Some(slot) = self.slots.pick(newest, |held| consumers.holds(held)) else {
            return Err(self.no_slot(newest));
        };
        let q = self.slots.open(slot, index.0);
        self.begin_slot(slot, q, index.0, stamp);
        self.describe(index.0, slot, q, stamp);
        self.history.push(index.0);
        self.control.store(layout::open(place), u64::from(slot) + 1); // ordered by the Release of `opened`
        // Pairs with FrameReader::newest.
        sound!(self.control.store_release(layout::OPENED, index.0 + 1), unless OpenedRelaxed
            => self.control.store(layout::OPENED, index.0 + 1));
        planted!(EvictedLate => crate::seed::settle());
        let start = usize::from(slot) * self.geometry.slot_stride as usize;
        let key = self.open.key(index, place);
        let (slices, lines_lost, written_octets, published_octets) = (0, 0, 0, 0);
        self.open.put(OpenGrain { key, slot, q, slices, lines_lost, written_octets, start, published_octets });
        self.counters.count_opened();
        self.publish_accounts();
        self.wake_sleepers();
        Ok(key)
    }

    /// Copies `bytes` to octet `offset` of an open grain.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written then.
    #[inline]
    pub fn write(&mut self, key: GrainKey, offset: u32, bytes: &[u8]) -> Result<(), WriteError> {
        let at = self.writable_at(key, offset, bytes.len())?;
        self.data.copy_in(at, bytes);
        Ok(())
    }

    /// Lines of an open grain to write in place; not those that are published. Who writes there past the caches, by
    /// non-temporal stores, must fence them (`sfence`) before publishing; `memcpy` does.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn lines_mut(&mut self, key: GrainKey, lines: Range<u16>) -> Result<&mut [u8], WriteError> {
        let outside = |end| WriteError::Range { end, grain_octets: self.geometry.grain_octets };
        let count = lines.end.checked_sub(lines.start).ok_or(outside(u64::MAX))?;
        let offset = u64::from(lines.start) * u64::from(self.geometry.slice_octets);
        let offset = u32::try_from(offset).map_err(|_| outside(offset))?;
        let octets = usize::from(count) * self.geometry.slice_octets as usize;
        let at = self.writable_at(key, offset, octets)?;
        let start = self.data.range(at, octets);
        // SAFETY: in bounds (`range`), mapped for writing as long as `self` lives, borrowed from `&mut self`. No
        // other reference covers it: readers in this process form slices of published lines only, and the slot
        // was not given out while any lease held it. Other processes cannot write here.
        Ok(unsafe { slice::from_raw_parts_mut(start, octets) })
    }

    /// Declares a line of an open grain lost; to be called before the line is published. Of a grain that is not
    /// open, beyond the picture, or twice, it does nothing.
    pub fn mark_lost(&mut self, key: GrainKey, line: u16) {
        let slices = self.geometry.slices;
        let Some(grain) = self.open.find(key).filter(|grain| (grain.slices..slices).contains(&line)) else { return };
        let slot = grain.slot;
        if let Some((word, bits)) = self.open.lose(key, line) {
            // Ordered by the Release of `progress` that passes the line.
            let at = self.layout.bitmap(slot, word);
            sound!(self.control.store(at, bits), unless LostLate => self.control.store_late(at, bits));
            self.open.find_mut(key).into_iter().for_each(|grain| grain.lines_lost += 1);
            self.counters.count_lines_lost(1);
        }
    }

    /// Publishes the first `slices` slices of an open grain: each is written, or declared lost. Never goes back, and
    /// at most to the whole grain.
    #[inline]
    pub fn publish(&mut self, key: GrainKey, slices: u16) {
        self.advance(key, slices);
        self.wake_sleepers();
    }

    #[inline]
    fn advance(&mut self, key: GrainKey, slices: u16) {
        let Some(grain) = self.open.find_mut(key) else { return };
        let slices = slices.min(self.geometry.slices);
        if slices > grain.slices {
            grain.slices = slices;
            // At most the octets of a grain, which are a u32.
            grain.published_octets = u32::from(slices) * self.geometry.slice_octets;
            let progress = grain.q << 16 | u64::from(slices);
            // Pairs with Membership::state: the bytes and the bitmap are visible before the progress.
            let at = self.layout.slot(grain.slot) + offset_of!(SlotWords, progress);
            sound!(self.control.store_release(at, progress), unless ProgressRelaxed => self.control.store(at, progress));
            planted!(LostLate => crate::seed::settle());
        }
    }

    /// Ends an open grain: publishes all of it. Lines that were neither written nor declared lost show what
    /// an earlier grain left there. Does nothing when the grain is not open.
    pub fn commit(&mut self, key: GrainKey, end: GrainEnd) {
        self.advance(key, self.geometry.slices);
        if let Some(grain) = self.open.take(key) {
            self.close(&grain, 0, end);
            // Grains may be committed in any order, so the greatest is kept: `head` never falls.
            self.head = sound!(self.head.max(key.index().0 + 1), unless HeadOfTheLast => key.index().0 + 1);
            // Pairs with RingProbe::head.
            sound!(self.control.store_release(layout::HEAD, self.head), unless HeadRelaxed
                => self.control.store(layout::HEAD, self.head));
            self.counters.count_committed();
            self.counters.count_closed();
            self.wake_sleepers();
        }
    }

    /// Gives an open grain up; what was published stays readable. Does nothing when the grain is not open.
    pub fn cancel(&mut self, key: GrainKey) {
        if let Some(grain) = self.open.take(key) {
            self.close(&grain, FLAG_CANCELLED, GrainEnd::default());
            self.counters.count_cancelled();
            self.counters.count_closed();
            sound!(self.wake_sleepers(), unless CancelledUnwoken);
        }
    }

    /// From now on this writer wakes those of its consumers that sleep. A system call for each, while it does.
    pub(crate) fn wake_inline(&mut self, sleepers: Arc<Sleepers>) {
        self.sleepers = Some(sleepers);
    }

    /// To be called after everything that ends somebody's wait.
    #[inline]
    fn wake_sleepers(&self) {
        if let Some(sleepers) = &self.sleepers {
            sleepers.after_publishing(&self.reached, &self.control);
        }
    }

    #[cfg(test)]
    pub(crate) fn control(&self) -> &Mapping {
        &self.control
    }

    /// Ends the epoch: the newest grain was its last, and `successor` is where the flow goes on. Grains that are open may
    /// still be written and committed; none will be opened. Says it once: another call does nothing.
    pub fn conclude(&mut self, successor: Successor) {
        if !self.is_concluded {
            self.is_concluded = true;
            epoch_end::store(&self.control, self.history.end(), successor);
            sound!(self.wake_sleepers(), unless ConcludedUnwoken);
        }
    }

    fn check_index(&self, index: GrainIndex) -> Result<(), OpenError> {
        if self.is_concluded {
            return Err(OpenError::Concluded { end: GrainIndex(self.history.end()) });
        }
        if index.0 >= GrainIndex::LIMIT {
            return Err(OpenError::Limit { index });
        }
        match self.last() {
            Some(last) if index <= last => Err(OpenError::NotMonotone { index, last }),
            _ => Ok(()),
        }
    }

    /// Why there is no slot: it is a blocking consumer's doing if there were one without the blocking ones.
    #[cold]
    fn no_slot(&mut self, newest: Option<u64>) -> OpenError {
        self.publish_accounts();
        // Somebody may have been evicted for it.
        sound!(self.wake_sleepers(), unless RefusedUnwoken);
        let consumers = &self.consumers;
        if let Some(consumer) = consumers.blocker()
            && self.slots.pick(newest, |index| consumers.holds_anyway(index)).is_some()
        {
            self.counters.count_held();
            return OpenError::Held { consumer };
        }
        self.counters.count_no_slot();
        OpenError::NoSlot { slots: self.geometry.slots, held: self.slots.held(|index| consumers.holds(index)) }
    }

    /// Whether anything about the consumers changed.
    fn look_after(&mut self, now: Tai, turn: Turn) -> bool {
        let at = self.patience.advance(now);
        let Self { mailbox, control, history, slots, consumers, .. } = self;
        let scene = Scene { mailbox, control, history, slots, at };
        let (mail, dismissed) = consumers.drain(&scene);
        let (seen, evicted) = consumers.observe(&scene, turn);
        self.counters.count_evicted(dismissed + evicted);
        mail || seen
    }

    /// Starts a new lap of a slot. Its words still describe the grain before; a reader that sees any of what
    /// follows, or any later byte, also sees the new `generation`. (The fence in `describe` would do for the bytes, but
    /// not for the words in between.)
    fn begin_slot(&mut self, slot: u16, q: u64, index: u64, stamp: GrainStamp) {
        let at = self.layout.slot(slot);
        self.control.store(at + offset_of!(SlotWords, generation), 2 * q + 1);
        // Pairs with the Acquire fence before Membership::lap_holds reads `generation`. The fence in `describe` would do for
        // the payload, but it comes after the words that are cleared here.
        sound!(fence(Ordering::Release), unless LapUnannounced);
        mapping::fence_before_streaming();
        for word in 0..self.layout.bitmap_words() {
            self.control.store(self.layout.bitmap(slot, word), 0);
        }
        self.control.store(at + offset_of!(SlotWords, flags), 0);
        // For whoever finds another grain in the descriptor; ordered by the Release of `progress`, and of `opened`.
        self.control.store(at + offset_of!(SlotWords, index), index + 1);
        self.control.store(at + offset_of!(SlotWords, tai), stamp.tai.as_nanos() as u64);
        self.control.store(at + offset_of!(SlotWords, rtp), u64::from(stamp.rtp.0));
        // Pairs with Membership::state: no slice of this lap is final yet. Whoever comes by `opened` knows that anyway, so
        // no model can miss the Release.
        self.control.store_release(at + offset_of!(SlotWords, progress), q << 16);
    }

    /// Announces the grain in the descriptor of its index: a seqlock.
    fn describe(&self, index: u64, slot: u16, q: u64, stamp: GrainStamp) {
        let at = self.layout.desc(index);
        self.control.store(at + offset_of!(DescWords, index), 0);
        sound!(fence(Ordering::Release), unless DescUnannounced); // pairs with the Acquire fence in FrameReader::read_descriptor
        self.control.store(at + offset_of!(DescWords, slot), u64::from(slot));
        self.control.store(at + offset_of!(DescWords, q), q);
        self.control.store(at + offset_of!(DescWords, tai), stamp.tai.as_nanos() as u64);
        self.control.store(at + offset_of!(DescWords, rtp), u64::from(stamp.rtp.0));
        // Pairs with Directory::described. All of them come by `opened`, which is stored later, so no model can miss the
        // Release.
        self.control.store_release(at + offset_of!(DescWords, index), index + 1);
    }

    fn close(&mut self, grain: &OpenGrain, flags: u64, end: GrainEnd) {
        let whole = self.geometry.grain_octets;
        let is_variable = self.geometry.format.is_variable();
        let octets = if is_variable { end.octets.unwrap_or(grain.written_octets).min(whole) } else { whole };
        let at = self.layout.slot(grain.slot);
        let words = [
            (offset_of!(SlotWords, flags), flags),
            (offset_of!(SlotWords, octets), u64::from(octets)),
            (offset_of!(SlotWords, first_arrival), end.first_arrival.as_nanos() as u64),
            (offset_of!(SlotWords, last_arrival), end.last_arrival.as_nanos() as u64),
            (offset_of!(SlotWords, lost_lines), u64::from(grain.lines_lost)),
        ];
        let end = 2 * grain.q + 2;
        planted!(ClosedEarly => self.control.store_release(at + offset_of!(SlotWords, generation), end));
        for (field, value) in words {
            self.control.store(at + field, value);
        }
        // Pairs with Membership::state: the end fields are visible before the end.
        let at = at + offset_of!(SlotWords, generation);
        sound!(self.control.store_release(at, end), unless ClosedRelaxed => self.control.store(at, end));
        self.slots.close(grain.slot);
    }

    /// Offset in the data region of `octets` octets at `offset` of an open grain, if they may be written.
    #[inline]
    fn writable_at(&mut self, key: GrainKey, offset: u32, octets: usize) -> Result<usize, WriteError> {
        let grain = self.open.find_mut(key).ok_or(WriteError::NotOpen { index: key.index() })?;
        let grain_octets = self.geometry.grain_octets;
        let end = u64::from(offset).saturating_add(octets as u64);
        if end > u64::from(grain_octets) {
            return Err(WriteError::Range { end, grain_octets });
        }
        if offset < grain.published_octets {
            return Err(WriteError::Published { offset, published_octets: grain.published_octets });
        }
        // At most the octets of a grain, which are a u32.
        grain.written_octets = grain.written_octets.max(end as u32);
        Ok(grain.start + offset as usize)
    }

    fn publish_accounts(&self) {
        self.counters.set_accounts(self.slot_accounts());
    }
}

fn write_header(control: &Mapping, geometry: &Geometry) {
    let words = layout::header_words(geometry);
    for (word, value) in words.iter().enumerate().take(HEADER_WORDS).skip(1) {
        control.store(word * size_of::<u64>(), *value);
    }
    control.store_release(0, words[0]); // pairs with the header check of FrameReader::new
}
