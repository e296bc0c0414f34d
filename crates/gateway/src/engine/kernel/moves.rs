//! A receiver or sender goes over to another worker.

use control::DataplaneError;
use worker::{Input, InputKey, ReceiverKey, SenderKey, SteeredReceiver};

use super::super::ChangeError;
use super::sockets::inputs_of;
use super::{KernelEngine, Rx};
use crate::pool::{WorkerIndex, unexpected};

type Steered = SteeredReceiver<<Rx as netio::RxQueue>::Buf>;

impl KernelEngine {
    /// The sockets go along, and keep what comes meanwhile. Refused, all go back to where they were.
    pub(super) fn move_receiver(&self, key: ReceiverKey, to: WorkerIndex) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().receivers.get(&key).cloned() else { return Ok(()) };
        let from = home.worker;
        if from == to {
            return Ok(());
        }
        let released = self.pool.release_receiver(from, key)?;
        let receiver = released.ok_or_else(|| unexpected("taking a receiver from its worker"))?;
        for input in inputs_of(key, home.ways) {
            if let Err(cause) = self.move_input(from, to, input) {
                self.return_inputs(key, home.ways, from, to);
                self.seat_again(from, None, Some(receiver));
                return Err(cause);
            }
        }
        if let Err(refused) = self.pool.add_receiver(to, receiver) {
            self.return_inputs(key, home.ways, from, to);
            self.seat_again(from, None, refused.back);
            return Err(refused.cause);
        }
        self.pool.burden(from, home.packets_per_second, 0);
        self.pool.burden(to, 0, home.packets_per_second);
        if let Some(home) = self.homes().receivers.get_mut(&key) {
            home.worker = to;
        }
        Ok(())
    }

    /// Gives a socket to another worker; one that it refuses goes back.
    fn move_input(&self, from: WorkerIndex, to: WorkerIndex, input: InputKey) -> Result<(), DataplaneError> {
        let removed = self.pool.remove_input(from, input)?;
        let socket = removed.ok_or_else(|| unexpected("taking a socket from its worker"))?;
        self.pool.add_input(to, socket).map_err(|refused| {
            self.seat_again(from, refused.back, None);
            refused.cause
        })
    }

    /// Sockets that have gone over come back.
    fn return_inputs(&self, key: ReceiverKey, ways: usize, from: WorkerIndex, to: WorkerIndex) {
        for input in inputs_of(key, ways) {
            self.seat_again(from, self.pool.remove_input(to, input).unwrap_or_default(), None);
        }
    }

    /// A worker takes again what it served until now.
    fn seat_again(&self, worker: WorkerIndex, input: Option<Box<Input<Rx>>>, receiver: Option<Box<Steered>>) {
        let input = input.map_or(Ok(()), |input| self.pool.add_input(worker, input).map_err(DataplaneError::from));
        let add = |receiver| self.pool.add_receiver(worker, receiver).map_err(DataplaneError::from);
        if let Err(cause) = input.and_then(|()| receiver.map_or(Ok(()), add)) {
            let worker = self.pool.worker_name(worker);
            tracing::error!(
                "a receiver that could not be moved cannot go back to {worker} either: {cause}; delete it and make it anew"
            );
        }
    }

    /// At its grain boundary; its packets come from another socket afterwards.
    pub(super) fn move_sender(&self, key: SenderKey, to: WorkerIndex) -> Result<(), ChangeError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        if home.follows.is_none() && home.worker == to {
            return Ok(());
        }
        self.forwarders().move_to(&self.pool, key, to)?;
        self.homes().change_sender(&self.pool, key, |home| home.worker = to);
        Ok(())
    }
}
