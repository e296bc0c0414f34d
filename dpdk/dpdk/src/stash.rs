//! Packet buffers at hand: taken from a pool in bursts, given out one by one.

use arrayvec::ArrayVec;

use crate::mbuf::{BURST, Mbuf};
use crate::mempool::Mempool;
use crate::refer;

/// Up to a burst of packet buffers of one pool, as they lie in it: only their count, their chain and their own memory are
/// what a packet's are.
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
        self.at_hand(1);
        let mbuf = self.ready.pop()?;
        // SAFETY: it was just taken from its pool.
        unsafe { refer::reset(&mbuf) };
        Some(mbuf)
    }

    /// How many buffers are at hand: `wanted` at least, at most a burst, as far as the pool has them.
    #[inline]
    pub(crate) fn at_hand(&mut self, wanted: usize) -> usize {
        if self.ready.len() < wanted.min(BURST) && !self.pool.take_burst(&mut self.ready, BURST) {
            self.scrape();
        }
        self.ready.len()
    }

    /// So many buffers, as far as they are at hand, not yet made packets.
    #[inline]
    pub(crate) fn take_some(&mut self, most: usize) -> impl Iterator<Item = Mbuf> {
        let keep = self.ready.len().saturating_sub(most);
        self.ready.drain(keep..)
    }

    /// The pool has less than a burst.
    #[cold]
    fn scrape(&mut self) {
        if self.ready.is_empty() {
            self.pool.take_burst(&mut self.ready, 1);
        }
    }
}
