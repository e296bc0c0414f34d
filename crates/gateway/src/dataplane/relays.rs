//! Relays, and senders that forward them.

use std::sync::Arc;
use std::time::Duration;

use control::{DataplaneError, RelaySpec, RelayStatus};
use media::Name;
use worker::{InputCounters, ReceiverKey, RelayCounters};

use super::Gateway;
use super::entries::Movement;
use super::placement::{self, Place};
use crate::engine::{RelayOrder, Relaying};

/// Packets of the slowest stream that counts as alive come no further apart.
const PERIOD: Duration = Duration::from_millis(300);

/// Levels that the counters carry along.
const LEVELS: [&str; 1] = ["destinations"];

/// A relay.
pub(super) struct RelayEntry {
    pub(super) spec: RelaySpec,
    pub(super) key: ReceiverKey,
    pub(super) place: Place,
    pub(super) packets: Movement,
    pub(super) counters: Arc<RelayCounters>,
    input: Option<Arc<InputCounters>>,
    pub(super) warning: Option<String>,
}

impl RelayEntry {
    fn status(&self) -> RelayStatus {
        let own = self.counters.values().into_iter().filter(|(name, _)| !LEVELS.contains(name));
        let queue = self.input.iter().flat_map(|input| {
            let (drops, dry) = (input.packets_dropped.value(), input.packets_without_buffer.value());
            [("socket_drops", drops), ("packets_without_buffer", dry)]
        });
        RelayStatus {
            name: self.spec.name.clone(),
            is_alive: self.packets.is_recent(PERIOD),
            senders: u32::try_from(self.counters.destinations.value()).unwrap_or(u32::MAX),
            counters: own.chain(queue).collect(),
        }
    }
}

/// Whether a sender's source is a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    Relay,
    Ring,
}

impl Gateway {
    pub(super) fn serve_relay(&self, spec: &RelaySpec) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        let place = placement::of_relay(&self.parts().engines, spec);
        let key = ReceiverKey(self.entries().next_key());
        let order = RelayOrder { key, spec, port: place.port.as_ref() };
        let Relaying { counters, input, warning } = self.engine(&place).add_relay(&order)?;
        let on = place.port.as_ref().map(|port| format!(" on port {port}")).unwrap_or_default();
        tracing::info!("relay {}: of what comes to {}{on}", spec.name, spec.listen);
        let spec = spec.clone();
        let name = spec.name.clone();
        let entry = RelayEntry { spec, key, place, packets: Movement::default(), counters, input, warning };
        self.entries().relays.insert(name, entry);
        self.reconcile_changing();
        Ok(())
    }

    pub(super) fn end_relay(&self, name: &Name) -> Result<(), DataplaneError> {
        let _change = self.change();
        let found = self.entries().relays.get(name).map(|relay| (relay.place.clone(), relay.key));
        let Some((place, key)) = found else { return Ok(()) };
        self.engine(&place).remove_relay(key)?;
        self.entries().relays.remove(name);
        self.reconcile_changing();
        Ok(())
    }

    pub(super) fn relay_status(&self) -> Vec<RelayStatus> {
        self.entries().relays.values().map(RelayEntry::status).collect()
    }

    /// Has a sender forward the relay that the table gives it; or ends that, where it gives it none.
    pub(super) fn forward(&self, name: &Name) -> Result<SourceKind, DataplaneError> {
        let (place, key, has, wanted) = {
            let entries = self.entries();
            let Some(sender) = entries.senders.get(name) else { return Ok(SourceKind::Ring) };
            let relay = entries.table.source(name).and_then(|source| entries.relays.get(source));
            let wanted = relay.map(|relay| (relay.key, relay.place.clone(), relay.spec.name.clone()));
            (sender.place.clone(), sender.key, sender.relay, wanted)
        };
        let engine = self.engine(&place);
        let Some((relay, relay_place, source)) = wanted else {
            if has.is_some() {
                engine.forward(key, None)?;
                self.note_relay(name, None);
            }
            return Ok(SourceKind::Ring);
        };
        if has == Some(relay) {
            return Ok(SourceKind::Relay);
        }
        if relay_place.engine != place.engine {
            return Err(DataplaneError::Unsupported {
                what: format!("forwarding {source} from {} by {}", words(&relay_place), words(&place)),
                remedy: "place both on ports of one core, or both on the kernel's sockets (interface)".to_owned(),
            });
        }
        engine.forward(key, Some(relay))?;
        self.note_relay(name, Some(relay));
        tracing::info!("sender {name}: forwards {source}");
        Ok(SourceKind::Relay)
    }

    fn note_relay(&self, name: &Name, relay: Option<ReceiverKey>) {
        if let Some(sender) = self.entries().senders.get_mut(name) {
            sender.relay = relay;
            sender.packets.restart(sender.counters.packets.value());
            sender.connection = None;
            sender.sdp = None;
            sender.settle();
        }
    }
}

fn words(place: &Place) -> String {
    place.port.as_ref().map_or_else(|| "the kernel's sockets".to_owned(), |port| format!("port {port}"))
}
