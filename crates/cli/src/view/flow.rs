//! Flows as printed.

use control::v1;
use serde::Serialize;

use super::FlowFormatView;
use crate::table::Table;

/// A flow.
#[derive(Debug, Serialize)]
pub struct FlowView {
    /// Its name.
    pub name: String,
    /// UUID.
    pub id: String,
    /// "video", "audio" or "ancillary".
    pub kind: &'static str,
    /// What its grains are, in the shape of its kind.
    pub format: FlowFormatView,
    /// Who writes it.
    pub producer: ProducerView,
    /// Which ring it is, 32 hexadecimal digits.
    pub epoch: String,
    /// Grains that the ring has room for.
    pub slots: u32,
    /// Memory of the ring.
    pub pages: String,
    /// The grain that was begun last.
    pub last_grain_index: Option<u64>,
    /// Who reads it.
    pub consumers: Vec<ConsumerView>,
}

/// Who writes a flow.
#[derive(Debug, Serialize)]
pub struct ProducerView {
    /// "gateway" or "pod".
    pub kind: &'static str,
    /// User id of the pod.
    pub uid: Option<u32>,
    /// Process id of the pod.
    pub pid: Option<u32>,
}

/// Who reads a flow.
#[derive(Debug, Serialize)]
pub struct ConsumerView {
    /// "gateway", "pod", or "outlived": a pod that an earlier gateway let in, and nobody knows which.
    pub kind: &'static str,
    /// User id; 0 for all but pods.
    pub uid: u32,
    /// Process id; null across PID namespaces.
    pub pid: Option<u32>,
    /// "leased", "lossy" or "blocking".
    pub class: &'static str,
    /// Grains that it may hold; null for lossy.
    pub k: Option<u32>,
    /// "joining", "live", "evicted" or "leaving".
    pub state: String,
    /// Grains from its oldest unread one to the newest.
    pub lag_grains: u64,
}

/// `flows`.
#[derive(Debug, Serialize)]
pub struct FlowsView {
    /// By name.
    pub flows: Vec<FlowView>,
}

impl From<v1::Flow> for FlowView {
    fn from(mut flow: v1::Flow) -> Self {
        let format = FlowFormatView::of(&mut flow);
        Self {
            name: flow.name,
            id: flow.id,
            kind: format.kind(),
            format,
            producer: flow.producer.unwrap_or_default().into(),
            epoch: flow.epoch,
            slots: flow.slots,
            pages: flow.pages,
            last_grain_index: flow.last_grain_index,
            consumers: flow.consumers.into_iter().map(ConsumerView::from).collect(),
        }
    }
}

impl From<v1::Producer> for ProducerView {
    fn from(producer: v1::Producer) -> Self {
        if producer.gateway {
            return Self { kind: "gateway", uid: None, pid: None };
        }
        Self { kind: "pod", uid: Some(producer.uid), pid: Some(producer.pid).filter(|pid| *pid != 0) }
    }
}

impl From<v1::Consumer> for ConsumerView {
    fn from(consumer: v1::Consumer) -> Self {
        Self {
            kind: holder(&consumer),
            uid: consumer.uid,
            pid: Some(consumer.pid).filter(|pid| *pid != 0),
            class: class(consumer.class()),
            k: Some(consumer.k).filter(|k| *k != 0),
            state: consumer.state,
            lag_grains: consumer.lag_grains,
        }
    }
}

/// As printed.
pub(super) fn holder(consumer: &v1::Consumer) -> &'static str {
    match (consumer.gateway, consumer.outlived) {
        (true, _) => "gateway",
        (false, true) => "outlived",
        (false, false) => "pod",
    }
}

/// As printed.
pub(super) fn class(class: v1::ConsumerClass) -> &'static str {
    match class {
        v1::ConsumerClass::Leased => "leased",
        v1::ConsumerClass::Lossy => "lossy",
        v1::ConsumerClass::Blocking => "blocking",
        v1::ConsumerClass::Unspecified => "unknown",
    }
}

impl ProducerView {
    pub(super) fn text(&self) -> String {
        match (self.uid, self.pid) {
            (Some(uid), Some(pid)) => format!("{} {pid} (uid {uid})", self.kind),
            (Some(uid), None) => format!("{} (uid {uid})", self.kind),
            (None, _) => self.kind.to_owned(),
        }
    }
}

impl ConsumerView {
    fn text(&self) -> String {
        let who = match (self.kind, self.pid) {
            ("pod", Some(pid)) => format!("pid {pid} (uid {})", self.uid),
            ("pod", None) => format!("uid {}", self.uid),
            ("outlived", _) => "a pod of before the gateway's start".to_owned(),
            (kind, _) => kind.to_owned(),
        };
        let k = self.k.map(|k| format!(", k = {k}")).unwrap_or_default();
        format!("  read by {who}: {}{k}, {}, {} grains behind\n", self.class, self.state, self.lag_grains)
    }
}

impl FlowsView {
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["FLOW", "FORMAT", "PRODUCER", "SLOTS", "PAGES", "READERS", "GRAIN"]);
        for flow in &self.flows {
            table.row([
                flow.name.clone(),
                flow.format.text(),
                flow.producer.text(),
                flow.slots.to_string(),
                flow.pages.clone(),
                flow.consumers.len().to_string(),
                flow.last_grain_index.map(|index| index.to_string()).unwrap_or_default(),
            ]);
        }
        if table.is_empty() {
            return "no flows; a receiver or `flypack send` makes one\n".to_owned();
        }
        let mut text = table.render();
        for flow in self.flows.iter().filter(|flow| !flow.consumers.is_empty()) {
            text.push_str(&format!("{}\n", flow.name));
            text.extend(flow.consumers.iter().map(ConsumerView::text));
        }
        text
    }
}
