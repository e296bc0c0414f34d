//! The data plane of this node: receivers, senders and crosspoints on the workers and the broker's rings.
//!
//! Changes come one at a time and may wait for a worker; reports never wait. Senders whose flow is absent
//! are connected when it comes ([`Gateway::reconcile`]), also after an eviction.

mod build;
mod connection;
mod entries;
mod report;
mod sdp;
mod sender_entry;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use control::{
    CrosspointTable, Dataplane, DataplaneError, FlowStatus, NodeStatus, ReceiverSpec, ReceiverStatus, SenderSpec,
    SenderStatus,
};
use media::Name;
use shm::Broker;
use worker::{Command, InputKey, ReceiverKey, Report, SenderKey, SenderRefusal, Source};

use crate::clock::TaiClock;
use crate::pool::{NoAnswer, Pool, Rx, Tx, WorkerIndex};
use connection::Connection;
use entries::{Entries, ReceiverEntry};
use sender_entry::SenderEntry;

/// What the data plane is made of.
pub struct Parts {
    /// The rings.
    pub broker: Broker,
    /// The workers.
    pub pool: Pool,
    /// TAI.
    pub clock: TaiClock,
    /// This node's name.
    pub node: String,
    /// Slots of a ring where the receiver states none.
    pub slots: u16,
    /// The broker's socket, for status.
    pub broker_socket: String,
    /// Which pages rings are made of, in words, while there is no ring.
    pub page_policy: String,
}

/// The data plane. Clones are the same one.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    parts: Parts,
    started: Instant,
    /// Held through a change: changes come one at a time.
    change: Mutex<()>,
    /// Held for moments only.
    entries: Mutex<Entries>,
}

impl Gateway {
    /// A data plane without receivers and senders.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared { parts, started: Instant::now(), change: Mutex::default(), entries: Mutex::default() }))
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

