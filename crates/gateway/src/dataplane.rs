//! The data plane of this node: receivers, senders and crosspoints on the workers and the broker's rings.
//!
//! Changes come one at a time and may wait for a worker; reports never wait. Senders whose flow is absent
//! are connected when it comes ([`Gateway::reconcile`]), also after an eviction.

mod archive;
mod build;
mod connection;
mod entries;
mod heard_legs;
mod movement;
mod parts;
mod placement;
mod reconcile;
mod relays;
mod report;
mod rings;
mod sdp;
mod sender_entry;
mod unmet;
mod watch;
mod wish;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use control::{
    ConsumerStatus, CrosspointTable, Dataplane, DataplaneError, FlowStatus, NodeStatus, ReceiverSpec, ReceiverStatus,
    RelaySpec, RelayStatus, SenderSpec, SenderStatus, StreamName,
};
use media::Name;
use worker::{ReceiverKey, SenderKey};

use crate::alarms::Alarms;
use crate::engine::{Engine, ReceiverOrder, SenderOrder, Stands, StreamKey};
use crate::recorder::Recorder;
use entries::{Entries, ReceiverEntry};
pub use parts::Parts;
use placement::Place;
use sender_entry::{Forwarding, SenderEntry};

/// The data plane. Clones are the same one.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    parts: Parts,
    recorder: Recorder,
    started: Instant,
    /// Held through a change: changes come one at a time.
    change: Mutex<()>,
    /// Held for moments only.
    entries: Mutex<Entries>,
    /// The same.
    alarms: Mutex<Alarms>,
}

impl Gateway {
    /// A data plane without receivers and senders.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let recorder = Recorder::new(parts.recorder.clone(), parts.clock.clone());
        Self(Arc::new(Shared {
            parts,
            recorder,
            started: Instant::now(),
            change: Mutex::default(),
            entries: Mutex::default(),
            alarms: Mutex::default(),
        }))
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.0.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine of a place.
    fn engine(&self, place: &Place) -> &dyn Engine {
        self.parts().engines[place.engine].as_ref()
    }

    /// Whether a worker has ended although nobody stopped it.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.parts().engines.iter().any(|engine| engine.has_failed())
    }

    /// Stops everything: recordings are whole, senders end with the grain they are sending, open grains are closed.
    pub fn drain(&self) {
        self.0.recorder.stop();
        let _change = self.change();
        self.entries().is_stopping = true;
        let (senders, receivers, relays) = {
            let entries = self.entries();
            (entries.sender_keys(), entries.receiver_keys(), entries.relay_keys())
        };
        for (place, key) in &senders {
            let _ = self.engine(place).forward(*key, None);
            let _ = self.engine(place).connect(*key, None);
        }
        for (place, key) in relays {
            let _ = self.engine(&place).remove_relay(key);
        }
        for (place, key) in senders {
            let _ = self.engine(&place).remove_sender(key);
        }
        for (place, key) in receivers {
            let _ = self.engine(&place).remove_receiver(key);
        }
        self.parts().engines.iter().for_each(|engine| engine.stop());
    }

    /// Ends the rings, once [`Self::drain`] has stopped all who read and write them. The last of all handles does it.
    pub fn end(self) {
        let Some(shared) = Arc::into_inner(self.0) else {
            tracing::warn!("the rings end with the process: somebody still asks about them");
            return;
        };
        let Parts { engines, broker, .. } = shared.parts;
        drop(engines);
        let kept = broker.stop();
        if kept > 0 {
            tracing::warn!("{kept} rings stay mapped until the process ends: a device may still read them");
        }
    }

    /// Where the second leg is placed: by the same engine, as one worker serves both.
    fn place_second(&self, first: &Place, leg: Option<&SenderSpec>) -> Result<Option<Place>, DataplaneError> {
        let Some(leg) = leg else { return Ok(None) };
        let second = placement::of_sender(&self.parts().engines, leg);
        first.with_second(second, &leg.name).map(Some)
    }

    fn check_running(&self) -> Result<(), DataplaneError> {
        if self.entries().is_stopping { Err(DataplaneError::Stopping) } else { Ok(()) }
    }
}

