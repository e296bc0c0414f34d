//! What the broker of this process keeps of a reader until the last lease has dropped.

use super::membership::Membership;
use crate::atomics::Arc;

/// A reference to a reader's membership that outlives the reader and its leases, so that none of them is the last to
/// let go: the pages and the life pipe go with this.
#[derive(Debug)]
pub(crate) struct Remains(Arc<Membership>);

impl Remains {
    pub(super) fn of(member: &Arc<Membership>) -> Self {
        Self(Arc::clone(member))
    }

    /// Whether the reader and all its leases have dropped.
    pub(crate) fn are_all(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some()
    }

    /// Whether devices reach what is leased.
    pub(crate) fn are_mapped_for_dma(&self) -> bool {
        self.0.view().is_mapped_for_dma()
    }
}
