//! The reader's half of the ring: find a grain, lease it, follow its slices.
//!
//! The control region may be a pod's, and hold anything at any time: every word is read once, every slot,
//! index and count is checked before it is used, and no loop is longer than the geometry. What a
//! producer can do to its readers is to show them no picture, or a wrong one.

mod again;
mod departure;
mod error;
mod finding;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod leaping;
mod lease_table;
mod membership;
#[cfg(test)]
mod parting;
mod remains;
#[cfg(test)]
mod scribbled;
#[cfg(test)]
mod tests;
mod waiting;

use std::os::fd::OwnedFd;

use media::GrainIndex;

pub(crate) use departure::Departure;
pub use error::{AcknowledgeError, AttachError, ReadError};
pub(crate) use membership::Membership;
pub(crate) use remains::Remains;
pub use waiting::WaitError;

use crate::atomics::Arc;
use crate::consumer::{CONSUMERS_MAX, ConsumerClass, SeatStatus};
use crate::epoch_end::{self, EpochEnd};
use crate::geometry::Geometry;
use crate::grain::{GrainLease, GrainRef, GrainState};
use crate::layout;
use crate::mapping::Mapping;
use crate::seed::planted;
use crate::view::DataView;
use crate::wake::Waiting;
use crate::writer::check_mappings;

/// Who writes the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The gateway: published slices of a leased grain stay as they are, and may be borrowed.
    Gateway,
    /// A pod: bytes may change at any time, and are only ever copied.
    Pod,
}

/// What a reader is made of. For brokers, sessions, tests and benches: who makes it vouches for what it says. `trust` must
/// be [`Trust::Pod`] unless this process's own gateway writes the ring, and page, seat, class and nonce must be those
/// that joined: on that rests that what is lent of a grain does not change.
#[doc(hidden)]
#[derive(Debug)]
pub struct ReaderParts {
    /// From the broker's reply.
    pub geometry: Geometry,
    /// A, mapped read-only.
    pub control: Mapping,
    /// B, mapped read-only; shared with other readers of this process, or this reader's own.
    pub data: DataView,
    /// C, mapped read-write.
    pub lease: Mapping,
    /// The seat.
    pub consumer: u8,
    /// The class, as it joined.
    pub class: ConsumerClass,
    /// The membership, as it joined.
    pub nonce: u64,
    /// Who writes the ring.
    pub trust: Trust,
    /// This consumer's end of its life pipe: closed when the reader and the last lease have dropped.
    pub life: Option<OwnedFd>,
}

/// A consumer's view of one ring. Grains come in rising order; one that was passed does not come back.
#[derive(Debug)]
pub struct FrameReader {
    member: Arc<Membership>,
    next: u64,
    waiting: Waiting,
    /// After `member`: who is told finds the reader's reference gone.
    departure: Option<Departure>,
}

impl FrameReader {
    /// Attaches to a ring whose writer has let this membership in ([`crate::Notice::Joined`]).
    ///
    /// # Errors
    /// [`AttachError`].
    #[doc(hidden)]
    pub fn new(parts: ReaderParts) -> Result<Self, AttachError> {
        check_mappings(&parts.geometry, &parts.control, parts.data.mapping())?;
        if parts.consumer >= CONSUMERS_MAX {
            return Err(AttachError::Seat(parts.consumer));
        }
        check_header(&parts.control, &parts.geometry)?;
        let waiting = Waiting::alone(&parts.geometry);
        let mut member = Membership::new(parts);
        let next = match member.status() {
            SeatStatus::Live { eff } => eff.0,
            SeatStatus::Evicted { hi } => hi.0,
            SeatStatus::Empty => return Err(AttachError::NotJoined),
        };
        member.sit_down(next);
        Ok(Self { member: Arc::new(member), next, waiting, departure: None })
    }

    /// Has the reader's end reported, and leaves what it reads through to the one who keeps the remains.
    pub(crate) fn depart_with(&mut self, departure: Departure) -> Remains {
        self.departure = Some(departure);
        Remains::of(&self.member)
    }

