//! What engines ask of workers about relays and forwarders.

use std::sync::atomic::Ordering;

use control::DataplaneError;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;
use worker::{Command, Forwarder, ReceiverKey, Relay, Report, SenderKey};

use super::error::{no_answer, unexpected};
use super::{Pool, Refused, WorkerIndex};

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Pool<R, T> {
    /// Serves a relay on inputs that are there.
    ///
    /// # Errors
    /// Its destination is taken, an input or the worker has no room, or no answer.
    pub fn add_relay(&self, worker: WorkerIndex, relay: Box<Relay<R::Buf>>) -> Result<(), Refused<Relay<R::Buf>>> {
        match self.ask(worker, Command::AddRelay(relay))? {
            Report::Added => {
                self.receivers(worker).fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Report::RelayRefused(back, refusal) => Err(Refused::new(back, self.unheard(refusal, "relays"))),
            _ => Err(Refused::lost(unexpected("adding a relay"))),
        }
    }

    /// Takes a relay back; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn remove_relay(
        &self,
        worker: WorkerIndex,
        key: ReceiverKey,
    ) -> Result<Option<Box<Relay<R::Buf>>>, DataplaneError> {
        match self.ask(worker, Command::RemoveRelay(key)).map_err(no_answer)? {
            Report::RelayRemoved(relay) => {
                self.receivers(worker).fetch_sub(1, Ordering::Relaxed);
                Ok(Some(relay))
            }
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("removing a relay")),
        }
    }

    /// Takes a relay back as it is, for another worker; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn release_relay(
        &self,
        worker: WorkerIndex,
        key: ReceiverKey,
    ) -> Result<Option<Box<Relay<R::Buf>>>, DataplaneError> {
        match self.ask(worker, Command::ReleaseRelay(key)).map_err(no_answer)? {
            Report::RelayRemoved(relay) => {
                self.receivers(worker).fetch_sub(1, Ordering::Relaxed);
                Ok(Some(relay))
            }
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("releasing a relay")),
        }
    }

    /// Serves a forwarder.
    ///
    /// # Errors
    /// Its path cannot be opened, there is no room, or no answer.
    pub fn add_forwarder(&self, worker: WorkerIndex, forwarder: Box<Forwarder>) -> Result<(), Refused<Forwarder>> {
        match self.ask(worker, Command::AddForwarder(forwarder))? {
            Report::Added => {
                self.senders(worker).fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Report::ForwarderRefused(back, refusal) => Err(Refused::new(back, self.unsent(refusal))),
            _ => Err(Refused::lost(unexpected("adding a forwarder"))),
        }
    }

    /// Takes a forwarder back; `None` when it is not there.
    ///
    /// # Errors
    /// No answer.
    pub fn remove_forwarder(
        &self,
        worker: WorkerIndex,
        key: SenderKey,
    ) -> Result<Option<Box<Forwarder>>, DataplaneError> {
        match self.ask(worker, Command::RemoveForwarder(key)).map_err(no_answer)? {
            Report::ForwarderRemoved(forwarder) => {
                self.senders(worker).fetch_sub(1, Ordering::Relaxed);
                Ok(Some(forwarder))
            }
            Report::Unknown(_) => Ok(None),
            _ => Err(unexpected("removing a forwarder")),
        }
    }

    /// Has a forwarder follow a relay from its next picture on, or none.
    ///
    /// # Errors
    /// No such forwarder, or no answer.
    pub fn follow(
        &self,
        worker: WorkerIndex,
        key: SenderKey,
        relay: Option<ReceiverKey>,
    ) -> Result<(), DataplaneError> {
        match self.ask(worker, Command::Follow(key, relay)).map_err(no_answer)? {
            Report::Following => Ok(()),
            _ => Err(unexpected("having a forwarder follow")),
        }
    }
}
