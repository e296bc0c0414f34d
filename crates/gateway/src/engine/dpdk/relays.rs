//! Relays on ports, and senders of ports that forward them.

use control::DataplaneError;
use worker::{Leg, ReceiverKey, SenderKey};

use super::super::ChangeError;
use super::super::forwarders::Followed;
use super::homes::ReceiverHome;
use super::{DpdkEngine, RelayOrder, Relaying};
use crate::pool::unexpected;

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
    pub(super) fn have_forwarded(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        let followed = match relay {
            None => None,
            Some(relay) => Some(self.followed(key, relay)?),
        };
        self.forwarders().follow(&self.pool, key, followed)
    }

    /// Where a sender forwards a relay.
    fn followed(&self, key: SenderKey, relay: ReceiverKey) -> Result<Followed, DataplaneError> {
        let homes = self.homes();
        let found = homes.senders.get(&key).zip(homes.relays.get(&relay));
        let (to, from) = found.ok_or_else(|| unexpected("having a sender forward a relay"))?;
        let (to, from) = (&self.ports[*to], &self.ports[from.port]);
        if from.worker == to.worker {
            return Ok(Followed { relay, worker: from.worker, output: to.key.output });
        }
        let (from, to) = (&from.facts.plan.name, &to.facts.plan.name);
        Err(DataplaneError::Unsupported {
            what: format!("forwarding from port {from} by port {to}, which is another worker's"),
            remedy: "give both ports the same core (port.core), or none".to_owned(),
        })
    }
}
