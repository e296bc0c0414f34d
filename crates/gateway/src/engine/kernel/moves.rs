//! A receiver or sender goes over to another worker.

use control::DataplaneError;
use worker::{Input, ReceiverKey, SenderKey, SteeredReceiver};

use super::super::ChangeError;
use super::{KernelEngine, Rx, input_of};
use crate::pool::{WorkerIndex, unexpected};

type Steered = SteeredReceiver<<Rx as netio::RxQueue>::Buf>;

impl KernelEngine {
    /// The socket goes along, and keeps what comes meanwhile. Refused, both go back to where they were.
    pub(super) fn move_receiver(&self, key: ReceiverKey, to: WorkerIndex) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().receivers.get(&key).cloned() else { return Ok(()) };
        let from = home.worker;
        if from == to {
            return Ok(());
        }
        let released = self.pool.release_receiver(from, key)?;
        let receiver = released.ok_or_else(|| unexpected("taking a receiver from its worker"))?;
        let input = match self.pool.remove_input(from, input_of(key)) {
            Ok(Some(input)) => input,
            other => {
                self.seat_again(from, None, Some(receiver));
                return Err(other.err().unwrap_or_else(|| unexpected("taking a socket from its worker")));
            }
        };
        if let Err(refused) = self.pool.add_input(to, input) {
            self.seat_again(from, refused.back, Some(receiver));
            return Err(refused.cause);
        }
        if let Err(refused) = self.pool.add_receiver(to, receiver) {
            let input = self.pool.remove_input(to, input_of(key)).unwrap_or_default();
            self.seat_again(from, input, refused.back);
            return Err(refused.cause);
        }
        self.pool.burden(from, home.packets_per_second, 0);
        self.pool.burden(to, 0, home.packets_per_second);
        if let Some(home) = self.homes().receivers.get_mut(&key) {
            home.worker = to;
        }
        Ok(())
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
