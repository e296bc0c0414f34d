//! The pools that a port receives into: one for each queue that a worker polls, so that no two workers share one.

use crate::mempool::Mempool;

/// The pools of a port's receive queues, each of the shape that [`crate::sizing::Sizing::rx_pool`] says.
#[derive(Clone, Debug)]
pub struct RxPools {
    first: Mempool,
    further: Vec<Mempool>,
}

impl RxPools {
    /// `first` for the first queue and all that have none of their own, `further` for those behind it, in order.
    #[must_use]
    pub const fn new(first: Mempool, further: Vec<Mempool>) -> Self {
        Self { first, further }
    }

    /// The pool of a queue, counted from 0.
    #[inline]
    pub(super) fn of(&self, queue: u16) -> &Mempool {
        let further = usize::from(queue).checked_sub(1).and_then(|at| self.further.get(at));
        further.unwrap_or(&self.first)
    }

    /// Octets of the smallest of their buffers.
    pub(super) fn data_octets(&self) -> u16 {
        let octets = |pool: &Mempool| pool.config().data_octets;
        self.further.iter().map(octets).fold(octets(&self.first), u16::min)
    }
}

/// All queues share it.
impl From<Mempool> for RxPools {
    fn from(pool: Mempool) -> Self {
        Self::new(pool, Vec::new())
    }
}
