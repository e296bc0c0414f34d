//! Where models play: a ring in model memory, tiny, with the writer and readers that run in production.

use std::sync::Arc;

use loom::thread::JoinHandle;
use media::{Depth, FlowId, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};

use crate::layout::{self, DescWords, Header, LEASE_PAGE_OCTETS, Layout, LeaseWords, RingWords, SeatWords, SlotWords};
use crate::mapping::{Access, Mapping};
use crate::pages::Pages;
use crate::{
    ConsumerClass, FrameReader, FrameWriter, Geometry, GrainEnd, GrainKey, GrainLease, GrainStamp, Mail, Mailbox,
    Notice, OpenError, ReaderParts, RingProbe, Start, Trust,
};

const WORD: usize = size_of::<u64>();

/// Octets of a slice: one word.
pub(super) const SLICE: usize = WORD;

/// Seats whose words the model has.
const SEATS: u8 = 2;

/// A ring with its writer.
pub(super) struct Stage {
    pub(super) writer: FrameWriter,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) geometry: Geometry,
    pub(super) control: Mapping,
    data: Mapping,
    nonces: u64,
}

impl Stage {
    pub(super) fn new(slots: u16, slices: u16) -> Self {
        Self::with_open(slots, slices, 1)
    }

    /// Where `open_max` grains may be open at a time.
    pub(super) fn with_open(slots: u16, slices: u16, open_max: u16) -> Self {
        let geometry = geometry(slots, slices, open_max);
        let control = Mapping::modelled(geometry.control_octets() as usize, control_words(&geometry));
        let data = Mapping::modelled(geometry.data_octets() as usize, data_words(&geometry));
        let mailbox = Arc::new(Mailbox::new());
        let shared = |mapping: &Mapping| mapping.shared(Access::ReadWrite);
        let writer = FrameWriter::new(geometry, shared(&control), shared(&data), Arc::clone(&mailbox)).unwrap();
        Self { writer, mailbox, geometry, control, data, nonces: 0 }
    }

    /// Asks for a seat; the writer answers when it looks into its mailbox.
    pub(super) fn ask(&mut self, consumer: u8, class: ConsumerClass) -> ReaderParts {
        self.ask_from(consumer, class, Start::Live)
    }

    /// The same, to begin at `start`.
    pub(super) fn ask_from(&mut self, consumer: u8, class: ConsumerClass, start: Start) -> ReaderParts {
        self.nonces += 1;
        let nonce = self.nonces;
        let lease = Mapping::modelled(LEASE_PAGE_OCTETS, lease_words());
        let shown = Arc::new(lease.shared(Access::ReadOnly));
        let mail = Mail::Join { consumer, class, start, lease: shown, nonce };
        let mut posted = self.mailbox.post(mail);
        // Somebody else posts.
        while let Err(mail) = posted {
            loom::thread::yield_now();
            posted = self.mailbox.post(mail);
        }
        ReaderParts {
            geometry: self.geometry,
            control: self.control.shared(Access::ReadOnly),
            data: self.data.shared(Access::ReadOnly).into(),
            lease,
            consumer,
            class,
            nonce,
            trust: Trust::Gateway,
            life: None,
        }
    }

    /// Joins, before anything runs beside the writer.
    pub(super) fn join(&mut self, consumer: u8, class: ConsumerClass) -> FrameReader {
        self.join_with_page(consumer, class).0
    }

    /// The same, with the lease page as the producer has it.
    pub(super) fn join_with_page(&mut self, consumer: u8, class: ConsumerClass) -> (FrameReader, Mapping) {
        let parts = self.ask(consumer, class);
        let page = parts.lease.shared(Access::ReadOnly);
        self.writer.poll(Tai::EPOCH);
        let mut notices = std::iter::from_fn(|| self.mailbox.take_notice());
        assert!(notices.any(|notice| matches!(notice, Notice::Joined { .. })), "no welcome");
        (FrameReader::new(parts).unwrap(), page)
    }

    pub(super) fn open(&mut self, index: u64) -> Result<(), OpenError> {
        self.writer.open(GrainIndex(index), stamp(index), Tai::EPOCH).map(|_| ())
    }

    /// A bystander's view.
    pub(super) fn probe(&self) -> RingProbe {
        RingProbe::new(&self.geometry, self.control.shared(Access::ReadOnly)).unwrap()
    }

    /// Writes slice `slice` of an open grain, and publishes up to it.
    pub(super) fn slice(&mut self, index: u64, slice: u16) {
        let key = self.key(index);
        let bytes = payload(index, slice).to_ne_bytes();
        self.writer.write(key, u32::from(slice) * SLICE as u32, &bytes).unwrap();
        self.writer.publish(key, slice + 1);
    }

    /// Declares slice `slice` of the newest grain lost, and publishes up to it.
    pub(super) fn lose(&mut self, slice: u16) {
        let key = self.newest();
        self.writer.mark_lost(key, slice);
        self.writer.publish(key, slice + 1);
    }

