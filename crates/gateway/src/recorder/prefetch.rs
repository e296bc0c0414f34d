//! The grains of a recording, read from the disk before their time.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use media::recording::{Entry, Header, RecordingError};

use super::index_file::IndexReader;
use crate::uring::{Block, DirectFile};

/// Grains that are read ahead.
pub(super) const AHEAD: u16 = 6;

/// Why a recording cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrefetchError {
    #[error("the index cannot be read: {0}")]
    Index(io::Error),
    #[error(transparent)]
    Entry(#[from] RecordingError),
    #[error("grain {number} of the recording cannot be read: {cause}")]
    Grain { number: u32, cause: io::Error },
}

/// See the module.
pub(super) struct Prefetch {
    index: IndexReader,
    disk: DirectFile<Block>,
    spare: Vec<Block>,
    queue: VecDeque<Coming>,
    /// How often something was begun to be read, before what is first in the queue.
    passed: u64,
    next: u32,
    repeats: bool,
}

/// A grain in the queue.
pub(super) struct Coming {
    /// What the index says of it.
    pub(super) entry: Entry,
    /// What came of reading it, once that is over.
    read: Option<io::Result<Block>>,
}

impl Prefetch {
    pub(super) fn new(index: IndexReader, disk: DirectFile<Block>, repeats: bool) -> Self {
        let octets = index.header().grain_stride() as usize;
        let spare = (0..AHEAD).map(|_| Block::new(octets)).collect();
        Self { index, disk, spare, queue: VecDeque::new(), passed: 0, next: 0, repeats }
    }

    /// What all grains have in common.
    pub(super) fn header(&self) -> &Header {
        self.index.header()
    }

    /// Begins to read what there is memory for, and takes what was read.
    ///
    /// # Errors
    /// [`PrefetchError`]; what is in the queue before may still be played.
    pub(super) fn turn(&mut self) -> Result<(), PrefetchError> {
        self.take_landed();
        while self.disk.has_room() && (self.next < self.index.grains() || self.repeats) {
            if self.spare.is_empty() {
                break;
            }
            self.next = if self.next < self.index.grains() { self.next } else { 0 };
            let entry = self.index.entry(self.next).map_err(PrefetchError::Index)??;
            let Some(block) = self.spare.pop() else { break };
            let (tag, stride) = (self.passed + self.queue.len() as u64, self.index.header().grain_stride());
            if let Err(block) = self.disk.read(tag, block, stride as u32, entry.offset) {
                self.spare.push(block);
                break;
            }
            self.queue.push_back(Coming { entry, read: None });
            self.next += 1;
        }
        Ok(())
    }

    fn take_landed(&mut self) {
        while let Some(landed) = self.disk.landed() {
            let place = landed.tag.checked_sub(self.passed).and_then(|place| self.queue.get_mut(place as usize));
            match place {
                Some(coming) => coming.read = Some(landed.outcome.map(|()| landed.bytes)),
                // It came too late, and was passed.
                None => self.spare.push(landed.bytes),
            }
        }
    }

    /// Whether everything was passed, and nothing comes again.
    pub(super) fn is_at_end(&self) -> bool {
        self.queue.is_empty() && self.next >= self.index.grains() && !self.repeats
    }

    /// Waits for the disk, at most for `limit`.
    pub(super) fn wait(&mut self, limit: Duration) {
        self.disk.wait(limit);
    }

    /// The next grain.
    pub(super) fn front(&self) -> Option<&Coming> {
        self.queue.front()
    }

    /// Passes the next grain, and gives its memory back to be read into.
    pub(super) fn pass(&mut self) {
        if let Some(coming) = self.queue.pop_front() {
            self.passed += 1;
            self.spare.extend(coming.read.and_then(Result::ok));
        }
    }
}

impl Coming {
    /// Its octets, if they are there.
    ///
    /// # Errors
    /// [`PrefetchError::Grain`]: they will not come.
    pub(super) fn octets(&self) -> Result<Option<&[u8]>, PrefetchError> {
        match &self.read {
            None => Ok(None),
            Some(Ok(block)) => Ok(block.bytes().get(..self.entry.octets as usize)),
            Some(Err(cause)) => {
                let cause = io::Error::new(cause.kind(), cause.to_string());
                Err(PrefetchError::Grain { number: self.entry.number, cause })
            }
        }
    }
}
