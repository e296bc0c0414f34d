//! What engines ask of workers: each command with the answers that it may have, told in an operator's words.

use std::sync::atomic::{AtomicUsize, Ordering};

use control::DataplaneError;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;
use worker::{
    Command, Input, InputKey, PortKey, QueuePair, ReceiverKey, ReceiverRefusal, Report, Sender, SenderKey,
    SenderRefusal, Source, SteeredReceiver, WORKER_LIMIT,
};

use super::error::{no_answer, unexpected};
use super::{Pool, Refused, WorkerIndex};

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Pool<R, T> {
    /// Polls an input.
    ///
    /// # Errors
    /// No room, or no answer.
    pub fn add_input(&self, worker: WorkerIndex, input: Box<Input<R>>) -> Result<(), Refused<Input<R>>> {
        match self.ask(worker, Command::AddInput(input))? {
            Report::Added => Ok(()),
            Report::InputRefused(input) => Err(Refused::new(input, self.full("receivers"))),
            _ => Err(Refused::lost(unexpected("adding an input"))),
        }
    }

    /// Takes an input back; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn remove_input(&self, worker: WorkerIndex, key: InputKey) -> Result<Option<Box<Input<R>>>, DataplaneError> {
        match self.ask(worker, Command::RemoveInput(key)).map_err(no_answer)? {
            Report::InputRemoved(input) => Ok(Some(input)),
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("removing an input")),
        }
    }

    /// Serves a receiver on inputs that are there.
    ///
    /// # Errors
    /// Its destination is taken, an input or the worker has no room, or no answer.
    pub fn add_receiver(
        &self,
        worker: WorkerIndex,
        receiver: Box<SteeredReceiver<R::Buf>>,
    ) -> Result<(), Refused<SteeredReceiver<R::Buf>>> {
        match self.ask(worker, Command::AddReceiver(receiver))? {
            Report::Added => {
                self.receivers(worker).fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Report::ReceiverRefused(back, refusal) => Err(Refused::new(back, self.unheard(refusal, "receivers"))),
            _ => Err(Refused::lost(unexpected("adding a receiver"))),
        }
    }

    /// Takes a receiver back; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn remove_receiver(
        &self,
        worker: WorkerIndex,
        key: ReceiverKey,
    ) -> Result<Option<Box<SteeredReceiver<R::Buf>>>, DataplaneError> {
        match self.ask(worker, Command::RemoveReceiver(key)).map_err(no_answer)? {
            Report::ReceiverRemoved(receiver) => {
                self.receivers(worker).fetch_sub(1, Ordering::Relaxed);
                Ok(Some(receiver))
            }
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("removing a receiver")),
        }
    }

    /// Takes a receiver back as it is, for another worker; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn release_receiver(
        &self,
        worker: WorkerIndex,
        key: ReceiverKey,
    ) -> Result<Option<Box<SteeredReceiver<R::Buf>>>, DataplaneError> {
        match self.ask(worker, Command::ReleaseReceiver(key)).map_err(no_answer)? {
            Report::ReceiverRemoved(receiver) => {
                self.receivers(worker).fetch_sub(1, Ordering::Relaxed);
                Ok(Some(receiver))
            }
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("releasing a receiver")),
        }
    }

    /// Whether the worker has room for one more receiver, and one more sender.
    ///
    /// # Errors
    /// It has not.
    pub fn check_room(&self, worker: WorkerIndex) -> Result<(), DataplaneError> {
        let is_full = |count: &AtomicUsize| count.load(Ordering::Relaxed) >= WORKER_LIMIT;
        match (is_full(self.receivers(worker)), is_full(self.senders(worker))) {
            (true, _) => Err(self.full("receivers")),
            (_, true) => Err(self.full("senders")),
            _ => Ok(()),
        }
    }

    /// Serves a sender.
    ///
    /// # Errors
    /// Its path cannot be opened, there is no room, or no answer.
    pub fn add_sender(&self, worker: WorkerIndex, sender: Box<Sender<T>>) -> Result<(), Refused<Sender<T>>> {
        match self.ask(worker, Command::AddSender(sender))? {
            Report::Added => {
                self.senders(worker).fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Report::SenderRefused(back, refusal) => Err(Refused::new(back, self.unsent(refusal))),
            _ => Err(Refused::lost(unexpected("adding a sender"))),
        }
    }

    /// Takes a sender back; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn remove_sender(&self, worker: WorkerIndex, key: SenderKey) -> Result<Option<Box<Sender<T>>>, DataplaneError> {
        match self.ask(worker, Command::RemoveSender(key)).map_err(no_answer)? {
            Report::SenderRemoved(sender) => {
                self.senders(worker).fetch_sub(1, Ordering::Relaxed);
                Ok(Some(sender))
            }
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("removing a sender")),
        }
    }

    /// Takes a source to a sender, or none; gives back the one that it had.
    ///
    /// # Errors
    /// No such sender, or no answer.
    pub fn connect(
        &self,
        worker: WorkerIndex,
        key: SenderKey,
        source: Option<Box<Source>>,
    ) -> Result<Option<Box<Source>>, DataplaneError> {
        match self.ask(worker, Command::Connect(key, source)).map_err(no_answer)? {
            Report::Disconnected(before) => Ok(before),
            _ => Err(unexpected("connecting a sender")),
        }
    }

    /// Takes a port's queues back, for its restart.
    ///
    /// # Errors
    /// No such port, it is detached, or no answer.
    pub fn detach(&self, worker: WorkerIndex, port: PortKey) -> Result<QueuePair<R, T>, DataplaneError> {
        match self.ask(worker, Command::Detach(port)).map_err(no_answer)? {
            Report::Detached(queues) => Ok(queues),
            _ => Err(unexpected("detaching a port")),
        }
    }

    /// Goes on with a port's queues.
    ///
    /// # Errors
    /// No such port, it has its queues, or no answer; the queues are dropped.
    pub fn attach(&self, worker: WorkerIndex, port: PortKey, queues: QueuePair<R, T>) -> Result<(), DataplaneError> {
        match self.ask(worker, Command::Attach(port, queues)).map_err(no_answer)? {
            Report::Attached => Ok(()),
            _ => Err(unexpected("attaching a port")),
        }
    }

    /// How many the worker serves. It has answered, so it is there.
    pub(super) fn receivers(&self, worker: WorkerIndex) -> &AtomicUsize {
        &self.workers[worker.0].receivers
    }

    pub(super) fn senders(&self, worker: WorkerIndex) -> &AtomicUsize {
        &self.workers[worker.0].senders
    }

    /// Why a receiver or relay (`resource`, as a plural) is not served.
    pub(super) fn unheard(&self, refusal: ReceiverRefusal, resource: &str) -> DataplaneError {
        match refusal {
            ReceiverRefusal::WorkerFull { .. } => self.full(resource),
            refusal => DataplaneError::PacketIo(Box::new(refusal)),
        }
    }

    /// Why a sender or forwarder is not served.
    pub(super) fn unsent(&self, refusal: SenderRefusal) -> DataplaneError {
        match refusal {
            SenderRefusal::Full { .. } => self.full("senders"),
            refusal => DataplaneError::PacketIo(Box::new(refusal)),
        }
    }

    pub(super) fn full(&self, resource: &str) -> DataplaneError {
        DataplaneError::Exhausted {
            resource: format!("the worker's room for {resource}"),
            remedy: format!("at most {WORKER_LIMIT} fit on one: add a core to {}", self.names.cores_key),
        }
    }
}