    /// The workers.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.parts().pool
    }

    /// Makes what is connected agree with the table and with the flows that exist; nothing once it drains.
    pub fn reconcile(&self) {
        let _change = self.change();
        if self.check_running().is_ok() {
            self.reconcile_changing();
        }
    }

    /// Notes which streams and senders moved since the last time; rejoins evicted senders, and tries refused ones
    /// again.
    pub fn tick(&self, now: Instant) {
        let is_due = self.entries().tick(now);
        if is_due {
            self.reconcile();
        }
    }

    fn reconcile_changing(&self) {
        let names: Vec<Name> = self.entries().senders.keys().cloned().collect();
        for name in names {
            if let Err(error) = self.connect(&name) {
                tracing::warn!("sender {name}: {error}");
                self.note_trouble(&name, Some(error.to_string()));
            }
        }
    }

    fn note_trouble(&self, name: &Name, trouble: Option<String>) {
        if let Some(sender) = self.entries().senders.get_mut(name) {
            sender.trouble = trouble;
        }
    }

    /// Gives one sender the source that the table says, if that is another than it has.
    fn connect(&self, name: &Name) -> Result<(), DataplaneError> {
        let Some(wanted) = self.wanted(name) else { return Ok(()) };
        let (source, connection) = match wanted.connection {
            None => (None, None),
            Some(connection) => match build::source(self.parts(), &wanted.spec, &connection) {
                Ok(source) => (Some(Box::new(source)), Some(connection)),
                Err(error) => {
                    self.refuse(name, &connection, &error);
                    return Ok(());
                }
            },
        };
        self.hand_over(name, wanted.worker, wanted.key, source)?;
        let mut entries = self.entries();
        if let Some(sender) = entries.senders.get_mut(name) {
            sender.sdp = connection.as_ref().map(|connection| {
                let receiver = wanted.receiver_sdp.as_ref();
                sdp::of_sender(&sender.spec, sender.ssrc, &connection.format, receiver).to_sdp()
            });
            sender.settle();
            sender.evictions_seen = sender.counters.evictions.value();
            match &connection {
                Some(connection) => tracing::info!("sender {name}: sends {} ({})", connection.flow, connection.format),
                None => tracing::info!("sender {name}: has no source now"),
            }
            sender.connection = connection;
        }
        Ok(())
    }

    fn refuse(&self, name: &Name, connection: &Connection, error: &build::SourceError) {
        let mut entries = self.entries();
        let Some(sender) = entries.senders.get_mut(name) else { return };
        if sender.refuse(connection, error.to_string(), error.is_lasting()) {
            tracing::warn!("sender {name} cannot send {}: {error}", connection.flow);
        }
    }

    fn hand_over(
        &self,
        name: &Name,
        worker: WorkerIndex,
        key: SenderKey,
        source: Option<Box<Source>>,
    ) -> Result<(), DataplaneError> {
        match self.pool().ask(worker, Command::Connect(key, source)).map_err(no_answer)? {
            Report::Disconnected(_) => Ok(()),
            _ => Err(unexpected(&format!("connecting sender {name}"))),
        }
    }

    /// What a sender should have, when that differs from what it has and may be tried.
    fn wanted(&self, name: &Name) -> Option<Wanted> {
        let flows = self.parts().broker.flows();
        let mut entries = self.entries();
        let Entries { senders, table, receivers, .. } = &mut *entries;
        let sender = senders.get_mut(name)?;
        let flow = table.source(name).and_then(|source| flows.iter().find(|flow| flow.name == *source));
        let connection = flow.map(Connection::to);
        let key = |connection: &Connection| connection.key();
        if connection.as_ref().map(key) == sender.connection.as_ref().map(key) && !sender.is_evicted() {
            sender.settle();
            return None;
        }
        if connection.as_ref().is_some_and(|connection| !sender.may_try(connection)) {
            return None;
        }
        let receiver_sdp = flow.and_then(|flow| receivers.get(&flow.name)).map(|receiver| receiver.spec.sdp.clone());
        Some(Wanted { connection, spec: sender.spec.clone(), worker: sender.worker, key: sender.key, receiver_sdp })
    }

    /// Stops everything: senders end with the grain they are sending, open grains are closed.
    pub fn drain(&self) {
        let _change = self.change();
        self.entries().is_stopping = true;
        let (senders, receivers) = {
            let entries = self.entries();
            (entries.sender_keys(), entries.receiver_keys())
        };
        for (worker, key) in &senders {
            let _ = self.pool().ask(*worker, Command::Connect(*key, None));
        }
        for (worker, key) in senders {
            let _ = self.pool().ask(worker, Command::RemoveSender(key));
        }
        for (worker, key) in receivers {
            let _ = self.pool().ask(worker, Command::RemoveInput(InputKey(key.0)));
        }
        self.pool().stop();
    }

    fn check_running(&self) -> Result<(), DataplaneError> {
        if self.entries().is_stopping { Err(DataplaneError::Stopping) } else { Ok(()) }
    }
}

/// What a sender should have.
struct Wanted {
    connection: Option<Connection>,
    spec: SenderSpec,
    worker: WorkerIndex,
    key: SenderKey,
    receiver_sdp: Option<st2110::VideoSdp>,
}

