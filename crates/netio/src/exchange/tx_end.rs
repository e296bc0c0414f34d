//! The end in a worker's transmit queue.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{ExchangedFrame, NeighbourCell, Resolve, Shared};

/// The end in a worker's transmit queue: takes frames to send, asks for neighbours.
pub struct TxEnd {
    shared: Arc<Shared>,
}

impl TxEnd {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The next frame to send. Its buffer goes back when it drops.
    #[expect(clippy::should_implement_trait, reason = "a frame borrows from this end, which no Iterator's item can")]
    #[inline]
    pub fn next(&mut self) -> Option<ExchangedFrame<'_>> {
        self.shared.to_send.next()
    }

    /// Asks for the link address of `next_hop`; the answer comes to `cell`. False when too many questions wait: ask
    /// again later.
    pub fn resolve(&mut self, next_hop: IpAddr, cell: Arc<NeighbourCell>) -> bool {
        let counters = &self.shared.counters.tx;
        let is_asked = self.shared.requests.push(Resolve { next_hop, cell }).is_ok();
        let counter = if is_asked { &counters.taken } else { &counters.full };
        counter.add_one();
        is_asked
    }
}

impl fmt::Debug for TxEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxEnd").finish_non_exhaustive()
    }
}
