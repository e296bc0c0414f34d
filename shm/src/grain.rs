//! Grains as a reader holds them: a reference that can be copied, and the lease that keeps the slot.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice;

use media::{GrainIndex, RtpTimestamp, Tai};

use crate::atomics::Arc;
use crate::reader::{Membership, ReadError, Trust};
use crate::stable::StableBytes;

/// The instants that name a grain, known from the moment it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrainStamp {
    /// When the grain was captured.
    pub tai: Tai,
    /// Its RTP timestamp.
    pub rtp: RtpTimestamp,
}

/// What is known of a grain when it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrainEnd {
    /// Arrival of its first packet.
    pub first_arrival: Tai,
    /// Arrival of its last packet.
    pub last_arrival: Tai,
    /// How long it is, in octets; at most what the geometry says. `None` is as far as it was written: to the end of what
    /// [`crate::FrameWriter::write`] copied or [`crate::FrameWriter::lines_mut`] lent. Counts where the format is
    /// variable ([`media::FlowFormat::is_variable`]); other grains are always whole.
    pub octets: Option<u32>,
}

/// One grain in one lap of one slot. Stays valid to ask about after its lease has moved elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrainRef {
    pub(crate) index: GrainIndex,
    pub(crate) slot: u16,
    pub(crate) q: u64,
}

impl GrainRef {
    /// The grain's index.
    #[must_use]
    pub const fn index(&self) -> GrainIndex {
        self.index
    }

    /// The slot that holds it.
    #[must_use]
    pub const fn slot(&self) -> u16 {
        self.slot
    }
}

/// How far a grain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrainState {
    /// Slices from the top that are final: written, or declared lost.
    pub slices: u16,
    /// Committed: all slices are final.
    pub complete: bool,
    /// Given up: no further slices will come.
    pub cancelled: bool,
    /// How long the grain is, in octets, once it has ended; 0 before. Of a cancelled one, what was published.
    pub octets: u32,
    /// Lines that were declared lost, once it has ended; 0 before.
    pub lost_lines: u16,
}

impl GrainState {
    /// Whether the grain has ended, one way or the other.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.complete || self.cancelled
    }

    /// Whether the grain was committed with lines that never came.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.complete && self.lost_lines > 0
    }
}

/// A grain that is in use. Dropping it releases it, from any thread, without a lock or system call. Only where it
/// is the last thing that is left of its reader, the ring is unmapped: never so in the broker's own process, whose
/// broker is the last to let go ([`crate::Broker::subscribe`]).
///
/// For a leased consumer the slot is not overwritten while this lives. For a lossy one nothing is held: only
/// [`GrainLease::copy_lines`] tells whether the bytes were whole.
#[derive(Debug)]
pub struct GrainLease {
    member: Arc<Membership>,
    entry: u8,
    grain: GrainRef,
    stamp: GrainStamp,
}

impl GrainLease {
    /// `entry` of the membership's lease table was taken for `grain`, whose slot is below the slot count.
    pub(crate) fn new(member: Arc<Membership>, entry: u8, grain: GrainRef, stamp: GrainStamp) -> Self {
        Self { member, entry, grain, stamp }
    }

    /// Whether this lease is of that membership.
    pub(crate) fn is_of(&self, member: &Arc<Membership>) -> bool {
        Arc::ptr_eq(&self.member, member)
    }

    /// One more lease of the same grain; the grain is in use until both have dropped. Counts once against K.
    pub(crate) fn again(&self) -> Self {
        self.member.table().share(self.entry);
        Self { member: Arc::clone(&self.member), entry: self.entry, grain: self.grain, stamp: self.stamp }
    }

    /// What to ask the reader about; stays good when the lease has moved into a queue.
    #[must_use]
    pub const fn grain(&self) -> GrainRef {
        self.grain
    }

    /// The grain's index.
    #[must_use]
    pub const fn index(&self) -> GrainIndex {
        self.grain.index
    }

    /// The grain's instants.
    #[must_use]
    pub const fn stamp(&self) -> GrainStamp {
        self.stamp
    }

    /// How far the grain has come.
    ///
    /// # Errors
    /// As [`crate::FrameReader::state`].
    pub fn state(&self) -> Result<GrainState, ReadError> {
        self.member.state(&self.grain)
    }

