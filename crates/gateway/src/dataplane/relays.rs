//! Relays, and senders that forward them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control::{DataplaneError, RelaySpec, RelayStatus};
use media::Name;
use worker::{InputCounters, ReceiverKey, RelayCounters, SenderKey};

use super::heard_legs::HeardLegs;
use super::movement::Movement;
use super::placement::{self, Place};
use super::sender_entry::Forwarding;
use super::unmet::Unmet;
use super::wish::Wish;
use super::{Gateway, sdp};
use crate::engine::{RelayOrder, Relaying, StreamKey};
use crate::loss::Locator;

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
    pub(super) legs: HeardLegs,
    inputs: Vec<Arc<InputCounters>>,
    pub(super) warning: Option<String>,
    pub(super) losses: Locator,
}

impl RelayEntry {
    fn status(&self, worker: Option<String>) -> RelayStatus {
        let own = self.counters.values().into_iter().filter(|(name, _)| !LEVELS.contains(name));
        let sum = |value: fn(&InputCounters) -> u64| self.inputs.iter().map(|input| value(input)).sum::<u64>();
        let queues = [
            ("socket_drops", sum(|input| input.packets_dropped.value())),
            ("packets_without_buffer", sum(|input| input.packets_without_buffer.value())),
            ("datagrams_truncated", sum(|input| input.packets_truncated.value())),
            ("queue_errors", sum(|input| input.errors.value())),
            ("octets_copied_by_kernel", sum(|input| input.octets_copied_by_kernel.value())),
        ];
        let queues = queues.into_iter().filter(|_| !self.inputs.is_empty());
        RelayStatus {
            name: self.spec.name.clone(),
            is_alive: self.packets.is_recent(PERIOD),
            senders: u32::try_from(self.counters.destinations.value()).unwrap_or(u32::MAX),
            legs: self.legs.status(PERIOD),
            worker,
            counters: own.chain(queues).chain(self.losses.located().counters()).collect(),
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
        let second = placement::of_second(&self.parts().engines, &spec.name, &place, spec.second.as_ref())?;
        let second_port = second.as_ref().and_then(|place| place.port.as_ref());
        let order = RelayOrder { key, spec, port: place.port.as_ref(), second_port };
        let Relaying { counters, legs, inputs, warning } = self.engine(&place).add_relay(&order)?;
        let on = place.port.as_ref().map(|port| format!(" on port {port}")).unwrap_or_default();
        tracing::info!("relay {}: of what comes to {}{on}", spec.name, spec.listen);
        let spec = spec.clone();
        let name = spec.name.clone();
        let (legs, packets, losses) = (HeardLegs::new(legs), Movement::default(), Locator::default());
        let entry = RelayEntry { spec, key, place, packets, legs, counters, inputs, warning, losses };
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
        let status = |relay: &RelayEntry| {
            let worker = self.engine(&relay.place).worker_of(StreamKey::Relay(relay.key));
            relay.status(worker)
        };
        self.entries().relays.values().map(status).collect()
    }

    /// Has a sender forward the relay that the table gives it; or ends that, where it gives it none. Where that has to wait
    /// it is the relay's still.
    pub(super) fn forward(&self, name: &Name) -> Result<SourceKind, Box<Unmet>> {
        let Some(sought) = self.sought(name) else { return Ok(SourceKind::Ring) };
        let Sought { place, key, has, legs, relay } = sought;
        let engine = self.engine(&place);
        let Some((relay, relay_place, source)) = relay else {
            if has == Forwarding::Nothing {
                return Ok(SourceKind::Ring);
            }
            if !self.may_try(name, &Wish::Home) {
                return Ok(SourceKind::Relay);
            }
            engine.forward(key, None).map_err(|error| Unmet::change(Wish::Home, error))?;
            self.note_forwarding(name, Forwarding::Nothing, None);
            return Ok(SourceKind::Ring);
        };
        let wish = Wish::Relay(relay);
        if has == Forwarding::Relay(relay) {
            self.settle(name);
        } else if self.may_try(name, &wish) {
            check_forwarding(name, &source, &relay_place, &place, legs)
                .map_err(|cause| Unmet::lasting(wish.clone(), cause))?;
            engine.forward(key, Some(relay)).map_err(|error| Unmet::change(wish, error))?;
            let sdp = self.forwarded_sdp(name, &source);
            self.note_forwarding(name, Forwarding::Relay(relay), sdp);
            tracing::info!("sender {name}: forwards {source}");
        }
        Ok(SourceKind::Relay)
    }

    /// What a sender is to forward, and what it does forward.
    fn sought(&self, name: &Name) -> Option<Sought> {
        let entries = self.entries();
        let sender = entries.senders.get(name)?;
        let relay = entries.table.source(name).and_then(|source| entries.relays.get(source));
        Some(Sought {
            place: sender.place.clone(),
            key: sender.key,
            has: sender.forwarding,
            legs: 1 + usize::from(sender.spec.second_leg().is_some()),
            relay: relay.map(|relay| (relay.key, relay.place.clone(), relay.spec.name.clone())),
        })
    }

    fn may_try(&self, name: &Name, wish: &Wish) -> bool {
        self.entries().senders.get(name).is_some_and(|sender| sender.may_try(wish))
    }

    fn settle(&self, name: &Name) {
        if let Some(sender) = self.entries().senders.get_mut(name) {
            sender.settle();
        }
    }

    /// What a sender says of the relay that it forwards, where the relay's own SDP is known.
    fn forwarded_sdp(&self, name: &Name, relay: &Name) -> Option<String> {
        let entries = self.entries();
        let source = entries.relays.get(relay)?.spec.sdp.clone()?;
        let sender = entries.senders.get(name)?;
        let (spec, place, ssrc) = (sender.spec.clone(), sender.place.clone(), sender.ssrc);
        drop(entries);
        let identity = self.engine(&place).identity(&spec, place.port.as_ref());
        Some(sdp::of_forwarded(&spec, ssrc, identity, &source, SystemTime::now()))
    }

    fn note_forwarding(&self, name: &Name, forwarding: Forwarding, sdp: Option<String>) {
        if let Some(sender) = self.entries().senders.get_mut(name) {
            sender.forwarding = forwarding;
            sender.packets.restart(sender.counters.packets.value());
            sender.connection = None;
            sender.sdp = sdp;
            sender.settle();
        }
    }
}

/// What a sender is to forward.
struct Sought {
    place: Place,
    key: SenderKey,
    has: Forwarding,
    legs: usize,
    /// The relay, its place and its name.
    relay: Option<(ReceiverKey, Place, Name)>,
}

/// Whether a sender can forward a relay at all.
fn check_forwarding(name: &Name, source: &Name, from: &Place, by: &Place, legs: usize) -> Result<(), DataplaneError> {
    if from.engine != by.engine {
        return Err(DataplaneError::Unsupported {
            what: format!("forwarding {source} from {} by {}", words(from), words(by)),
            remedy: "place both on ports of one core, or both on the kernel's sockets (interface)".to_owned(),
        });
    }
    if legs > 1 {
        return Err(DataplaneError::Unsupported {
            what: format!("forwarding {source} by the two legs of sender {name}"),
            remedy: "give each way a sender of its own, and take both to the relay; with relay_keep = [\"ssrc\", \
                     \"sequence\", \"timestamp\"] their packets are the same"
                .to_owned(),
        });
    }
    Ok(())
}

fn words(place: &Place) -> String {
    place.port.as_ref().map_or_else(|| "the kernel's sockets".to_owned(), |port| format!("port {port}"))
}
