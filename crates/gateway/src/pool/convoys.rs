//! Ports that go over from one worker to another, as the gateway sees it.

use std::sync::atomic::Ordering;

use control::DataplaneError;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;
use worker::{ArrivalRefusal, Command, Convoy, DepartureRefusal, PortKey, Report};

use super::error::{no_answer, unexpected};
use super::{Pool, Refused, WorkerIndex};

/// What became of a departure.
pub enum Departure<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    /// The convoy, with all that was served on its ports.
    Loaded(Box<Convoy<R, T>>),
    /// They stay where they are.
    Refused(DepartureRefusal),
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Pool<R, T> {
    /// Takes the ports of a convoy from their worker, with all that is served on them.
    ///
    /// # Errors
    /// No answer.
    pub fn depart(&self, worker: WorkerIndex, convoy: Box<Convoy<R, T>>) -> Result<Departure<R, T>, DataplaneError> {
        match self.ask(worker, Command::Depart(convoy)).map_err(no_answer)? {
            Report::Departed(convoy) => {
                let load = convoy.load();
                self.receivers(worker).fetch_sub(load.receivers, Ordering::Relaxed);
                self.senders(worker).fetch_sub(load.senders, Ordering::Relaxed);
                Ok(Departure::Loaded(convoy))
            }
            Report::DepartureRefused(_, refusal) => Ok(Departure::Refused(refusal)),
            _ => Err(unexpected("taking a port from its worker")),
        }
    }

    /// Gives a worker the ports of a convoy. Returns the names that they have there.
    ///
    /// # Errors
    /// It has no room, and the convoy comes back as it was; or no answer.
    pub fn arrive(
        &self,
        worker: WorkerIndex,
        convoy: Box<Convoy<R, T>>,
    ) -> Result<Vec<PortKey>, Refused<Convoy<R, T>>> {
        let load = convoy.load();
        match self.ask(worker, Command::Arrive(convoy))? {
            Report::Arrived(convoy) => {
                self.receivers(worker).fetch_add(load.receivers, Ordering::Relaxed);
                self.senders(worker).fetch_add(load.senders, Ordering::Relaxed);
                Ok(convoy.ports().to_vec())
            }
            Report::ArrivalRefused(convoy, refusal) => Err(Refused::new(convoy, self.no_room(worker, refusal))),
            _ => Err(Refused::lost(unexpected("giving a port to a worker"))),
        }
    }

    fn no_room(&self, worker: WorkerIndex, refusal: ArrivalRefusal) -> DataplaneError {
        DataplaneError::Exhausted {
            resource: format!("room on {}: {refusal}", self.worker_name(worker)),
            remedy: "move it to another worker, or move others away from this one first".to_owned(),
        }
    }
}
