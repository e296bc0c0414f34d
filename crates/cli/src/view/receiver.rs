//! Receivers as printed.

use std::collections::BTreeMap;

use control::v1;
use serde::Serialize;

use super::leg::{self, LegView};
use super::{FormatView, lost_words, present, scope};
use crate::table::Table;

/// A receiver.
#[derive(Debug, Serialize)]
pub struct ReceiverView {
    /// Also the name of its flow.
    pub name: String,
    /// "file" or "operator".
    pub scope: &'static str,
    /// Where packets come to.
    pub destination: String,
    /// The network interface.
    pub interface: Option<String>,
    /// Its pictures.
    pub format: FormatView,
    /// "none", "async" or "locked".
    pub signal: &'static str,
    /// The grain that was begun last.
    pub last_grain_index: Option<u64>,
    /// The SDP as understood.
    pub sdp: String,
    /// What was odd in it.
    pub sdp_warnings: Vec<String>,
    /// Packets that were lost, by place: "wire", "queue", "late_worker", "no_buffer", "no_slot"; only where some were.
    pub lost: BTreeMap<String, u64>,
    /// The worker that serves it; null where its port says it.
    pub worker: Option<String>,
    /// Who says when its packets arrived: "nic", "kernel" or "burst"; null before the first packet.
    pub timed_by: Option<String>,
    /// The legs of a stream that comes twice; none where it comes once.
    pub legs: Vec<LegView>,
}

/// `receivers`.
#[derive(Debug, Serialize)]
pub struct ReceiversView {
    /// By name.
    pub receivers: Vec<ReceiverView>,
}

/// `receivers add`.
#[derive(Debug, Serialize)]
pub struct ReceiverMadeView {
    /// What was made.
    pub receiver: ReceiverView,
}

impl From<v1::Receiver> for ReceiverView {
    fn from(receiver: v1::Receiver) -> Self {
        let signal = match receiver.signal() {
            v1::Signal::Locked => "locked",
            v1::Signal::Async => "async",
            v1::Signal::None | v1::Signal::Unspecified => "none",
        };
        Self {
            scope: scope(receiver.scope()),
            name: receiver.name,
            destination: receiver.destination,
            interface: present(receiver.interface),
            format: receiver.format.unwrap_or_default().into(),
            signal,
            last_grain_index: receiver.last_grain_index,
            sdp: receiver.sdp,
            sdp_warnings: receiver.sdp_warnings,
            worker: present(receiver.worker),
            timed_by: present(receiver.timed_by),
            legs: receiver.legs.into_iter().map(Into::into).collect(),
            lost: receiver.lost.into_iter().map(|place| (place.name, place.value)).collect(),
        }
    }
}

/// The table of `receivers`, and what was odd.
pub(crate) fn text(receivers: &[ReceiverView]) -> String {
    let mut table = Table::new(&["RECEIVER", "SCOPE", "FROM", "FORMAT", "SIGNAL", "TIMES", "GRAIN", "LOST"]);
    for receiver in receivers {
        table.row([
            receiver.name.clone(),
            receiver.scope.to_owned(),
            receiver.destination.clone(),
            receiver.format.text(),
            receiver.signal.to_owned(),
            receiver.timed_by.clone().unwrap_or_default(),
            receiver.last_grain_index.map(|index| index.to_string()).unwrap_or_default(),
            lost_words(&receiver.lost),
        ]);
    }
    if table.is_empty() {
        return "no receivers; add one with `flypack receivers add NAME --sdp FILE`\n".to_owned();
    }
    let warnings = receivers.iter().flat_map(|r| r.sdp_warnings.iter().map(|w| format!("{}: {w}\n", r.name)));
    let legs = leg::text("RECEIVER", receivers.iter().map(|receiver| (receiver.name.as_str(), &*receiver.legs)));
    table.render() + &legs + &warnings.collect::<String>()
}

impl ReceiversView {
    pub(crate) fn text(&self) -> String {
        text(&self.receivers)
    }
}

impl ReceiverMadeView {
    pub(crate) fn text(&self) -> String {
        text(std::slice::from_ref(&self.receiver))
    }
}
