//! A data plane that only writes down what it was told: the second implementation of the seam, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media::{FlowFormat, FlowId, GrainIndex, Name};

use crate::{
    ConsumerStatus, CoreIsolation, CrosspointTable, Dataplane, DataplaneError, FlowProducer, FlowStanding, FlowStatus,
    NodeStatus, PortStatus, PulseStatus, ReceiverSpec, ReceiverStatus, SenderSpec, SenderState, SenderStatus, Signal,
    SlotUse, StreamName, WorkerStatus,
};

/// One thing that a [`RecordingDataplane`] was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `add_receiver`.
    AddReceiver(Name),
    /// `remove_receiver`.
    RemoveReceiver(Name),
    /// `add_sender`.
    AddSender(Name),
    /// `remove_sender`.
    RemoveSender(Name),
    /// `apply`.
    Apply(CrosspointTable),
    /// `restart_port`.
    RestartPort(Name),
    /// `move_stream`.
    MoveStream(StreamName, String),
    /// `evict`.
    Evict(Name, u8),
}

#[derive(Debug, Default)]
struct Records {
    told: Vec<Told>,
    receivers: BTreeMap<Name, ReceiverSpec>,
    senders: BTreeMap<Name, SenderSpec>,
    pods: BTreeMap<Name, FlowFormat>,
    consumers: BTreeMap<Name, Vec<ConsumerStatus>>,
    ports: Vec<PortStatus>,
    table: CrosspointTable,
    refusal: Option<DataplaneError>,
}

/// Writes down what it is told, and reports it back. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct RecordingDataplane(Arc<Mutex<Records>>);

impl RecordingDataplane {
    /// Everything it was told so far, refusals left out.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.records().told.clone()
    }

    /// A pod begins to produce a flow.
    pub fn add_pod_flow(&self, name: &Name, format: impl Into<FlowFormat>) {
        self.records().pods.insert(name.clone(), format.into());
    }

    /// Somebody reads a flow.
    pub fn add_consumer(&self, flow: &Name, consumer: ConsumerStatus) {
        self.records().consumers.entry(flow.clone()).or_default().push(consumer);
    }

    /// The node gets a port.
    pub fn add_port(&self, port: PortStatus) {
        self.records().ports.push(port);
    }

    /// Lets the next change fail.
    pub fn refuse_next(&self, refusal: DataplaneError) {
        self.records().refusal = Some(refusal);
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, told: Told, effect: impl FnOnce(&mut Records)) -> Result<(), DataplaneError> {
        let mut records = self.records();
        if let Some(refusal) = records.refusal.take() {
            return Err(refusal);
        }
        records.told.push(told);
        effect(&mut records);
        Ok(())
    }
}

/// It refuses to record, and plays nothing.
impl crate::Archive for RecordingDataplane {}

impl Dataplane for RecordingDataplane {
    fn add_receiver(&self, spec: &ReceiverSpec) -> Result<(), DataplaneError> {
        let (name, spec) = (spec.name.clone(), spec.clone());
        self.change(Told::AddReceiver(name.clone()), |records| {
            records.receivers.insert(name, spec);
        })
    }

    fn remove_receiver(&self, name: &Name) -> Result<(), DataplaneError> {
        self.change(Told::RemoveReceiver(name.clone()), |records| {
            records.receivers.remove(name);
        })
    }

    fn add_sender(&self, spec: &SenderSpec) -> Result<(), DataplaneError> {
        let (name, spec) = (spec.name.clone(), spec.clone());
        self.change(Told::AddSender(name.clone()), |records| {
            records.senders.insert(name, spec);
        })
    }

    fn remove_sender(&self, name: &Name) -> Result<(), DataplaneError> {
        self.change(Told::RemoveSender(name.clone()), |records| {
            records.senders.remove(name);
        })
    }

    fn apply(&self, table: &CrosspointTable) -> Result<(), DataplaneError> {
        self.change(Told::Apply(table.clone()), |records| records.table = table.clone())
    }

