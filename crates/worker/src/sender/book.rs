//! What the legs of a sender note as they send: how many packets, and how late each of them left.

use crate::counters::SenderCounters;
use crate::spans::Spans;
use crate::watch::Watch;

/// Where a sender notes what its legs have sent.
pub(super) struct Book<'a, C> {
    pub(super) watch: &'a Watch<'a, C>,
    pub(super) counters: &'a SenderCounters,
    pub(super) lateness: &'a Spans,
}
