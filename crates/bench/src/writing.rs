//! A writer in this process with consumers that keep up: for what the writer itself spends. It looks at no clock, so
//! that nothing is counted but the ring.

use anyhow::Result;
use media::{GrainIndex, Tai};
use shm::{FrameReader, FrameWriter, GrainEnd, GrainKey, GrainStamp, IdentityPlacement, PagePolicy};

use crate::FrameSize;
use crate::flow::Flow;
use crate::ring::{LEASED, slots_for};

/// Slots, however many consumers: they hold nothing here.
const SLOTS: u16 = slots_for(1);

/// See the file's head.
#[derive(Debug)]
pub struct Writing {
    writer: FrameWriter,
    readers: Vec<FrameReader>,
    next: u64,
}

impl Writing {
    /// A ring of frames of `size` whose `consumers` seats are taken.
    ///
    /// # Errors
    /// When there is no memory for it.
    ///
    /// # Panics
    /// Never: the name is one.
    pub fn new(size: FrameSize, consumers: u8) -> Result<Self> {
        let format = size.format();
        let (mut flow, mut writer) = Flow::create("bench", format, SLOTS, PagePolicy::Prefer, &IdentityPlacement)?;
        let readers = (0..consumers).map(|_| flow.join(&mut writer, LEASED)).collect::<Result<_>>()?;
        Ok(Self { writer, readers, next: 0 })
    }

    /// Lines of a frame.
    #[must_use]
    pub fn lines(&self) -> u16 {
        self.writer.geometry().slices
    }

    /// Opens the next grain.
    ///
    /// # Panics
    /// When there is no slot: the consumers keep up, so that would be a fault of the ring.
    #[inline(never)]
    pub fn open(&mut self) -> GrainKey {
        let index = GrainIndex(self.next);
        self.next += 1;
        self.writer.open(index, GrainStamp::default(), instant(index)).expect("the consumers keep up")
    }

    /// Publishes so many lines, one after the other.
    #[inline(never)]
    pub fn publish(&mut self, grain: GrainKey, lines: u16) {
        for line in 1..=lines {
            self.writer.publish(grain, line);
        }
    }

    /// Commits the grain.
    #[inline(never)]
    pub fn commit(&mut self, grain: GrainKey) {
        self.writer.commit(grain, GrainEnd::default());
    }

    /// The first consumer.
    ///
    /// # Panics
    /// Without one.
    pub fn reader(&mut self) -> &mut FrameReader {
        &mut self.readers[0]
    }

    /// All consumers pass what there is.
    pub fn keep_up(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.skip_to(GrainIndex(self.next)));
    }
}

/// The instant of a grain, 50 a second.
fn instant(index: GrainIndex) -> Tai {
    Tai::from_nanos(index.0 as i64 * 20_000_000)
}
