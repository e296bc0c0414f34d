//! A grain more than once: what a frame synchroniser asks of a reader.

use super::{FrameReader, ReadError};
use crate::grain::GrainLease;
use crate::layout;

impl FrameReader {
    /// Grains that were committed and not passed yet, as far as the ring still describes them.
    #[must_use]
    pub fn waiting(&self) -> u16 {
        // Pairs with FrameWriter::commit.
        let committed = self.member.control().load_acquire(layout::HEAD);
        let descs = u64::from(self.geometry().descs);
        let is_waiting = |position: &u64| {
            let described = self.described(*position);
            let range = self.next.saturating_add(1)..=committed;
            range.contains(&described) && (described - 1) % descs == *position
        };
        u16::try_from((0..descs).filter(is_waiting).count()).unwrap_or(u16::MAX)
    }

    /// A second lease of a grain that is in use: it stays in use until both have dropped. The two count once
    /// against K.
    ///
    /// # Errors
    /// [`ReadError::Gone`] for a lease of another reader.
    pub fn lease_again(&mut self, lease: &GrainLease) -> Result<GrainLease, ReadError> {
        if lease.is_of(&self.member) { Ok(lease.again()) } else { Err(ReadError::Gone) }
    }
}
