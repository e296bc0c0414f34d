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

    /// The last of those at hand, `most` at the most, not yet made packets: to be taken by [`Self::taken`].
    #[inline]
    pub(crate) fn last(&self, most: usize) -> &[Mbuf] {
        self.ready.get(self.ready.len().saturating_sub(most)..).unwrap_or_default()
    }

    /// So many of the last buffers at hand are somebody else's now.
    ///
    /// # Safety
    /// Each of them has another owner, who came by it through [`Self::last`], and nothing was taken since.
    #[inline]
    pub(crate) unsafe fn taken(&mut self, buffers: usize) {
        // SAFETY: it becomes shorter, and what it loses is not dropped here, but by its other owner (caller).
        unsafe { self.ready.set_len(self.ready.len().saturating_sub(buffers)) };
    }

    /// The pool has less than a burst.
    #[cold]
    fn scrape(&mut self) {
        if self.ready.is_empty() {
            self.pool.take_burst(&mut self.ready, 1);
        }
    }
}
