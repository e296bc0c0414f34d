//! The end in the presence thread.

use std::fmt;
use std::iter;
use std::sync::Arc;

use super::frames::Put;
use super::{ExchangeCounters, ExchangedFrame, MediaTable, Resolve, Shared};

/// The end in the presence thread: all that came for the host, all that the host sends.
pub struct HostEnd {
    /// Of each worker of the port; the first sends what the host does.
    pub(super) lanes: Box<[Arc<Shared>]>,
}

impl HostEnd {
    pub(super) const fn new(lanes: Box<[Arc<Shared>]>) -> Self {
        Self { lanes }
    }

    /// The next frame that is not media. Its buffer goes back when it drops.
    pub fn receive(&mut self) -> Option<ExchangedFrame<'_>> {
        self.lanes.iter().find_map(|shared| shared.received.next())
    }

    /// Has the worker send a frame, from the destination's link address on. False when it was dropped and counted:
    /// the worker has not sent the earlier ones, or the frame is too long.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        let Some(shared) = self.lanes.first() else { return false };
        let counters = &shared.counters.host;
        let put = shared.to_send.put(iter::once(frame));
        match put {
            Put::Taken => counters.taken.add_one(),
            Put::Full => counters.full.add_one(),
            Put::TooLong => counters.too_long.add_one(),
        }
        put == Put::Taken
    }

    /// Says what is media from now on. Drops the tables that the workers have done with.
    pub fn publish(&mut self, table: MediaTable) {
        self.collect();
        let Some((first, further)) = self.lanes.split_first() else { return };
        for shared in further {
            // A table that was never taken up comes back from here, and is dropped here too.
            drop(shared.fresh.force_push(Box::new(table.clone())));
        }
        first.counters.tables.add_one();
        drop(first.fresh.force_push(Box::new(table)));
    }

    /// Drops the tables that the workers have done with.
    pub fn collect(&mut self) {
        self.lanes.iter().for_each(|shared| while shared.retired.pop().is_some() {});
    }

    /// The next question for a neighbour.
    pub fn request(&mut self) -> Option<Resolve> {
        self.lanes.iter().find_map(|shared| shared.requests.pop())
    }

    /// What has crossed so far.
    #[must_use]
    pub fn counters(&self) -> ExchangeCounters {
        self.lanes.iter().map(|shared| shared.counters.read()).fold(ExchangeCounters::default(), ExchangeCounters::plus)
    }
}

impl fmt::Debug for HostEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostEnd").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
