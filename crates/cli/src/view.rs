//! What the commands print: the JSON shapes (an interface: fields are added, never changed) and tables.
//!
//! Absent values are `null`. Rates are texts ("25", "30000/1001"), addresses "host:port". Shapes by command:
//!
//! | command | document |
//! |---|---|
//! | `status` | [`StatusView`] |
//! | `flows` | [`FlowsView`] |
//! | `statistics` | [`StatisticsView`] |
//! | `sdp` | [`SdpView`] |
//! | `take` | [`TakenView`] |
//! | `move` | [`MovedView`] |
//! | `receivers` | [`ReceiversView`]; `add`: [`ReceiverMadeView`]; `del`: [`DeletedView`] |
//! | `relays` | [`RelaysView`]; `add`: [`RelayMadeView`]; `del`: [`DeletedView`] |
//! | `ports` | [`PortsView`]; `restart`: [`PortRestartedView`] |
//! | `rings` | [`RingsView`]; `evict`: [`EvictedView`] |
//! | `senders` | [`SendersView`]; `add`: [`SenderMadeView`]; `del`: [`DeletedView`] |
//! | `record`, `replay` | [`RecordingView`], [`ReplayView`] |
//! | `recordings` | [`RecordingsView`]; `stop`: [`RecordingView`]; `stop-replay`: [`ReplayView`] |
//! | `capture` | [`CaptureView`] |
//! | `inject` | [`InjectionView`] |
//! | `export` | [`crate::recv::Exported`] |
//! | `send`, `recv` | [`crate::send::Summary`], [`crate::recv::Summary`] |
//! | `doctor` | [`crate::doctor::Report`] |
//!
//! An error is `{"error": {"code": "not_found", "message": "…"}}` on stderr; notes and progress there are
//! `{"note": "…"}` and `{"progress": {…}}`, one document a line.

use std::collections::BTreeMap;

use control::v1;
use serde::Serialize;

mod archive;
mod flow;
mod format;
mod injection;
mod leg;
mod port;
mod receiver;
mod relay;
mod ring;
mod sender;
mod worker;

pub use archive::{CaptureView, RecordingView, RecordingsView, ReplayView};
pub use flow::{ConsumerView, FlowView, FlowsView, ProducerView};
pub use format::{AncillaryFormatView, AudioFormatView, FlowFormatView, FormatView};
pub use injection::InjectionView;
pub use leg::LegView;
pub use port::{PortRestartedView, PortView, PortsView};
pub use receiver::{ReceiverMadeView, ReceiverView, ReceiversView};
pub use relay::{RelayMadeView, RelayView, RelaysView};
pub use ring::{EvictedView, RingConsumerView, RingView, RingsView, SlotUseView};
pub use sender::{SenderMadeView, SenderView, SendersView};
pub use worker::{MovedView, SpansView, WorkerView};

use crate::table::Table;

/// The node.
#[derive(Debug, Serialize)]
pub struct NodeView {
    /// Version of the gateway.
    pub version: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Whether TAI is trustworthy.
    pub clock_locked: bool,
    /// TAI − UTC of the kernel, seconds.
    pub tai_offset_s: i32,
    /// Memory of the rings.
    pub pages: String,
    /// The threads that move packets.
    pub workers: Vec<WorkerView>,
    /// What to see to.
    pub warnings: Vec<String>,
    /// The socket at which pods join.
    pub broker_socket: String,
    /// The ports that the gateway drives itself.
    pub ports: Vec<PortView>,
}

impl From<v1::Node> for NodeView {
    fn from(node: v1::Node) -> Self {
        Self {
            version: node.version,
            uptime_s: node.uptime_s,
            clock_locked: node.clock_locked,
            tai_offset_s: node.tai_offset_s,
            pages: node.pages,
            workers: node.workers.into_iter().map(Into::into).collect(),
            warnings: node.warnings,
            broker_socket: node.broker_socket,
            ports: node.ports.into_iter().map(Into::into).collect(),
        }
    }
}

impl NodeView {
    fn text(&self) -> String {
        let clock = if self.clock_locked { "locked" } else { "UNLOCKED, every stream is async" };
        let mut text = format!(
            "gateway  {}, up {} s\nclock    {clock} (TAI − UTC = {} s)\npages    {}\nbroker   {}\n",
            self.version, self.uptime_s, self.tai_offset_s, self.pages, self.broker_socket
        );
        text.extend(self.workers.iter().map(WorkerView::line));
        text.extend(self.warnings.iter().map(|warning| format!("warning  {warning}\n")));
        text
    }
}