impl Dataplane for Gateway {
    fn add_receiver(&self, spec: &ReceiverSpec) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        let index = self.pool().least_loaded();
        let key = ReceiverKey(self.entries().next_key());
        let built = build::receiver(self.parts(), spec, key)?;
        match self.pool().ask(index, Command::AddInput(built.input)).map_err(no_answer) {
            Ok(Report::Added) => {}
            other => {
                self.remove_flow(&spec.name);
                return Err(other.err().unwrap_or_else(|| full("receivers")));
            }
        }
        self.pool().workers()[index.0].receivers.fetch_add(1, Ordering::Relaxed);
        let entry = ReceiverEntry::new(spec.clone(), key, index, built.counters, built.buffer_warning);
        self.entries().receivers.insert(spec.name.clone(), entry);
        tracing::info!("receiver {}: {} at {}", spec.name, spec.sdp.format, spec.sdp.destination);
        self.reconcile_changing();
        Ok(())
    }

    fn remove_receiver(&self, name: &Name) -> Result<(), DataplaneError> {
        let _change = self.change();
        let Some((worker, key)) = self.entries().receivers.get(name).map(|r| (r.worker, r.key)) else { return Ok(()) };
        // The report holds the queue and the writer: both end here, off the worker.
        drop(self.pool().ask(worker, Command::RemoveInput(InputKey(key.0))).map_err(no_answer)?);
        self.entries().receivers.remove(name);
        self.pool().workers()[worker.0].receivers.fetch_sub(1, Ordering::Relaxed);
        self.remove_flow(name);
        self.reconcile_changing();
        Ok(())
    }

    fn add_sender(&self, spec: &SenderSpec) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        let index = self.pool().least_loaded();
        let key = SenderKey(self.entries().next_key());
        let (sender, ssrc) = build::sender(spec, key);
        let counters = sender.counters();
        match self.pool().ask(index, Command::AddSender(Box::new(sender))).map_err(no_answer)? {
            Report::Added => {}
            Report::SenderRefused(_, SenderRefusal::Full { .. }) => return Err(full("senders")),
            Report::SenderRefused(_, refusal) => return Err(DataplaneError::PacketIo(Box::new(refusal))),
            _ => return Err(unexpected("adding a sender")),
        }
        self.pool().workers()[index.0].senders.fetch_add(1, Ordering::Relaxed);
        let entry = SenderEntry::new(spec.clone(), key, index, ssrc, counters);
        self.entries().senders.insert(spec.name.clone(), entry);
        tracing::info!("sender {}: to {}", spec.name, spec.destination);
        Ok(())
    }

    fn remove_sender(&self, name: &Name) -> Result<(), DataplaneError> {
        let _change = self.change();
        let Some((worker, key)) = self.entries().senders.get(name).map(|s| (s.worker, s.key)) else { return Ok(()) };
        drop(self.pool().ask(worker, Command::RemoveSender(key)).map_err(no_answer)?);
        self.entries().senders.remove(name);
        self.pool().workers()[worker.0].senders.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn apply(&self, table: &CrosspointTable) -> Result<(), DataplaneError> {
        let _change = self.change();
        self.check_running()?;
        self.entries().table = table.clone();
        self.reconcile_changing();
        Ok(())
    }

    fn flows(&self) -> Vec<FlowStatus> {
        self.parts().broker.flows().iter().map(report::flow).collect()
    }

    fn receivers(&self) -> Vec<ReceiverStatus> {
        self.entries().receivers.values().map(report::receiver).collect()
    }

    fn senders(&self) -> Vec<SenderStatus> {
        let entries = self.entries();
        entries.senders.values().map(|sender| report::sender(sender, &entries.table)).collect()
    }

    fn node(&self) -> NodeStatus {
        let warnings = self.entries().warnings();
        report::node(self.parts(), self.0.started, warnings)
    }
}

impl Gateway {
    fn remove_flow(&self, name: &Name) {
        if let Err(error) = self.parts().broker.remove_flow(name) {
            tracing::warn!("flow {name} could not be removed: {error}");
        }
    }

    /// A warning that status shows from now on.
    pub fn warn(&self, warning: String) {
        self.entries().note_warning(warning);
    }
}

fn no_answer(error: NoAnswer) -> DataplaneError {
    DataplaneError::System { what: "asking a worker".to_owned(), cause: std::io::Error::other(error) }
}

fn unexpected(what: &str) -> DataplaneError {
    DataplaneError::System { what: what.to_owned(), cause: std::io::Error::other("the worker answered otherwise") }
}

fn full(resource: &str) -> DataplaneError {
    DataplaneError::Exhausted {
        resource: format!("the worker's room for {resource}"),
        remedy: format!("at most {} fit on one: add a core to workers.cores", worker::WORKER_LIMIT),
    }
}

type Input = Box<worker::Input<Rx>>;
type Sender = worker::Sender<Tx>;

#[cfg(test)]
mod tests;
