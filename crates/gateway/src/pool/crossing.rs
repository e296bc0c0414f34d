//! A receiver or a relay goes over to other receive queues of its ports, which another worker polls.

use control::DataplaneError;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;
use worker::{Command, InputKey, Leg, Report};

use super::error::{no_answer, unexpected};
use super::{Pool, WorkerIndex};

/// Where a stream is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Who serves it.
    pub worker: WorkerIndex,
    /// By what, in the order of its legs.
    pub legs: Vec<Leg>,
}

/// What puts a stream on queues: the rules of devices.
pub trait Switch {
    /// Puts it on the new ones.
    ///
    /// # Errors
    /// It cannot; all is as before.
    fn over(&mut self) -> Result<(), DataplaneError>;

    /// Puts it back, as far as that can be done.
    fn back(&mut self);
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Pool<R, T> {
    /// Takes a stream over: the new queues keep what comes until the old ones are empty and `carry` has given its receiver or
    /// relay to the new worker. Nothing is lost for as long as the new queues hold what comes.
    ///
    /// # Errors
    /// What the switch, a worker or `carry` says; the stream is put back, and the new queues go on.
    pub fn cross(
        &self,
        from: &Side,
        to: &Side,
        switch: &mut impl Switch,
        carry: impl FnOnce() -> Result<(), DataplaneError>,
    ) -> Result<(), DataplaneError> {
        let inputs = |side: &Side| side.legs.iter().map(|leg| leg.input).collect::<Vec<InputKey>>();
        let paused = inputs(to);
        let outcome = paused
            .iter()
            .try_for_each(|input| self.tell_input(to.worker, Command::Pause(*input)))
            .and_then(|()| switch.over())
            .and_then(|()| {
                let drained =
                    inputs(from).into_iter().try_for_each(|input| self.tell_input(from.worker, Command::Drain(input)));
                drained.and_then(|()| carry()).inspect_err(|_| switch.back())
            });
        for input in paused {
            if let Err(cause) = self.tell_input(to.worker, Command::Resume(input)) {
                tracing::error!(
                    "a receive queue of {} is not polled: {cause}; restart flypackd",
                    self.worker_name(to.worker)
                );
            }
        }
        outcome
    }

    fn tell_input(&self, worker: WorkerIndex, command: Command<R, T>) -> Result<(), DataplaneError> {
        match self.ask(worker, command).map_err(no_answer)? {
            Report::Done => Ok(()),
            _ => Err(unexpected("pausing, emptying or resuming a receive queue")),
        }
    }
}

#[cfg(test)]
mod tests;
