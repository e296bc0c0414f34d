//! Packet buffers at hand: taken from a pool in bursts, given out one by one.

use arrayvec::ArrayVec;

use crate::mbuf::{BURST, Mbuf};
use crate::mempool::Mempool;

/// Up to a burst of empty packet buffers of one pool.
#[derive(Debug)]
pub(crate) struct Stash {
    pool: Mempool,
    ready: ArrayVec<Mbuf, BURST>,
}

impl Stash {
    pub(crate) const fn new(pool: Mempool) -> Self {
        Self { pool, ready: ArrayVec::new_const() }
    }

    pub(crate) const fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// An empty packet, or `None` when the pool is exhausted.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Mbuf> {
        self.ready.pop().or_else(|| self.refill())
    }

    fn refill(&mut self) -> Option<Mbuf> {
        if self.pool.alloc_burst(&mut self.ready, BURST) { self.ready.pop() } else { self.pool.alloc() }
    }
}