    /// The ring's geometry.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.member.geometry()
    }

    /// Who writes the ring.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.member.trust()
    }

    /// The writer's verdict on this consumer.
    #[must_use]
    pub fn status(&self) -> SeatStatus {
        self.member.status()
    }

    /// The least index that may still be leased.
    #[must_use]
    pub fn next_index(&self) -> GrainIndex {
        GrainIndex(self.next)
    }

    /// The newest grain that was opened.
    #[must_use]
    pub fn newest(&self) -> Option<GrainIndex> {
        // Pairs with FrameWriter::open.
        let opened = self.member.control().load_acquire(layout::OPENED).min(GrainIndex::LIMIT);
        opened.checked_sub(1).map(GrainIndex)
    }

    /// Where the epoch ends, once its writer has concluded it: grains below may still be read.
    #[must_use]
    pub fn conclusion(&self) -> Option<EpochEnd> {
        epoch_end::load(self.member.control())
    }

    /// Takes grain `index` into use, and passes it: the next one to lease is above it. It may still be open;
    /// [`FrameReader::state`] tells which slices are there.
    ///
    /// # Errors
    /// [`ReadError`]. A grain that is [`ReadError::Gone`] is passed too, with those up to the oldest that is not: so a loop
    /// over [`FrameReader::next_available`] always gets on, and however far it was behind, by one step.
    pub fn lease(&mut self, index: GrainIndex) -> Result<GrainLease, ReadError> {
        if index.0 < self.next {
            return Err(self.gone(index));
        }
        let table = self.member.table();
        let entry = table.vacancy().ok_or(ReadError::TooManyLeases { k: table.room() })?;
        let found = self.find(index);
        // After the acquire that showed the grain: if it is out of reach, this is already visible.
        if let Some(hi) = self.member.out_of_reach(index) {
            return Err(ReadError::Evicted { hi });
        }
        match found {
            Ok((grain, stamp)) => {
                planted!(TakenLate => self.pass(index.0 + 1));
                self.member.table().take(entry, index.0);
                self.pass(index.0 + 1);
                Ok(GrainLease::new(Arc::clone(&self.member), entry, grain, stamp))
            }
            Err(ReadError::Gone { .. }) => {
                self.pass(index.0 + 1);
                let gone = self.gone(index);
                if let ReadError::Gone { oldest: Some(oldest), .. } = gone {
                    self.pass(oldest.0);
                }
                Err(gone)
            }
            Err(error) => Err(error),
        }
    }

    /// Passes everything below `index` that is not in use. Indices at or above the ring's limit are held to it.
    pub fn skip_to(&mut self, index: GrainIndex) {
        self.pass(index.0.min(GrainIndex::LIMIT));
    }

    /// How far a grain has come.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when its slot holds another grain by now; that cannot happen to a leased grain of a
    /// producer that keeps to the protocol.
    pub fn state(&self, grain: &GrainRef) -> Result<GrainState, ReadError> {
        self.member.state(grain)
    }

    /// Whether `line` of a grain was declared lost; meaningful once it is published. True also where the grain is gone,
    /// for then nobody can say: whoever has copied a line of it cannot take it for whole.
    #[must_use]
    pub fn is_lost(&self, grain: &GrainRef, line: u16) -> bool {
        self.member.is_lost(grain, line)
    }

    /// The lines of a grain that were declared lost, from the top; meaningful for those that are published. All that
    /// were not asked for yet once the grain is gone, as [`Self::is_lost`].
    #[must_use]
    pub fn lost_lines(&self, grain: &GrainRef) -> LostLines<'_> {
        LostLines { member: &self.member, grain: *grain, word: 0, bits: None }
    }

    /// After an eviction, when every lease has dropped: lets the writer have the slots back and ends this
    /// membership. To go on, join again.
    ///
    /// # Errors
    /// [`AcknowledgeError`].
    pub fn acknowledge_eviction(&mut self) -> Result<(), AcknowledgeError> {
        if !matches!(self.member.status(), SeatStatus::Evicted { .. }) {
            return Err(AcknowledgeError::NotEvicted);
        }
        self.member.end()
    }

    fn pass(&mut self, next: u64) {
        if next > self.next {
            self.next = next;
            self.member.table().skip_to(next);
            self.member.advance();
        }
    }
}

/// See [`FrameReader::lost_lines`].
#[derive(Debug)]
pub struct LostLines<'a> {
    member: &'a Membership,
    grain: GrainRef,
    word: u16,
    /// What is left of the current word, once it was read.
    bits: Option<u64>,
}

impl Iterator for LostLines<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while usize::from(self.word) < self.member.layout().bitmap_words() {
            let bits = self.bits.unwrap_or_else(|| self.member.lost_word(&self.grain, self.word));
            if bits != 0 {
                self.bits = Some(bits & (bits - 1));
                return Some(self.word * 64 + bits.trailing_zeros() as u16);
            }
            self.word += 1;
            self.bits = None;
        }
        None
    }
}

fn check_header(control: &Mapping, geometry: &Geometry) -> Result<(), AttachError> {
    control.load_acquire(0); // pairs with the writer's header
    let words = layout::header_words(geometry).into_iter().enumerate();
    // Where the pages are is for whoever places them to say.
    for (word, expected) in words.filter(|(word, _)| *word != layout::NUMA_WORD) {
        let found = control.load(word * size_of::<u64>());
        if found != expected {
            return Err(AttachError::Header { word, found, expected });
        }
    }
    Ok(())
}
