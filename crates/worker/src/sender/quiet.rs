//! Until when there is nothing to do for a sender. Of sixty-four on a queue most have nothing to send in a turn; looking at each
//! as if it had would cost more than sending.

use media::{GrainIndex, Tai};
use netio::TxQueue;
use shm::GrainLease;

use super::leg::Leg;
use super::{Sender, Source};
use crate::output::Output;

/// Nothing is to be done within a time, unless a grain is opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    /// A clock that is set back before it ends it too.
    since: Tai,
    until: Tai,
    newest: Option<GrainIndex>,
}

impl<T: TxQueue<Lease = GrainLease>> Sender<T> {
    /// Whether a turn would find nothing to do, as [`Self::rest`] noted.
    #[inline]
    pub(crate) fn is_quiet(&self, now: Tai) -> bool {
        let newest = || self.source.as_ref().and_then(|source| source.reader().newest());
        let is_quiet = |quiet: &Quiet| quiet.since <= now && now < quiet.until && quiet.newest == newest();
        self.pending.is_none() && self.quiet.as_ref().is_some_and(is_quiet)
    }

    /// A turn has found nothing to do: notes when that ends, where time or another grain does, and when something is due.
    pub(crate) fn rest(&mut self, outputs: &[Output<T>], now: Tai) {
        // Before the look at what it has passed: one that is opened meanwhile is another one.
        let newest = self.source.as_ref().and_then(|source| source.reader().newest());
        let awaits_grain = self.source.as_ref().is_none_or(|source| source.has_passed(newest));
        let (mut first, mut is_quiet) = (None, self.source.as_ref().is_none_or(|source| !source.is_parting()));
        for leg in self.legs.iter_mut().flatten() {
            let wait = match leg.at.and_then(|at| Some((at.next, self.grains.at(at.place)?))) {
                Some((next, active)) => leg.due_in(next, active.t_vd, now),
                None => self.source.as_ref().and_then(|source| self.picker.due_in(source.rate(), now)),
            };
            let waits_for_grain = leg.at.is_none() && awaits_grain;
            is_quiet &= leg.is_free(outputs) && (wait.is_some() || waits_for_grain);
            first = [first, wait].into_iter().flatten().min();
        }
        self.due = first.map(|nanos| now.plus_nanos(nanos));
        let until = self.due.unwrap_or(Tai::from_nanos(i64::MAX));
        self.quiet = is_quiet.then_some(Quiet { since: now, until, newest });
    }

    /// When something is due, as of the last turn that found nothing to do: a packet, the grid's tick, another try where the
    /// queue had no room. `None` where nobody can say: the source sets the time, or a packet waits for its line.
    pub(crate) fn due(&self, now: Tai) -> Option<Tai> {
        let retry = self.legs.iter().flatten().filter_map(Leg::retry_in).min();
        [self.due, retry.map(|nanos| now.plus_nanos(nanos))].into_iter().flatten().min()
    }
}

impl Source {
    /// Whether there is no grain to lease before one newer than `newest` is opened.
    fn has_passed(&self, newest: Option<GrainIndex>) -> bool {
        newest.is_none_or(|newest| newest < self.reader().next_index())
    }
}
