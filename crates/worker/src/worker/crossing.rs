//! A stream goes over from one receive queue of a device to another one, which another worker may poll.
//!
//! ```text
//!  gateway       the new queue's worker        the device          the old queue's worker
//!     ─ Pause ─►  leaves what comes
//!     ───────────────────────────────────────► puts it there
//!     ─ Drain ───────────────────────────────────────────────────►  hands out what lay there
//!     ─ ReleaseReceiver ─────────────────────────────────────────►  gives it away
//!     ─ AddReceiver ─►  serves it
//!     ─ Resume ─►  takes what waits
//! ```
//! So the receiver gets the packets in the order in which they came, and none is lost for as long as the new queue holds
//! what comes. The other streams of that queue wait with it.

use media::Clock;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::Worker;
use crate::command::Report;
use crate::key::InputKey;

/// Times that an input says that all has been handed out, until that is believed: the first may be about the time before it
/// was asked, and a device may still be writing what it put on the queue before.
const TELLINGS: u8 = 2;

/// An input whose queue is being emptied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draining {
    input: InputKey,
    tellings_left: u8,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    pub(super) fn pause(&mut self, key: InputKey) -> Report<R, T> {
        self.set_paused(key, true)
    }

    pub(super) fn resume(&mut self, key: InputKey) -> Report<R, T> {
        self.set_paused(key, false)
    }

    fn set_paused(&mut self, key: InputKey, is_paused: bool) -> Report<R, T> {
        let Some(input) = self.input(key).and_then(|place| self.inputs.at_mut(place)) else {
            return Report::Unknown(None);
        };
        input.pause(is_paused);
        Report::Done
    }

    /// The answer follows when the queue is empty.
    pub(super) fn drain(&mut self, input: InputKey) -> Option<Report<R, T>> {
        if self.input(input).is_none() {
            return Some(Report::Unknown(None));
        }
        self.draining = Some(Draining { input, tellings_left: TELLINGS });
        None
    }

    /// Answers when the input has said often enough that all has been handed out; one that is not polled never will.
    #[cold]
    pub(super) fn watch_drain(&mut self) {
        let Some(draining) = &mut self.draining else { return };
        let found = self.inputs.iter().find(|input| input.key() == draining.input);
        let polled = found.filter(|input| input.is_attached() && !input.is_paused());
        let tells = polled.map(|input| input.horizon().1);
        draining.tellings_left = match tells {
            Some(tells) => draining.tellings_left - u8::from(tells),
            None => 0,
        };
        if draining.tellings_left == 0 {
            self.draining = None;
            self.mailbox.answer(Report::Done);
        }
    }
}