impl Dataplane for Gateway {
    fn add_receiver(&self, spec: &ReceiverSpec) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        let place = placement::of_receiver(&self.parts().engines, spec);
        let second = placement::of_second(&self.parts().engines, &spec.name, &place, spec.second.as_ref())?;
        let second_port = second.as_ref().and_then(|place| place.port.as_ref());
        let key = ReceiverKey(self.entries().next_key());
        let writer = build::flow(self.parts(), spec)?;
        let stores = self.parts().stores;
        let order = ReceiverOrder { key, spec, port: place.port.as_ref(), second_port, writer, stores };
        let receiving = self.engine(&place).add_receiver(order).inspect_err(|_| self.remove_flow(&spec.name))?;
        let on = place.port.as_ref().map(|port| format!(" on port {port}")).unwrap_or_default();
        let and = spec.second.as_ref().map(|leg| format!(" and {}", leg.destination)).unwrap_or_default();
        tracing::info!("receiver {}: {} at {}{and}{on}", spec.name, spec.sdp.format, spec.sdp.destination);
        let entry = ReceiverEntry::new(spec.clone(), key, place, receiving);
        self.entries().receivers.insert(spec.name.clone(), entry);
        self.reconcile_changing();
        Ok(())
    }

    fn remove_receiver(&self, name: &Name) -> Result<(), DataplaneError> {
        let _change = self.change();
        let found = self.entries().receivers.get(name).map(|receiver| (receiver.place.clone(), receiver.key));
        let Some((place, key)) = found else { return Ok(()) };
        self.engine(&place).remove_receiver(key)?;
        self.entries().receivers.remove(name);
        self.remove_flow(name);
        self.reconcile_changing();
        Ok(())
    }

    fn add_sender(&self, spec: &SenderSpec) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        let place = placement::of_sender(&self.parts().engines, spec);
        let key = SenderKey(self.entries().next_key());
        let leg = spec.second_leg();
        let second = self.place_second(&place, leg.as_ref())?;
        let mut order = SenderOrder::new(key, spec, place.port.as_ref());
        if let (Some(leg), Some(second)) = (&leg, &second) {
            order = order.with_second(leg, second.port.as_ref());
        }
        let counters = self.engine(&place).add_sender(&order)?;
        let ssrc = order.ssrc;
        let on = place.port.as_ref().map(|port| format!(" on port {port}")).unwrap_or_default();
        tracing::info!("sender {}: to {}{on}", spec.name, spec.destination);
        let mut entry = SenderEntry::new(spec.clone(), key, place, ssrc, counters);
        entry.second_port = second.and_then(|place| place.port);
        self.entries().senders.insert(spec.name.clone(), entry);
        Ok(())
    }

    fn remove_sender(&self, name: &Name) -> Result<(), DataplaneError> {
        let _change = self.change();
        let found = self.entries().senders.get(name).map(|sender| (sender.place.clone(), sender.key));
        let Some((place, key)) = found else { return Ok(()) };
        self.engine(&place).remove_sender(key)?;
        self.entries().senders.remove(name);
        Ok(())
    }

    fn add_relay(&self, spec: &RelaySpec) -> Result<(), DataplaneError> {
        self.serve_relay(spec)
    }

    fn remove_relay(&self, name: &Name) -> Result<(), DataplaneError> {
        self.end_relay(name)
    }

    fn relays(&self) -> Vec<RelayStatus> {
        self.relay_status()
    }

    fn apply(&self, table: &CrosspointTable) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        self.change_table(table)
    }

    fn flows(&self) -> Vec<FlowStatus> {
        rings::all(&self.parts().broker)
    }

    fn evict(&self, flow: &Name, seat: u8) -> Result<ConsumerStatus, DataplaneError> {
        rings::evict(&self.parts().broker, flow, seat)
    }

    fn move_stream(&self, stream: &StreamName, worker: &str) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        if let StreamName::Port(name) = stream {
            self.engine_of_port(name)?.move_port(name, worker)?;
            tracing::info!("{stream}: is served by worker {worker} now");
            return Ok(());
        }
        let found = {
            let entries = self.entries();
            match stream {
                StreamName::Port(_) => None,
                StreamName::Receiver(name) => {
                    entries.receivers.get(name).map(|it| (it.place.clone(), StreamKey::Receiver(it.key)))
                }
                StreamName::Sender(name) => {
                    entries.senders.get(name).map(|it| (it.place.clone(), StreamKey::Sender(it.key)))
                }
                StreamName::Relay(name) => {
                    entries.relays.get(name).map(|it| (it.place.clone(), StreamKey::Relay(it.key)))
                }
            }
        };
        let Some((place, key)) = found else { return Ok(()) };
        if let Err(error) = self.engine(&place).move_to(key, worker) {
            if error.stands == Stands::Apart {
                self.recover(key);
            }
            return Err(error.cause);
        }
        tracing::info!("{stream}: is served by worker {worker} now");
        Ok(())
    }

    fn receivers(&self) -> Vec<ReceiverStatus> {
        let status = |entry: &ReceiverEntry| {
            let worker = self.engine(&entry.place).worker_of(StreamKey::Receiver(entry.key));
            report::receiver(entry, worker)
        };
        self.entries().receivers.values().map(status).collect()
    }

    fn senders(&self) -> Vec<SenderStatus> {
        let entries = self.entries();
        let status = |entry: &SenderEntry| {
            let worker = self.engine(&entry.place).worker_of(StreamKey::Sender(entry.key));
            report::sender(entry, &entries.table, worker)
        };
        entries.senders.values().map(status).collect()
    }

    fn node(&self) -> NodeStatus {
        let mut warnings = self.entries().warnings();
        warnings.extend(self.alarms().present(Instant::now()));
        report::node(self.parts(), self.0.started, warnings)
    }

    fn restart_port(&self, name: &Name) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        let engine = self.engine_of_port(name)?;
        tracing::info!("port {name}: is restarted");
        engine.restart_port(name)
    }
}

impl Gateway {
    /// Who drives the port of that name.
    fn engine_of_port(&self, name: &Name) -> Result<&Arc<dyn Engine>, DataplaneError> {
        let owner = self.parts().engines.iter().find(|engine| engine.ports().iter().any(|port| port.name == *name));
        owner.ok_or_else(|| DataplaneError::no_port(name, &self.node()))
    }

    fn remove_flow(&self, name: &Name) {
        if let Err(error) = self.parts().broker.remove_flow(name) {
            tracing::warn!("flow {name} could not be removed: {error}");
        }
    }

    /// Senders have come apart when they, or their relay, were to be moved: they are given their source again.
    fn recover(&self, stream: StreamKey) {
        for sender in self.entries().senders.values_mut() {
            let is_meant = match stream {
                StreamKey::Sender(key) => sender.key == key,
                StreamKey::Relay(key) => sender.forwarding == Forwarding::Relay(key),
                StreamKey::Receiver(_) => false,
            };
            if is_meant {
                sender.come_apart();
            }
        }
        self.reconcile_changing();
    }

    /// A warning that status shows from now on.
    pub fn warn(&self, warning: String) {
        self.entries().note_warning(warning);
    }
}

#[cfg(test)]
mod tests;