    /// Commits the newest grain.
    pub(super) fn commit(&mut self) {
        let key = self.newest();
        self.writer.commit(key, GrainEnd::default());
    }

    /// Gives the newest grain up.
    pub(super) fn cancel(&mut self) {
        let key = self.newest();
        self.writer.cancel(key);
    }

    /// Fills and commits an open grain.
    pub(super) fn finish(&mut self, index: u64) {
        (0..self.geometry.slices).for_each(|slice| self.slice(index, slice));
        self.writer.commit(self.key(index), GrainEnd::default());
    }

    /// Opens, fills and commits a grain.
    pub(super) fn grain(&mut self, index: u64) -> Result<(), OpenError> {
        self.open(index)?;
        self.finish(index);
        Ok(())
    }

    fn key(&self, index: u64) -> GrainKey {
        let mut open = self.writer.open_grains().filter(|(of, _)| of.0 == index);
        open.next().expect("an open grain").1
    }

    fn newest(&self) -> GrainKey {
        self.key(self.writer.last().expect("a grain").0)
    }
}

/// A leased class without a deadline.
pub(super) fn leased(k: u16) -> ConsumerClass {
    ConsumerClass::Leased { k, deadline_nanos: i64::MAX }
}

/// A blocking class.
pub(super) fn blocking(k: u16) -> ConsumerClass {
    ConsumerClass::Blocking { k }
}

/// What slice `slice` of grain `index` holds; never 0, and no other slice holds it.
pub(super) fn payload(index: u64, slice: u16) -> u64 {
    (index + 1) << 16 | u64::from(slice)
}

/// What the slices from the top of grain `index` hold.
pub(super) fn payloads(index: u64, slices: u16) -> Vec<u8> {
    (0..slices).flat_map(|slice| payload(index, slice).to_ne_bytes()).collect()
}

/// The stamp of grain `index`; no other grain has it.
pub(super) fn stamp(index: u64) -> GrainStamp {
    GrainStamp { tai: Tai::from_nanos(index as i64 + 1), rtp: RtpTimestamp(index as u32 + 1) }
}

/// Looks at the first `slices` slices of a leased grain in place.
pub(super) fn look(lease: &GrainLease, slices: u16) {
    let lines = lease.lines(0..slices);
    assert_eq!(lines, Some(&*payloads(lease.index().0, slices)), "not the grain");
}

/// Waits for threads of the model.
pub(super) fn join<const N: usize>(threads: [JoinHandle<()>; N]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn geometry(slots: u16, slices: u16, open_max: u16) -> Geometry {
    let flow = FlowId::from_name(&"model".parse::<Name>().unwrap());
    let rate = Rate::new(25, 1).unwrap();
    // Rows of two pgroups of four octets.
    let format = VideoFormat::new(4, u32::from(slices), Sampling::YCbCr422, Depth::Bits8, rate).unwrap();
    let full = Geometry::new(flow, format, slots, open_max, Pages::Plain).unwrap();
    // Random would not be the same in every execution. As many leases as there are slots: models want to see the
    // slots run out.
    Geometry { slot_stride: 64, epoch: 1, k_max: slots, ..full }
}

fn control_words(geometry: &Geometry) -> Vec<usize> {
    let layout = Layout::of(geometry);
    let seats = (0..SEATS).flat_map(|seat| words(layout::seat(seat), SeatWords::FIELDS));
    let slots = (0..geometry.slots).flat_map(|slot| {
        let bitmap = (0..layout.bitmap_words()).map(move |word| layout.bitmap(slot, word));
        words(layout.slot(slot), SlotWords::FIELDS).chain(bitmap)
    });
    let descs = (0..u64::from(geometry.descs)).flat_map(|index| words(layout.desc(index), DescWords::FIELDS));
    words(0, Header::FIELDS)
        .chain(words(layout::HEAD, RingWords::FIELDS))
        .chain(seats)
        .chain(slots)
        .chain(descs)
        .collect()
}

fn data_words(geometry: &Geometry) -> Vec<usize> {
    let Geometry { slots, slices, slot_stride, .. } = *geometry;
    let slots = (0..usize::from(slots)).map(|slot| slot * slot_stride as usize);
    slots.flat_map(|start| (0..usize::from(slices)).map(move |slice| start + slice * SLICE)).collect()
}

fn lease_words() -> impl Iterator<Item = usize> {
    words(0, LeaseWords::FIELDS)
}

/// The words of a block at `at`, but for the spare ones: each word costs time in every execution.
fn words(at: usize, fields: &'static [(&str, usize, usize)]) -> impl Iterator<Item = usize> {
    let used = fields.iter().filter(|(name, ..)| !name.starts_with("spare"));
    used.flat_map(move |(_, offset, octets)| (at + offset..at + offset + octets).step_by(WORD))
}
