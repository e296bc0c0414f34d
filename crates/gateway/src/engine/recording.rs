//! An engine that moves nothing and remembers what it was told, for tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use control::{DataplaneError, PortStatus, SenderSpec, WorkerStatus};
use ip::{InterfaceAddr, Network};
use media::Name;
use shm::FrameWriter;
use worker::{ReceiverKey, SenderCounters, SenderKey, Source};

use super::{
    ChangeError, Engine, EnginePort, ReceiverOrder, Receiving, RelayOrder, Relaying, SenderIdentity, SenderOrder,
    Stands,
};
use crate::loss::Reception;

/// What the engine was told. Names are those of receivers, senders and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    AddReceiver { name: Name, port: Option<Name> },
    RemoveReceiver(Name),
    AddSender { name: Name, port: Option<Name> },
    RemoveSender(Name),
    Connect { name: Name, has_source: bool },
    Forward { name: Name, relay: Option<ReceiverKey> },
    RestartPort(Name),
    Stop,
}

/// Remembers, and refuses what it is told to refuse.
pub(crate) struct RecordingEngine {
    ports: Vec<EnginePort>,
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    told: Vec<Told>,
    receivers: BTreeMap<ReceiverKey, (Name, FrameWriter)>,
    senders: BTreeMap<SenderKey, (Name, Option<Box<Source>>)>,
    forwarding: BTreeMap<SenderKey, ReceiverKey>,
    refuses: bool,
    breaks_off: Option<Stands>,
}

impl RecordingEngine {
    /// An engine with ports of these names and addresses (address/prefix).
    pub(crate) fn new(ports: &[(&str, &[&str])]) -> Arc<Self> {
        let address = |text: &&str| {
            let (address, prefix) = text.split_once('/').unwrap();
            InterfaceAddr { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
        };
        let port = |(name, addresses): &(&str, &[&str])| EnginePort {
            name: name.parse().unwrap(),
            network: Network::new(addresses.iter().map(address).collect(), None, None).unwrap(),
        };
        Arc::new(Self { ports: ports.iter().map(port).collect(), records: Mutex::default() })
    }

    /// Refuses receivers and senders from now on.
    pub(crate) fn refuse(&self) {
        self.records().refuses = true;
    }

    /// Refuses from now on to have senders forward, and leaves them like this, apart without a source; `None`: does it
    /// again.
    pub(crate) fn break_off(&self, stands: Option<Stands>) {
        self.records().breaks_off = stands;
    }

    /// What it was told since the last time it was asked.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.records().told)
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn check(&self) -> Result<(), DataplaneError> {
        if self.refuses { Err(DataplaneError::Stopping) } else { Ok(()) }
    }
}

impl Engine for RecordingEngine {
    fn ports(&self) -> Vec<EnginePort> {
        self.ports.clone()
    }

    fn add_receiver(&self, order: ReceiverOrder<'_>) -> Result<Receiving, DataplaneError> {
        let mut records = self.records();
        let name = order.spec.name.clone();
        records.told.push(Told::AddReceiver { name: name.clone(), port: order.port.cloned() });
        records.check()?;
        records.receivers.insert(order.key, (name, order.writer));
        Ok(Receiving { counters: Arc::default(), legs: Vec::new(), warning: None })
    }

    fn remove_receiver(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        let mut records = self.records();
        if let Some((name, _)) = records.receivers.remove(&key) {
            records.told.push(Told::RemoveReceiver(name));
        }
        Ok(())
    }

    fn reception(&self, _key: ReceiverKey) -> Option<Reception> {
        None
    }

    fn add_sender(&self, order: &SenderOrder<'_>) -> Result<Arc<SenderCounters>, DataplaneError> {
        let mut records = self.records();
        let name = order.spec.name.clone();
        records.told.push(Told::AddSender { name: name.clone(), port: order.port.cloned() });
        records.check()?;
        records.senders.insert(order.key, (name, None));
        Ok(Arc::default())
    }

    fn remove_sender(&self, key: SenderKey) -> Result<(), DataplaneError> {
        let mut records = self.records();
        if let Some((name, _)) = records.senders.remove(&key) {
            records.told.push(Told::RemoveSender(name));
        }
        Ok(())
    }

    fn connect(&self, key: SenderKey, source: Option<Box<Source>>) -> Result<(), DataplaneError> {
        let mut records = self.records();
        let has_source = source.is_some();
        let Some((name, connected)) = records.senders.get_mut(&key) else { return Ok(()) };
        *connected = source;
        let name = name.clone();
        records.told.push(Told::Connect { name, has_source });
        Ok(())
    }

    fn add_relay(&self, _order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        Ok(Relaying { counters: Arc::default(), legs: Vec::new(), inputs: Vec::new(), warning: None })
    }

    fn forward(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        let mut records = self.records();
        let Some(name) = records.senders.get(&key).map(|(name, _)| name.clone()) else { return Ok(()) };
        if records.forwarding.get(&key).copied() == relay {
            return Ok(());
        }
        records.told.push(Told::Forward { name, relay });
        if let Some(stands) = records.breaks_off {
            let sender = records.senders.get_mut(&key).filter(|_| stands == Stands::Apart);
            drop(sender.and_then(|(_, source)| source.take()));
            return Err(ChangeError { cause: DataplaneError::Stopping, stands });
        }
        match relay {
            Some(relay) => records.forwarding.insert(key, relay),
            None => records.forwarding.remove(&key),
        };
        Ok(())
    }

    fn identity(&self, _spec: &SenderSpec, port: Option<&Name>) -> SenderIdentity {
        let found = self.ports.iter().find(|own| Some(&own.name) == port);
        let address = found.and_then(|port| port.network.addresses().first()).map(|ours| ours.address);
        SenderIdentity { address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), mac: [2, 0, 0, 0, 0, 7] }
    }

    fn restart_port(&self, port: &Name) -> Result<(), DataplaneError> {
        self.records().told.push(Told::RestartPort(port.clone()));
        Ok(())
    }

    fn port_status(&self) -> Vec<PortStatus> {
        self.ports.iter().map(|port| PortStatus { name: port.name.to_string(), ..PortStatus::default() }).collect()
    }

    fn look(&self, _now: Instant) {}

    fn workers(&self) -> Vec<WorkerStatus> {
        let records = self.records();
        vec![WorkerStatus {
            name: "recorder-0".to_owned(),
            receivers: records.receivers.len() as u32,
            senders: records.senders.len() as u32,
            ..WorkerStatus::default()
        }]
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn stop(&self) {
        self.records().told.push(Told::Stop);
    }
}
