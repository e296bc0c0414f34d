//! A sender goes over to another worker of its port.

use control::DataplaneError;
use worker::SenderKey;

use super::super::ChangeError;
use super::DpdkEngine;

impl DpdkEngine {
    /// At its grain boundary; it leaves by that worker's queue afterwards, and on its own from another UDP port.
    pub(super) fn move_sender(&self, key: SenderKey, worker: &str) -> Result<(), ChangeError> {
        let to = self.pool.named(worker)?;
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        if home.worker == to {
            return Ok(());
        }
        let (port, second) = (&self.ports[home.port], home.second.map(|at| &self.ports[at]));
        let workers = port.workers_shared_with(second)?;
        if !workers.contains(&to) {
            let names: Vec<&str> = workers.iter().map(|worker| self.pool.worker_name(*worker)).collect();
            return Err(ChangeError::as_before(DataplaneError::Unsupported {
                what: format!("a move to {worker}, which does not send by port {}", port.facts.plan.name),
                remedy: format!("it can go to one of: {}; port.cores names more", names.join(", ")),
            }));
        }
        self.pool.check_room(to)?;
        self.forwarders().move_to_by(&self.pool, key, to, port.outputs_of(to, second))?;
        self.pool.burden(home.worker, home.packets_per_second, 0);
        self.pool.burden(to, 0, home.packets_per_second);
        if let Some(home) = self.homes().senders.get_mut(&key) {
            home.worker = to;
        }
        Ok(())
    }
}
