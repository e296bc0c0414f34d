//! Where a worker sleeps, and what may wake it there: packets, the gateway, grains of sources.

use std::sync::Arc;
use std::time::Duration;

use media::Clock;
use netio::{Bed, Doorbell, RxQueue, TxQueue};
use shm::GrainLease;

use super::Worker;

/// The longest sleep while a grain is open: its time-out rings no bell.
const WITH_OPEN_GRAIN: Duration = Duration::from_millis(10);

/// What became of a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slept {
    /// Something rang.
    UntilWoken,
    /// Nothing did.
    ToTheEnd,
    /// Something that the worker waits for would not have woken it.
    NotAtAll,
}

/// A worker's bed, made up with the alarms of what it serves.
#[derive(Debug)]
pub struct Berth {
    bell: Arc<Doorbell>,
    /// `None` before the first sleep.
    bed: Option<Bed>,
    /// Commands that had been obeyed when it was made up.
    made_up_at: u64,
    /// Every queue has its alarm in the bed.
    is_complete: bool,
}

impl Berth {
    /// A berth in which `bell` is heard. Whoever sends the worker a command rings it.
    #[must_use]
    pub fn new(bell: Arc<Doorbell>) -> Self {
        Self { bell, bed: None, made_up_at: 0, is_complete: false }
    }
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// How long all queues may be left alone without a loss.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.inputs.iter().map(|input| input.patience()).min().unwrap_or(Duration::MAX)
    }

    /// Sleeps until a packet arrives, the bell rings or a source has a grain, at most `longest`. To be called after a turn
    /// that found nothing. Returns at once where something that the worker waits for would not wake it.
    ///
    /// Calls the kernel, and allocates nothing.
    #[cold]
    pub fn sleep_in(&mut self, berth: &mut Berth, longest: Duration) -> Slept {
        if berth.bed.is_none() || berth.made_up_at != self.obeyed {
            self.make_up(berth);
        }
        let Some(bed) = berth.bed.as_ref().filter(|_| berth.is_complete) else { return Slept::NotAtAll };
        let longest = if self.has_open_grain() { longest.min(WITH_OPEN_GRAIN) } else { longest };
        let mut slept = Slept::NotAtAll;
        if self.arm() {
            self.pulse.rest(self.clock.steady_nanos(), u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX));
            slept = if bed.sleep(longest) { Slept::UntilWoken } else { Slept::ToTheEnd };
        }
        self.disarm();
        slept
    }

    fn has_open_grain(&self) -> bool {
        self.receivers.iter().any(|served| served.receiver().has_open_grain())
    }

    /// Puts every alarm there is into the bed.
    fn make_up(&self, berth: &mut Berth) {
        berth.made_up_at = self.obeyed;
        berth.is_complete = false;
        let fresh = match &mut berth.bed {
            Some(bed) => bed.clear().is_ok(),
            bed => {
                *bed = Bed::new(Arc::clone(&berth.bell)).ok();
                bed.is_some()
            }
        };
        let Some(bed) = berth.bed.as_ref().filter(|_| fresh) else { return };
        let queues = self.inputs.iter().all(|input| input.rouse_by(bed));
        let sources = self.senders.iter().filter_map(|sender| sender.alarm()).all(|alarm| bed.set(alarm).is_ok());
        berth.is_complete = queues && sources;
    }

    fn arm(&mut self) -> bool {
        let now = self.clock.now();
        let Self { inputs, receivers, senders, .. } = self;
        let is_written_here = |epoch| receivers.iter().any(|served| served.receiver().epoch() == epoch);
        // What a queue has not taken waits for the queue alone, which does not ring.
        !self.is_holding
            && inputs.iter_mut().all(|input| input.arm())
            && senders.iter_mut().all(|sender| sender.arm(now, is_written_here))
    }

    fn disarm(&mut self) {
        self.inputs.iter_mut().for_each(|input| input.disarm());
        self.senders.iter_mut().for_each(|sender| sender.disarm());
    }
}
