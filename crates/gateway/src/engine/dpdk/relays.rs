//! Relays on ports, and senders of ports that forward them.

use control::DataplaneError;
use worker::{Leg, ReceiverKey, SenderKey};

use super::super::ChangeError;
use super::super::forwarders::Followed;
use super::homes::ReceiverHome;
use super::{DpdkEngine, RelayOrder, Relaying};
use crate::pool::{UNKNOWN_PACKETS_PER_SECOND, unexpected};

impl DpdkEngine {
    pub(super) fn serve_relay(&self, order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        let (at, port) = self.port(order.port)?;
        let (destination, sources) = (order.spec.listen, order.spec.sources.clone());
        port.check_destination(destination)?;
        let relay = order.build([Leg { input: port.key, destination }]);
        let counters = relay.counters();
        self.pool.add_relay(port.worker(), Box::new(relay))?;
        // Now there is somebody to take what comes.
        if let Err(refusal) = self.present.listen(&port.facts.plan.name, destination, &sources) {
            drop(self.pool.remove_relay(port.worker(), order.key)?);
            return Err(DataplaneError::PacketIo(Box::new(refusal)));
        }
        let packets_per_second = UNKNOWN_PACKETS_PER_SECOND;
        let home = ReceiverHome { port: at, destination, sources, is_listening: true, packets_per_second };
        self.pool.burden(port.worker(), 0, packets_per_second);
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
        drop(self.pool.remove_relay(port.worker(), key)?);
        self.pool.burden(port.worker(), home.packets_per_second, 0);
        self.homes().relays.remove(&key);
        Ok(())
    }

    /// A packet stays on the worker that received it: only that one can send it on.
    pub(super) fn have_forwarded(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        let followed = match relay {
            None => None,
            Some(relay) => Some(self.followed(key, relay)?),
        };
        let mut forwarders = self.forwarders();
        let outcome = forwarders.follow(&self.pool, key, followed);
        let follows = forwarders.followed(key);
        drop(forwarders);
        if let Some(home) = self.homes().senders.get_mut(&key) {
            home.forwarded_by = follows.map(|followed| followed.worker);
        }
        outcome
    }

    /// Where a sender forwards a relay.
    fn followed(&self, key: SenderKey, relay: ReceiverKey) -> Result<Followed, DataplaneError> {
        let homes = self.homes();
        let found = homes.senders.get(&key).zip(homes.relays.get(&relay));
        let (to, from) = found.ok_or_else(|| unexpected("having a sender forward a relay"))?;
        let (to, from) = (&self.ports[to.port], &self.ports[from.port]);
        let worker = from.worker();
        let (of, by) = (&from.facts.plan.name, &to.facts.plan.name);
        let lacks = || DataplaneError::Unsupported {
            what: format!("forwarding from port {of} by port {by}, by which the worker of {of} does not send"),
            remedy: format!("give port {by} the core that receives on port {of} too (port.core, port.cores)"),
        };
        let output = to.output_of(worker).ok_or_else(lacks)?;
        Ok(Followed { relay, worker, output })
    }
}
