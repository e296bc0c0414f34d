//! The end in the presence thread.

use std::fmt;
use std::iter;
use std::sync::Arc;

use super::frames::Put;
use super::{ExchangeCounters, ExchangedFrame, MediaTable, Resolve, Shared};

/// The end in the presence thread: all that came for the host, all that the host sends.
pub struct HostEnd {
    pub(super) shared: Arc<Shared>,
}

impl HostEnd {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The next frame that is not media. Its buffer goes back when it drops.
    pub fn receive(&mut self) -> Option<ExchangedFrame<'_>> {
        self.shared.received.next()
    }

    /// Has the worker send a frame, from the destination's link address on. False when it was dropped and counted:
    /// the worker has not sent the earlier ones, or the frame is too long.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        let counters = &self.shared.counters.host;
        let put = self.shared.to_send.put(iter::once(frame));
        match put {
            Put::Taken => counters.taken.add_one(),
            Put::Full => counters.full.add_one(),
            Put::TooLong => counters.too_long.add_one(),
        }
        put == Put::Taken
    }

    /// Says what is media from now on. Drops the tables that the worker has done with.
    pub fn publish(&mut self, table: MediaTable) {
        self.collect();
        self.shared.counters.tables.add_one();
        // A table that was never taken up comes back from here, and is dropped here too.
        drop(self.shared.fresh.force_push(Box::new(table)));
    }

    /// Drops the tables that the worker has done with.
    pub fn collect(&mut self) {
        while self.shared.retired.pop().is_some() {}
    }

    /// The next question for a neighbour.
    pub fn request(&mut self) -> Option<Resolve> {
        self.shared.requests.pop()
    }

    /// What has crossed so far.
    #[must_use]
    pub fn counters(&self) -> ExchangeCounters {
        self.shared.counters.read()
    }
}

impl fmt::Debug for HostEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostEnd").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
