//! What the gateway asks of a sender: another source, or to leave. Both wait for the grain to end, but not for ever.

use media::Tai;
use netio::TxQueue;
use shm::GrainLease;

use super::leg::Leg;
use super::{Sender, Source};
use crate::key::OutputIndex;
use crate::output::Output;

/// How long a request waits for the grain to end and for the queue to take its packets: a source may stall in the
/// middle of a grain, and name any rate; a device may be stuck. The gateway waits longer.
const PATIENCE_NANOS: i64 = 3_000_000_000;

/// What the gateway asked for and has no answer to yet, and when it asked.
pub(super) enum Pending {
    /// Ends when nothing of this sender waits for the queue.
    Leave(Tai),
    /// Switches at the grain boundary.
    Switch(Option<Box<Source>>, Tai),
}

/// What is done with the gateway's request.
pub(crate) enum Settled {
    /// The sender is to be given back.
    Left,
    /// The source that it had.
    Switched(Option<Box<Source>>),
}

impl<T: TxQueue<Lease = GrainLease>> Sender<T> {
    /// Asks the sender to end; [`Self::settle`] tells when it has.
    pub(crate) fn leave(&mut self, now: Tai) {
        self.drop_all();
        self.pending = Some(Pending::Leave(now));
    }

    /// Asks for another source, or none, from the next grain on.
    pub(crate) fn connect(&mut self, source: Option<Box<Source>>, now: Tai) {
        self.pending = Some(Pending::Switch(source, now));
    }

    /// Whether a request is unanswered.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.pending.is_some()
    }

    /// Does what was asked for, once nothing is on its way that forbids it.
    pub(crate) fn settle(&mut self, outputs: &mut [Output<T>], now: Tai) -> Option<Settled> {
        if self.is_impatient(now) {
            self.drop_all();
            self.legs.iter_mut().flatten().for_each(|leg| leg.take_back(&self.counters));
        }
        if !self.grains.is_empty() || self.legs.iter().flatten().any(Leg::holds) {
            return None;
        }
        match self.pending.take()? {
            Pending::Leave(_) => {
                for leg in self.legs.iter_mut().flatten() {
                    leg.close(outputs);
                }
                self.picker.forget();
                Some(Settled::Left)
            }
            Pending::Switch(source, _) => Some(Settled::Switched(self.switch(source))),
        }
    }

    /// Whether a request has waited long enough. A clock that steps back counts as time that has passed.
    fn is_impatient(&self, now: Tai) -> bool {
        let Some(Pending::Leave(asked) | Pending::Switch(_, asked)) = &self.pending else { return false };
        now.nanos_since(*asked).saturating_abs() > PATIENCE_NANOS
    }

    /// Its outputs have come to another worker with it, and have other places there.
    pub(crate) fn renumber(&mut self, renumbered: impl Fn(OutputIndex) -> OutputIndex) {
        self.config.output = renumbered(self.config.output);
        self.legs.iter_mut().flatten().for_each(|leg| leg.renumber(&renumbered));
    }

    /// The port of the output at `place` goes: the legs by it give back their grains, and what waits for the queue.
    pub(crate) fn detach(&mut self, place: usize) {
        for leg in self.legs.iter_mut().flatten().filter(|leg| leg.place() == place) {
            leg.take_back(&self.counters);
        }
        self.drop_all_of(place);
        self.quiet = None;
    }
}
