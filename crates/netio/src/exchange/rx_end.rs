//! The end in a worker's receive queue.

use std::fmt;
use std::mem;
use std::sync::Arc;

use super::frames::Put;
use super::{MediaTable, Shared};

/// What became of an offered frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It was copied, and will be read.
    Taken,
    /// The presence thread has not read the earlier ones: dropped and counted.
    Full,
    /// It is longer than the exchange takes: dropped and counted.
    TooLong,
}

/// The end in a worker's receive queue: gives away what is not media, and knows what is.
pub struct RxEnd {
    pub(super) shared: Arc<Shared>,
    table: Box<MediaTable>,
}

impl RxEnd {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, table: Box::default() }
    }

    /// Copies a frame, given in one or more segments, for the presence thread.
    pub fn offer<'a>(&mut self, segments: impl Iterator<Item = &'a [u8]>) -> Offer {
        let counters = &self.shared.counters.rx;
        let (offer, counter) = match self.shared.received.put(segments) {
            Put::Taken => (Offer::Taken, &counters.taken),
            Put::Full => (Offer::Full, &counters.full),
            Put::TooLong => (Offer::TooLong, &counters.too_long),
        };
        counter.add_one();
        offer
    }

    /// What is media: the newest table that was published, empty before the first. Once per burst.
    #[inline]
    pub fn media(&mut self) -> &MediaTable {
        self.renew();
        &self.table
    }

    /// As [`Self::media`]; whether the table is another one now.
    #[inline]
    pub fn renew(&mut self) -> bool {
        !self.shared.fresh.is_empty() && self.take_up()
    }

    /// The table that [`Self::media`] last returned.
    #[inline]
    #[must_use]
    pub const fn table(&self) -> &MediaTable {
        &self.table
    }

    /// Takes the newest table up. The old one goes back, so that it is not freed on the worker's thread.
    #[cold]
    fn take_up(&mut self) -> bool {
        if self.shared.retired.is_full() {
            return false;
        }
        let Some(fresh) = self.shared.fresh.pop() else { return false };
        let old = mem::replace(&mut self.table, fresh);
        let pushed = self.shared.retired.push(old);
        debug_assert!(pushed.is_ok(), "only this end fills it");
        true
    }
}

impl fmt::Debug for RxEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxEnd").field("table", &self.table).finish_non_exhaustive()
    }
}