/// One crosspoint.
#[derive(Debug, Serialize)]
pub struct CrosspointView {
    /// A sender.
    pub destination: String,
    /// A flow.
    pub source: String,
    /// Whether the flow is there now.
    pub source_present: bool,
}

/// `status`.
#[derive(Debug, Serialize)]
pub struct StatusView {
    /// The node.
    pub node: NodeView,
    /// The receivers, by name.
    pub receivers: Vec<ReceiverView>,
    /// The senders, by name.
    pub senders: Vec<SenderView>,
    /// The crosspoints, by destination.
    pub crosspoints: Vec<CrosspointView>,
    /// Version of the crosspoint table.
    pub crosspoint_version: u64,
}

impl From<v1::Crosspoint> for CrosspointView {
    fn from(crosspoint: v1::Crosspoint) -> Self {
        let v1::Crosspoint { destination, source, source_present } = crosspoint;
        Self { destination, source, source_present }
    }
}

impl StatusView {
    pub(crate) fn text(&self) -> String {
        let mut text = self.node.text();
        if !self.node.ports.is_empty() {
            text.push('\n');
            text.push_str(&port::text(&self.node.ports));
        }
        for part in [receiver::text(&self.receivers), sender::text(&self.senders)] {
            text.push('\n');
            text.push_str(&part);
        }
        let waits = self.crosspoints.iter().filter(|crosspoint| !crosspoint.source_present);
        text.extend(waits.map(|c| format!("\n{} waits for flow {}, which is not there\n", c.destination, c.source)));
        text
    }
}

/// `sdp`.
#[derive(Debug, Serialize)]
pub struct SdpView {
    /// The sender.
    pub sender: String,
    /// What it sends.
    pub sdp: String,
}

/// `take`.
#[derive(Debug, Serialize)]
pub struct TakenView {
    /// The sender.
    pub destination: String,
    /// Its flow now.
    pub source: Option<String>,
    /// Its flow before.
    pub previous_source: Option<String>,
    /// Version of the table with the change.
    pub version: u64,
}

impl TakenView {
    pub(crate) fn text(&self) -> String {
        let name = |source: &Option<String>| source.clone().unwrap_or("nothing".into());
        format!("{}: {} (was {})\n", self.destination, name(&self.source), name(&self.previous_source))
    }
}

/// `receivers del`, `senders del`.
#[derive(Debug, Serialize)]
pub struct DeletedView {
    /// The name that is gone.
    pub deleted: String,
}

/// `statistics`.
#[derive(Debug, Serialize)]
pub struct StatisticsView {
    /// By kind, then by name.
    pub statistics: Vec<ObjectStatisticsView>,
}

/// The counters of one object.
#[derive(Debug, Serialize)]
pub struct ObjectStatisticsView {
    /// "receiver", "sender", "flow", "worker", "port" or "broker".
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// By name, which ends in the unit.
    pub counters: BTreeMap<String, u64>,
}

impl From<v1::Statistics> for ObjectStatisticsView {
    fn from(statistics: v1::Statistics) -> Self {
        let kind = match statistics.kind() {
            v1::StatisticsKind::Receiver => "receiver",
            v1::StatisticsKind::Sender => "sender",
            v1::StatisticsKind::Relay => "relay",
            v1::StatisticsKind::Flow => "flow",
            v1::StatisticsKind::Worker => "worker",
            v1::StatisticsKind::Port => "port",
            v1::StatisticsKind::Broker => "broker",
            v1::StatisticsKind::Unspecified => "unknown",
        };
        let counters = statistics.counters.into_iter().map(|counter| (counter.name, counter.value)).collect();
        Self { kind, name: statistics.name, counters }
    }
}

impl StatisticsView {
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["OBJECT", "NAME", "COUNTER", "VALUE"]);
        for of in &self.statistics {
            for (counter, value) in &of.counters {
                table.row([of.kind.to_owned(), of.name.clone(), counter.clone(), value.to_string()]);
            }
        }
        table.render()
    }
}

/// Empty texts of the API are absent values.
fn present(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

/// "wire 12, late worker 3".
fn lost_words(lost: &BTreeMap<String, u64>) -> String {
    let words = lost.iter().map(|(place, packets)| format!("{} {packets}", place.replace('_', " ")));
    words.collect::<Vec<_>>().join(", ")
}

fn scope(scope: v1::Scope) -> &'static str {
    match scope {
        v1::Scope::File => "file",
        v1::Scope::Operator => "operator",
        v1::Scope::Unspecified => "unknown",
    }
}
