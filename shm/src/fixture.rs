//! A whole ring in one process, for tests: region, writer, mailbox, and readers that join and leave.

pub(crate) mod device;

use std::sync::Arc;

use media::{Depth, FlowId, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};

use crate::pages::{PagePolicy, Pages};
use crate::{
    Access, ConsumerClass, FrameReader, FrameWriter, Geometry, GrainEnd, GrainKey, GrainStamp, IdentityPlacement,
    LeasePage, Mail, Mailbox, Mapping, Notice, OpenError, ReaderParts, Region, SealedRegion, Start, Trust,
};

/// A picture of 16 × `height`, 10 bits: rows of 40 octets.
pub(crate) fn format(height: u32) -> VideoFormat {
    VideoFormat::new(16, height, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

/// A geometry whose slots take as little memory as possible.
pub(crate) fn geometry(slots: u16, height: u32) -> Geometry {
    geometry_of(slots, 1, height)
}

/// The same with up to `open_max` open grains.
pub(crate) fn geometry_of(slots: u16, open_max: u16, height: u32) -> Geometry {
    let flow = FlowId::from_name(&"test".parse::<Name>().unwrap());
    let full = Geometry::new(flow, format(height), slots, open_max, Pages::Plain).unwrap();
    Geometry { slot_stride: u64::from(full.grain_octets).next_multiple_of(64), ..full }
}

/// A leased class without a deadline.
pub(crate) fn leased(k: u16) -> ConsumerClass {
    ConsumerClass::Leased { k, deadline_nanos: i64::MAX }
}

pub(crate) struct TestRing {
    pub(crate) writer: FrameWriter,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) region: SealedRegion,
    pub(crate) now: Tai,
    /// The control region once more, writable, for whoever wakes its consumers.
    pub(crate) second_control: Option<Mapping>,
    nonces: u64,
}

/// A consumer of a [`TestRing`].
pub(crate) struct TestConsumer {
    pub(crate) reader: FrameReader,
    pub(crate) page: LeasePage,
    pub(crate) consumer: u8,
    pub(crate) nonce: u64,
}

impl TestRing {
    pub(crate) fn new(slots: u16, height: u32) -> Self {
        Self::with(geometry(slots, height))
    }

    pub(crate) fn with(geometry: Geometry) -> Self {
        Self::of(Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap())
    }

    /// A ring whose producer has kept a second way to write the control region.
    pub(crate) fn with_scribbler(geometry: Geometry) -> (Self, Mapping) {
        let region = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let (control, _data) = region.map_for_writing().unwrap();
        (Self::of(region), control)
    }

    fn of(region: Region) -> Self {
        let (control, data) = region.map_for_writing().unwrap();
        let second_control = region.map_control_for_waking().ok();
        let mailbox = Arc::new(Mailbox::new());
        let writer = FrameWriter::new(*region.geometry(), control, data, Arc::clone(&mailbox)).unwrap();
        Self { writer, mailbox, region: region.seal().unwrap(), now: Tai::EPOCH, second_control, nonces: 0 }
    }

    /// Asks for a seat; the writer answers at its next poll.
    pub(crate) fn ask(&mut self, consumer: u8, class: ConsumerClass) -> (LeasePage, u64) {
        self.ask_from(consumer, class, Start::Live)
    }

    fn ask_from(&mut self, consumer: u8, class: ConsumerClass, start: Start) -> (LeasePage, u64) {
        let page = LeasePage::create().unwrap();
        self.nonces += 1;
        let lease = Arc::new(page.map(Access::ReadOnly).unwrap());
        self.mailbox.post(Mail::Join { consumer, class, start, lease, nonce: self.nonces }).unwrap();
        (page, self.nonces)
    }

    /// Joins and polls; the first notice must be the welcome.
    pub(crate) fn join(&mut self, consumer: u8, class: ConsumerClass) -> TestConsumer {
        self.join_from(consumer, class, Start::Live)
    }

    pub(crate) fn join_from(&mut self, consumer: u8, class: ConsumerClass, start: Start) -> TestConsumer {
        let (page, nonce) = self.ask_from(consumer, class, start);
        self.writer.poll(self.now);
        match self.mailbox.take_notice() {
            Some(Notice::Joined { consumer: seat, nonce: of, .. }) => assert_eq!((seat, of), (consumer, nonce)),
            other => panic!("no welcome but {other:?}"),
        }
        self.attach(page, consumer, nonce, class, Trust::Gateway)
    }

    pub(crate) fn attach(
        &self,
        page: LeasePage,
        consumer: u8,
        nonce: u64,
        class: ConsumerClass,
        trust: Trust,
    ) -> TestConsumer {
        let parts = self.parts(&page, consumer, nonce, class, trust);
        TestConsumer { reader: FrameReader::new(parts).unwrap(), page, consumer, nonce }
    }

    pub(crate) fn parts(
        &self,
        page: &LeasePage,
        consumer: u8,
        nonce: u64,
        class: ConsumerClass,
        trust: Trust,
    ) -> ReaderParts {
        let (control, data) = self.region.map_for_reading().unwrap();
        let lease = page.map(Access::ReadWrite).unwrap();
        ReaderParts {
            geometry: *self.region.geometry(),
            control,
            data,
            lease,
            consumer,
            class,
            nonce,
            trust,
            life: None,
        }
    }

    pub(crate) fn gone(&mut self, consumer: &TestConsumer) {
        let TestConsumer { consumer, nonce, .. } = *consumer;
        self.mailbox.post(Mail::Gone { consumer, nonce }).unwrap();
        self.writer.poll(self.now);
    }

    /// Evicts as the operator does.
    pub(crate) fn evict(&mut self, consumer: &TestConsumer) {
        let TestConsumer { consumer, nonce, .. } = *consumer;
        self.mailbox.post(Mail::Evict { consumer, nonce }).unwrap();
        self.writer.poll(self.now);
    }

    pub(crate) fn open(&mut self, index: u64) -> Result<GrainKey, OpenError> {
        self.writer.open(GrainIndex(index), stamp(index), self.now)
    }

    /// Opens, fills and commits a grain.
    pub(crate) fn grain(&mut self, index: u64) -> Result<(), OpenError> {
        self.open(index)?;
        self.fill(index);
        self.commit(index);
        Ok(())
    }

    /// The key of a grain that is open.
    pub(crate) fn key(&self, index: u64) -> GrainKey {
        self.writer.open_grains().find(|(open, _)| *open == GrainIndex(index)).unwrap().1
    }

    pub(crate) fn commit(&mut self, index: u64) {
        self.writer.commit(self.key(index), GrainEnd::default());
    }

    pub(crate) fn publish(&mut self, index: u64, slices: u16) {
        self.writer.publish(self.key(index), slices);
    }

    pub(crate) fn cancel(&mut self, index: u64) {
        self.writer.cancel(self.key(index));
    }

    /// Writes every line of an open grain that is not published.
    pub(crate) fn fill(&mut self, index: u64) {
        let Geometry { slices, .. } = *self.writer.geometry();
        for line in self.writer.published(self.key(index))..slices {
            self.write_line(index, line);
        }
    }

    pub(crate) fn write_line(&mut self, index: u64, line: u16) {
        let octets = self.writer.geometry().slice_octets;
        let bytes = line_bytes(index, line, octets as usize);
        self.writer.write(self.key(index), u32::from(line) * octets, &bytes).unwrap();
    }

    pub(crate) fn advance(&mut self, nanos: i64) {
        self.now = self.now.plus_nanos(nanos);
    }

    /// The control region, writable, as the writer has it.
    pub(crate) fn writer_control(&self) -> &Mapping {
        self.writer.control()
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        std::iter::from_fn(|| self.mailbox.take_notice()).collect()
    }
}

impl TestConsumer {
    /// The lease page as a hostile consumer writes it.
    pub(crate) fn scribble(&self, words: &[(usize, u64)]) {
        let page: Mapping = self.page.map(Access::ReadWrite).unwrap();
        for (offset, value) in words {
            page.store_release(*offset, *value);
        }
    }
}

pub(crate) fn stamp(index: u64) -> GrainStamp {
    GrainStamp {
        tai: Tai::from_nanos((index as i64).wrapping_mul(40_000_000)),
        rtp: RtpTimestamp((index as u32).wrapping_mul(3600)),
    }
}

/// What [`TestRing::fill`] writes: every octet depends on the grain, the line and its place.
pub(crate) fn line_bytes(index: u64, line: u16, octets: usize) -> Vec<u8> {
    let seed = index.wrapping_mul(31).wrapping_add(u64::from(line) * 7);
    (0..octets as u64).map(|place| seed.wrapping_add(place) as u8).collect()
}
