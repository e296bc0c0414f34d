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
mod writing;

use std::mem::offset_of;
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
use crate::grain::GrainStamp;
use crate::layout::{self, DescWords, HEADER_WORDS, Layout, SlotWords};
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
    /// Non-temporal stores may not have been fenced yet.
    has_streamed: bool,
}

impl FrameWriter {
    /// The writer of a fresh ring; writes its header. Both mappings are read-write; they may be larger
    /// than the geometry needs.
    ///
    /// For brokers, sessions, tests and benches: who calls it vouches that no other writer has this data region, whatever
    /// control region that has, for slices of both would lend the same octets.
    ///
    /// # Errors
    /// [`RingError`].
    #[doc(hidden)]
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
            has_streamed: false,
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
    /// be called again and again, some times a millisecond where a thread has the turns for it, also while no grain comes,
    /// so that a consumer may join a silent flow.
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
        // Pairs with FrameReader::newest. Without the Release the descriptor may not be seen, but the fence in `describe` shows
        // the slot, where readers look then: so no model can miss it.
        self.control.store_release(layout::OPENED, index.0 + 1);
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
        // For whoever finds another grain in the descriptor: ordered by the Release of `progress`, and of `opened`.
        self.control.store(at + offset_of!(SlotWords, index), index + 1);
        self.control.store(at + offset_of!(SlotWords, tai), stamp.tai.as_nanos() as u64);
        self.control.store(at + offset_of!(SlotWords, rtp), u64::from(stamp.rtp.0));
        // Pairs with FrameReader::locate_lodged: what a slot says of its grain is of the lap whose number is seen.
        let at = at + offset_of!(SlotWords, progress);
        sound!(self.control.store_release(at, q << 16), unless LapRelaxed => self.control.store(at, q << 16));
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
