//! What a sender waits for while its worker sleeps.

use media::Tai;
use netio::{Alarm, TxQueue};
use shm::{FrameReader, GrainLease, WakeMode};

use super::leg::Leg;
use super::{Sender, SenderTiming, Source};

impl<T: TxQueue<Lease = GrainLease>> Sender<T> {
    /// Whether something ends the worker's sleep when this sender can go on: the time, a command, or what its source's
    /// alarm tells. `is_written_here`: whether a ring of that epoch is written by the same worker, which no packet can
    /// reach in its sleep. [`Self::disarm`] must follow.
    #[cold]
    pub(crate) fn arm(&mut self, now: Tai, is_written_here: impl Fn(u128) -> bool) -> bool {
        // A line or the queue, which it may wait for too, does not ring.
        if self.pending.is_some() || self.legs.iter().flatten().any(Leg::holds) {
            return false;
        }
        if !self.grains.is_empty() {
            return self.is_early(now);
        }
        match (self.config.timing, &mut self.source) {
            (_, None) | (SenderTiming::Grid, _) => true,
            (SenderTiming::Source, Some(source)) => source.arm(is_written_here),
        }
    }

    /// Whether the next packet of every leg waits for its time alone.
    fn is_early(&mut self, now: Tai) -> bool {
        self.legs.iter_mut().flatten().all(|leg| {
            let next = leg.at.and_then(|at| Some((at.next, self.grains.at(at.place)?.t_vd)));
            next.is_some_and(|(next, t_vd)| leg.due_in(next, t_vd, now).is_some())
        })
    }

    /// Ends what [`Self::arm`] began.
    #[cold]
    pub(crate) fn disarm(&mut self) {
        self.source.iter_mut().for_each(|source| source.disarm());
    }

    /// What rings when the source has a grain, where something does.
    pub(crate) fn alarm(&self) -> Option<Alarm<'_>> {
        self.source.as_ref().and_then(|source| source.alarm())
    }
}

impl Source {
    fn arm(&mut self, is_written_here: impl Fn(u128) -> bool) -> bool {
        // One that was evicted waits for a command.
        if self.has_ended {
            return true;
        }
        if is_written_here(self.reader.geometry().epoch) {
            return self.reader.next_available().is_none();
        }
        self.is_armed = rings(&self.reader);
        self.is_armed && self.reader.arm()
    }

    fn disarm(&mut self) {
        if std::mem::take(&mut self.is_armed) {
            self.reader.disarm();
        }
    }

    fn alarm(&self) -> Option<Alarm<'_>> {
        self.reader.alarm().filter(|_| rings(&self.reader)).map(Alarm)
    }
}

/// Where its writer rings. A thread that polled for us instead would cost more than our own naps.
fn rings(reader: &FrameReader) -> bool {
    reader.wake_mode() == WakeMode::Inline
}