    fn flows(&self) -> Vec<FlowStatus> {
        let records = self.records();
        let received = records.receivers.values().map(|spec| flow(&spec.name, spec.sdp.format, FlowProducer::Gateway));
        let pod = FlowProducer::Pod { uid: 1000, pid: 4711 };
        let produced = records.pods.iter().map(|(name, format)| flow(name, *format, pod));
        let read = |mut flow: FlowStatus| {
            flow.consumers = records.consumers.get(&flow.name).cloned().unwrap_or_default();
            flow
        };
        received.chain(produced).map(read).collect()
    }

    fn evict(&self, flow: &Name, seat: u8) -> Result<ConsumerStatus, DataplaneError> {
        let found = self.records().consumers.get(flow).and_then(|all| all.iter().find(|one| one.seat == seat).cloned());
        let consumer = found.ok_or_else(|| DataplaneError::no_consumer(flow, seat, &self.flows()))?;
        self.change(Told::Evict(flow.clone(), seat), |_| {})?;
        Ok(consumer)
    }

    fn move_stream(&self, stream: &StreamName, worker: &str) -> Result<(), DataplaneError> {
        self.change(Told::MoveStream(stream.clone(), worker.to_owned()), |_| {})
    }

    fn receivers(&self) -> Vec<ReceiverStatus> {
        let records = self.records();
        let status = |name: &Name| ReceiverStatus {
            name: name.clone(),
            signal: Signal::Async,
            worker: Some("worker-0".into()),
            last_grain: Some(GrainIndex(42)),
            legs: Vec::new(),
            counters: vec![("packets", 1000), ("dropped_row_packets", 3), ("lost_wire_packets", 2)],
        };
        records.receivers.keys().map(status).collect()
    }

    fn senders(&self) -> Vec<SenderStatus> {
        let records = self.records();
        let status = |name: &Name| SenderStatus {
            name: name.clone(),
            state: if records.table.source(name).is_some() { SenderState::Sending } else { SenderState::Idle },
            worker: Some("worker-0".into()),
            sdp: records.table.source(name).map(|source| format!("v=0\r\ns={source}\r\n")),
            last_grain: None,
            counters: vec![("packets", 500)],
        };
        records.senders.keys().map(status).collect()
    }

    fn node(&self) -> NodeStatus {
        NodeStatus {
            version: "0.0.0-recording".into(),
            uptime_s: 12,
            clock_locked: false,
            tai_offset_s: 0,
            pages: "plain 4 KiB".into(),
            workers: vec![WorkerStatus {
                name: "worker-0".into(),
                core: Some(1),
                isolation: CoreIsolation::Isolated,
                numa_node: None,
                receivers: 1,
                senders: 1,
                placed_packets_per_second: 0,
                pulse: PulseStatus { standstills: 2, longest_standstill_ns: 104_000_000, ..PulseStatus::default() },
                counters: vec![("turns", 9)],
            }],
            warnings: vec!["no hugepages: run `sysctl vm.nr_hugepages=512`".into()],
            broker_socket: "/run/flypack/broker.sock".into(),
            ports: self.records().ports.clone(),
            broker: vec![("adoptions_refused", 2)],
        }
    }

    fn restart_port(&self, name: &Name) -> Result<(), DataplaneError> {
        if !self.records().ports.iter().any(|port| port.name == name.as_str()) {
            return Err(DataplaneError::no_port(name, &self.node()));
        }
        self.change(Told::RestartPort(name.clone()), |_| {})
    }
}

fn flow(name: &Name, format: impl Into<FlowFormat>, producer: FlowProducer) -> FlowStatus {
    let slots = SlotUse { free: 3, open: 1, done: 4, ..SlotUse::default() };
    FlowStatus {
        name: name.clone(),
        id: FlowId::from_name(name),
        format: format.into(),
        producer,
        epoch: 0xabc,
        slots: 8,
        pages: "plain 4 KiB".into(),
        last_grain: Some(GrainIndex(42)),
        standing: FlowStanding::Current,
        is_adopted: false,
        slot_use: (producer == FlowProducer::Gateway).then_some(slots),
        consumers_evicted: 5,
        consumers: Vec::new(),
        counters: vec![("committed_grains", 42)],
    }
}
