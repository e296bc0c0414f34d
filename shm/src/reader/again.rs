//! A grain more than once: what a frame synchroniser asks of a reader.

use media::GrainIndex;

use super::{FrameReader, ReadError};
use crate::directory::Place;
use crate::grain::GrainLease;
use crate::layout;

impl FrameReader {
    /// Grains that have ended and were not passed yet, as far as the ring still names them; not those above one
    /// that is still open, for grains are taken in rising order.
    #[must_use]
    pub fn waiting(&self) -> u16 {
        // Pairs with FrameWriter::commit.
        let committed = self.member.control().load_acquire(layout::HEAD);
        let open = self
            .grains_below(committed)
            .filter(|(index, place)| self.is_open(*index, *place))
            .map(|(index, _)| index)
            .min();
        let ended = open.map_or(committed, |open| committed.min(open.0));
        // No more than there are slots, whatever a pod's words name: callers pass so many.
        let most = self.geometry().slots;
        u16::try_from(self.grains_below(ended).take(usize::from(most)).count()).unwrap_or(most)
    }

    /// Whether more slices of a grain may come.
    fn is_open(&self, index: GrainIndex, place: Place) -> bool {
        let state = self.locate_at(index, place).and_then(|(grain, _)| self.state(&grain).ok());
        state.is_some_and(|state| !state.is_closed())
    }

    /// A second lease of a grain that is in use: it stays in use until both have dropped. The two count once
    /// against K.
    ///
    /// # Errors
    /// [`ReadError::Foreign`] for a lease of another reader.
    pub fn lease_again(&mut self, lease: &GrainLease) -> Result<GrainLease, ReadError> {
        self.check_own(lease)?;
        Ok(lease.again())
    }

    /// Whether a lease is this reader's: of no other consumer, and of this epoch.
    pub(crate) fn check_own(&self, lease: &GrainLease) -> Result<(), ReadError> {
        let index = lease.index();
        if lease.is_of(&self.member) { Ok(()) } else { Err(ReadError::Foreign { index }) }
    }
}
