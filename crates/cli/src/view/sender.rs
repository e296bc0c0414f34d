//! Senders as printed.

use control::v1;
use serde::Serialize;

use super::{present, scope};
use crate::table::Table;

/// A sender.
#[derive(Debug, Serialize)]
pub struct SenderView {
    /// Its name.
    pub name: String,
    /// "file" or "operator".
    pub scope: &'static str,
    /// Where packets go.
    pub destination: String,
    /// Where they come from.
    pub source_address: Option<String>,
    /// The network interface.
    pub interface: Option<String>,
    /// The second leg (ST 2022-7).
    pub second: Option<LegView>,
    /// RTP payload type.
    pub payload_type: u32,
    /// "gpm" or "bpm".
    pub packing: &'static str,
    /// "standard" or "extended".
    pub limit: &'static str,
    /// "source" or "grid".
    pub timing: &'static str,
    /// "N", "NL" or "W".
    pub sender_type: &'static str,
    /// "gapped" or "linear".
    pub schedule: &'static str,
    /// Differentiated services code point.
    pub dscp: u32,
    /// Hops.
    pub ttl: u32,
    /// Its flow.
    pub source: Option<String>,
    /// "idle", "waiting", "sending" or "refused".
    pub state: &'static str,
    /// Why it is refused.
    pub trouble: Option<String>,
    /// The grain that was sent last.
    pub last_grain_index: Option<u64>,
    /// What it sends.
    pub sdp: Option<String>,
    /// The worker that serves it; null where its port says it.
    pub worker: Option<String>,
}

/// A second way of the same packets.
#[derive(Debug, Serialize)]
pub struct LegView {
    /// Where packets go.
    pub destination: String,
    /// Where they come from.
    pub source_address: Option<String>,
    /// The network interface.
    pub interface: Option<String>,
}

/// `senders`.
#[derive(Debug, Serialize)]
pub struct SendersView {
    /// By name.
    pub senders: Vec<SenderView>,
}

/// `senders add`.
#[derive(Debug, Serialize)]
pub struct SenderMadeView {
    /// What was made.
    pub sender: SenderView,
}

impl From<v1::Sender> for SenderView {
    fn from(sender: v1::Sender) -> Self {
        let state = match sender.state() {
            v1::SenderState::Idle | v1::SenderState::Unspecified => "idle",
            v1::SenderState::Waiting => "waiting",
            v1::SenderState::Sending => "sending",
            v1::SenderState::Refused => "refused",
        };
        let is_block = sender.packing() == v1::PackingMode::Block;
        let is_extended = sender.limit() == v1::UdpLimit::Extended;
        let is_grid = sender.timing() == v1::SenderTiming::Grid;
        let is_linear = sender.schedule() == v1::ReadSchedule::Linear;
        let sender_type = match sender.sender_type() {
            v1::SenderType::Narrow => "N",
            v1::SenderType::NarrowLinear => "NL",
            v1::SenderType::Unspecified | v1::SenderType::Wide => "W",
        };
        let second = sender.second.clone().map(|leg| LegView {
            destination: leg.destination,
            source_address: present(leg.source_address),
            interface: present(leg.interface),
        });
        Self {
            scope: scope(sender.scope()),
            name: sender.name,
            destination: sender.destination,
            source_address: present(sender.source_address),
            interface: present(sender.interface),
            second,
            payload_type: sender.payload_type,
            packing: if is_block { "bpm" } else { "gpm" },
            limit: if is_extended { "extended" } else { "standard" },
            timing: if is_grid { "grid" } else { "source" },
            sender_type,
            schedule: if is_linear { "linear" } else { "gapped" },
            dscp: sender.dscp,
            ttl: sender.ttl,
            source: present(sender.source),
            state,
            trouble: present(sender.trouble),
            last_grain_index: sender.last_grain_index,
            sdp: present(sender.sdp),
            worker: present(sender.worker),
        }
    }
}

/// The table of `senders`, and their troubles.
pub(crate) fn text(senders: &[SenderView]) -> String {
    let mut table = Table::new(&["SENDER", "SCOPE", "TO", "SOURCE", "STATE", "TIMING", "TYPE", "GRAIN"]);
    for sender in senders {
        table.row([
            sender.name.clone(),
            sender.scope.to_owned(),
            match &sender.second {
                Some(second) => format!("{} + {}", sender.destination, second.destination),
                None => sender.destination.clone(),
            },
            sender.source.clone().unwrap_or_default(),
            sender.state.to_owned(),
            sender.timing.to_owned(),
            sender.sender_type.to_owned(),
            sender.last_grain_index.map(|index| index.to_string()).unwrap_or_default(),
        ]);
    }
    if table.is_empty() {
        return "no senders; add one with `flypack senders add NAME --to ADDRESS:PORT`\n".to_owned();
    }
    let troubles = senders.iter().filter_map(|s| s.trouble.as_ref().map(|trouble| format!("{}: {trouble}\n", s.name)));
    table.render() + &troubles.collect::<String>()
}

impl SendersView {
    pub(crate) fn text(&self) -> String {
        text(&self.senders)
    }
}

impl SenderMadeView {
    pub(crate) fn text(&self) -> String {
        text(std::slice::from_ref(&self.sender))
    }
}
