//! A grain while it is being written: filled, published line by line, committed; cancelled if it is just dropped.

use std::ops::Range;

use media::{Clock as _, GrainIndex, Tai};

use super::producer::Producer;
use super::tai_clock::KernelTai;
use crate::{FrameWriter, GrainEnd, GrainKey, GrainStamp, OpenError, WriteError};

/// How far ahead of the clock a grain may be opened, s. What is further ahead is a mistake: an index of another
/// rate, an instant of another clock. It would also be the last grain for long, for indices only rise.
pub const AHEAD_SECONDS_MAX: u32 = 10;

/// Why a producer did not open a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// The ring did not open it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The index belongs to a time that is far ahead.
    #[error("grain {index} is too far ahead: TAI now is at grain {now}, and {limit} is the last that may be opened")]
    TooFarAhead {
        /// What was to be opened.
        index: GrainIndex,
        /// The grain nearest to the present.
        now: GrainIndex,
        /// The last grain that could be opened at this instant.
        limit: GrainIndex,
    },
}

/// One open grain of a [`Producer`]. Dropping it cancels the grain: its readers see that no further lines will come.
///
/// What is published cannot be taken back, nor written again. Where several grains are open at a time, each is left
/// open by [`Self::keep`] and taken up again by [`Producer::grain`].
#[derive(Debug)]
pub struct Grain<'a> {
    writer: &'a mut FrameWriter,
    key: GrainKey,
    opened: Tai,
    is_open: bool,
}

impl Producer {
    /// Opens grain `index` at `stamp`; consumers see it from now on. Indices rise, and may leave holes.
    ///
    /// # Errors
    /// [`ProduceError`]; nothing is opened then. With [`OpenError::NoSlot`] the grain is lost, and the next one may
    /// be opened.
    pub fn open(&mut self, index: GrainIndex, stamp: GrainStamp) -> Result<Grain<'_>, ProduceError> {
        let opened = KernelTai.now();
        self.check_ahead(index, opened)?;
        let writer = self.writer_of_next();
        let key = writer.open(index, stamp, opened)?;
        Ok(Grain { writer, key, opened, is_open: true })
    }

    /// Takes up a grain that [`Grain::keep`] left open.
    ///
    /// # Errors
    /// [`WriteError::NotOpen`] when it has ended.
    pub fn grain(&mut self, key: GrainKey) -> Result<Grain<'_>, WriteError> {
        let writer = self.writer_of(key)?;
        Ok(Grain { writer, key, opened: KernelTai.now(), is_open: true })
    }

    /// Looks after the consumers: lets them in and out, evicts who is late. [`Self::open`] does so too; call this
    /// often while no grain comes.
    pub fn poll(&mut self) {
        self.poll_at(KernelTai.now());
    }

    /// The grain that is nearest to the present: the one to open now.
    #[must_use]
    pub fn index_now(&mut self) -> GrainIndex {
        self.writer().geometry().index_at(KernelTai.now())
    }

    /// Where the grid of TAI has grain `index`: its start, and the RTP timestamp of that.
    #[must_use]
    pub fn stamp_of(&mut self, index: GrainIndex) -> GrainStamp {
        self.writer().geometry().stamp_of(index)
    }

    fn check_ahead(&mut self, index: GrainIndex, at: Tai) -> Result<(), ProduceError> {
        let geometry = self.writer().geometry();
        let now = geometry.index_at(at);
        let limit = geometry.index_at(at.plus_nanos(i64::from(AHEAD_SECONDS_MAX) * 1_000_000_000));
        if index > limit { Err(ProduceError::TooFarAhead { index, now, limit }) } else { Ok(()) }
    }
}

impl Grain<'_> {
    /// The grain's index.
    #[must_use]
    pub const fn index(&self) -> GrainIndex {
        self.key.index()
    }

    /// Copies `bytes` to line `first` and, as far as they reach, to those below.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written then.
    pub fn write_lines(&mut self, first: u16, bytes: &[u8]) -> Result<(), WriteError> {
        // A line's beginning may be beyond 2³²; no grain is.
        let offset = u32::from(first).saturating_mul(self.writer.geometry().slice_octets);
        self.writer.write(self.key, offset, bytes)
    }

    /// Lines to write in place; not those that are published.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn lines_mut(&mut self, lines: Range<u16>) -> Result<&mut [u8], WriteError> {
        self.writer.lines_mut(self.key, lines)
    }

    /// Declares a line lost, before it is published: readers are told, and see what an earlier grain left there.
    pub fn mark_lost(&mut self, line: u16) {
        self.writer.mark_lost(self.key, line);
    }

    /// Publishes the first `slices` lines: each is written, or declared lost.
    pub fn publish(&mut self, slices: u16) {
        self.writer.publish(self.key, slices);
    }

    /// Lines that are published.
    #[must_use]
    pub fn published(&mut self) -> u16 {
        self.writer.published(self.key)
    }

    /// Publishes all of it and ends the grain; its arrival was from [`Producer::open`] to now. Ancillary data ends where
    /// its last line written or lent does: [`Self::commit_octets`] says how long it is.
    pub fn commit(self) {
        let end = GrainEnd { first_arrival: self.opened, last_arrival: KernelTai.now(), octets: None };
        self.commit_at(end);
    }

    /// Publishes all of it and ends a grain of ancillary data, which has `octets` octets.
    pub fn commit_octets(self, octets: u32) {
        let end = GrainEnd { first_arrival: self.opened, last_arrival: KernelTai.now(), octets: Some(octets) };
        self.commit_at(end);
    }

    /// Publishes all of it and ends the grain, with arrivals that the caller knows better.
    pub fn commit_at(mut self, end: GrainEnd) {
        self.writer.commit(self.key, end);
        self.is_open = false;
    }

    /// Leaves the grain open; [`Producer::grain`] takes it up again.
    pub fn keep(mut self) -> GrainKey {
        self.is_open = false;
        self.key
    }

    /// Gives the grain up; what was published stays readable. The same as dropping it.
    pub fn cancel(self) {}
}

impl Drop for Grain<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.writer.cancel(self.key);
        }
    }
}
