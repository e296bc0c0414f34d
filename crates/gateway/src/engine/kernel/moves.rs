//! A receiver or sender goes over to another worker.

use control::DataplaneError;
use worker::{ReceiverKey, SenderKey};

use super::{KernelEngine, input_of};
use crate::pool::WorkerIndex;

impl KernelEngine {
    /// The socket goes along, and keeps what comes meanwhile.
    pub(super) fn move_receiver(&self, key: ReceiverKey, to: WorkerIndex) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().receivers.get(&key).cloned() else { return Ok(()) };
        if home.worker == to {
            return Ok(());
        }
        let Some(receiver) = self.pool.release_receiver(home.worker, key)? else { return Ok(()) };
        if let Some(input) = self.pool.remove_input(home.worker, input_of(key))? {
            self.pool.add_input(to, input)?;
        }
        self.pool.add_receiver(to, receiver)?;
        self.pool.burden(home.worker, home.packets_per_second, 0);
        self.pool.burden(to, 0, home.packets_per_second);
        if let Some(home) = self.homes().receivers.get_mut(&key) {
            home.worker = to;
        }
        Ok(())
    }

    /// At its grain boundary; its packets come from another socket afterwards.
    pub(super) fn move_sender(&self, key: SenderKey, to: WorkerIndex) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        if home.worker == to {
            return Ok(());
        }
        // While it forwards, the relay's worker has its packets.
        let forwards = self.homes().forwarders.rehome(key, to);
        let (source, sender) = if forwards {
            (None, None)
        } else {
            (self.pool.connect(home.worker, key, None)?, self.pool.remove_sender(home.worker, key)?)
        };
        if let Some(sender) = sender {
            self.pool.add_sender(to, sender)?;
        }
        self.pool.burden(home.worker, home.packets_per_second, 0);
        self.pool.burden(to, 0, home.packets_per_second);
        if let Some(home) = self.homes().senders.get_mut(&key) {
            home.worker = to;
        }
        if !forwards {
            drop(self.pool.connect(to, key, source)?);
        }
        Ok(())
    }
}
