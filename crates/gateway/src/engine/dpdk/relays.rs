//! Relays on ports, and senders of ports that forward them.

use control::DataplaneError;
use worker::{Leg, ReceiverKey, SenderKey};

use super::super::relaying::Followed;
use super::homes::ReceiverHome;
use super::{DpdkEngine, RelayOrder, Relaying};

impl DpdkEngine {
    pub(super) fn serve_relay(&self, order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        let (at, port) = self.port(order.port)?;
        let (destination, sources) = (order.spec.listen, order.spec.sources.clone());
        port.check_destination(destination)?;
        let relay = order.build([Leg { input: port.key.input, destination }]);
        let counters = relay.counters();
        self.pool.add_relay(port.worker, Box::new(relay))?;
        // Now there is somebody to take what comes.
        if let Err(refusal) = self.present.listen(&port.facts.plan.name, destination, &sources) {
            drop(self.pool.remove_relay(port.worker, order.key)?);
            return Err(DataplaneError::PacketIo(Box::new(refusal)));
        }
        let home = ReceiverHome { port: at, destination, sources, is_listening: true };
        self.homes().relays.insert(order.key, home);
        Ok(Relaying { counters, input: None, warning: None })
    }

    pub(super) fn end_relay(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().relays.get(&key).cloned() else { return Ok(()) };
        let port = &self.ports[home.port];
        // The group is left before nobody takes its packets any more.
        if home.is_listening {
            if let Err(refusal) = self.present.unlisten(&port.facts.plan.name, home.destination, &home.sources) {
                tracing::warn!("{refusal}");
            }
            if let Some(home) = self.homes().relays.get_mut(&key) {
                home.is_listening = false;
            }
        }
        drop(self.pool.remove_relay(port.worker, key)?);
        self.homes().relays.remove(&key);
        Ok(())
    }

    /// A packet stays on the worker that received it: only that one can send it on.
    pub(super) fn have_forwarded(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), DataplaneError> {
        let mut homes = self.homes();
        let Some(to) = homes.senders.get(&key).map(|at| &self.ports[*at]) else { return Ok(()) };
        let followed = match relay.and_then(|relay| Some((relay, &self.ports[homes.relays.get(&relay)?.port]))) {
            None => None,
            Some((relay, from)) if from.worker == to.worker => {
                Some(Followed { relay, worker: from.worker, output: to.key.output })
            }
            Some((_, from)) => {
                let (from, to) = (&from.facts.plan.name, &to.facts.plan.name);
                return Err(DataplaneError::Unsupported {
                    what: format!("forwarding from port {from} by port {to}, which is another worker's"),
                    remedy: "give both ports the same core (port.core), or none".to_owned(),
                });
            }
        };
        homes.forwarders.follow(&self.pool, key, followed)
    }
}