    /// The lines `lines` in place. None unless the ring is the gateway's own, this consumer is no lossy one,
    /// and all of these lines are published. A line that was declared lost holds what an earlier grain left.
    #[must_use]
    pub fn lines(&self, lines: Range<u16>) -> Option<&[u8]> {
        let member = &self.member;
        if member.trust() != Trust::Gateway || !member.is_held() || lines.start > lines.end {
            return None;
        }
        if lines.end > member.slices(&self.grain).ok()? {
            return None;
        }
        let octets = member.line_octets(&lines);
        let start = member.data().range(member.data_offset(self.grain.slot, lines.start), octets);
        // SAFETY: `range` checked the bounds; the mapping lives as long as `member`. These slices were published
        // (acquired by `state`), and the gateway's writer refuses writes to published slices and keeps the
        // slot from being opened again until this lease has dropped: it is under the consumer's cursor, and
        // after an eviction in quarantine until the acknowledgement, which no outstanding lease allows.
        Some(unsafe { slice::from_raw_parts(start, octets) })
    }

    /// All octets of a grain that has ended, in place: of a variable one no more than it has. Otherwise as
    /// [`Self::lines`].
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        let state = self.state().ok().filter(GrainState::is_closed)?;
        self.lines(0..state.slices)?.get(..state.octets as usize)
    }

    /// Copies the lines `lines` into the front of `out` and checks that they are of this very grain.
    ///
    /// # Errors
    /// [`ReadError::Unpublished`] or [`ReadError::Cancelled`] when they are not all published; [`ReadError::Lines`]
    /// when they do not exist, [`ReadError::Size`] when `out` is too short; [`ReadError::Gone`] or
    /// [`ReadError::Torn`] when the slot was overwritten before or during the copy
    /// (`out` then holds nothing useful). The last two only happen to lossy consumers or with a producer that
    /// does not keep to the protocol.
    pub fn copy_lines(&self, lines: Range<u16>, out: &mut [u8]) -> Result<(), ReadError> {
        self.member.copy_lines(&self.grain, &lines, out)
    }

    /// As [`Self::copy_lines`] into memory that holds nothing yet: the front of `out` is written whole when this is `Ok`.
    ///
    /// # Errors
    /// As [`Self::copy_lines`].
    pub fn copy_lines_to(&self, lines: Range<u16>, out: &mut [MaybeUninit<u8>]) -> Result<(), ReadError> {
        self.member.copy_lines_to(&self.grain, &lines, out)
    }

    /// Copies all octets of a grain that has ended into the front of `out`, and checks that they are of this very grain.
    /// Returns how many there are.
    ///
    /// # Errors
    /// As [`Self::copy_lines`]; [`ReadError::Unpublished`] while the grain is open.
    pub fn copy_bytes(&self, out: &mut [u8]) -> Result<usize, ReadError> {
        self.member.copy_grain(&self.grain, out)
    }

    /// Where the grain's slot begins; all of the slot is mapped.
    pub(crate) fn slot_start(&self) -> *const u8 {
        let offset = self.member.data_offset(self.grain.slot, 0);
        self.member.data().range(offset, self.slot_octets())
    }

    /// Octets of the grain's slot, padding too.
    pub(crate) fn slot_octets(&self) -> usize {
        self.member.geometry().slot_stride as usize
    }

    /// Whether `line` was declared lost; meaningful once it is published. True also where the grain is gone, which only
    /// happens to lossy consumers: what was copied of it before may or may not have been lost.
    #[must_use]
    pub fn is_lost(&self, line: u16) -> bool {
        self.member.is_lost(&self.grain, line)
    }
}

// SAFETY: the member holds the data mapping, whose address never changes, until the lease has dropped, on
// whichever thread; the slot lies within it (checked when the lease was taken).
unsafe impl StableBytes for GrainLease {
    fn as_ptr(&self) -> *const u8 {
        let offset = self.member.data_offset(self.grain.slot, 0);
        self.member.data().range(offset, self.octets())
    }

    fn octets(&self) -> usize {
        self.member.geometry().grain_octets as usize
    }
}

impl Drop for GrainLease {
    fn drop(&mut self) {
        self.member.release(self.entry);
    }
}
