//! Relays as printed.

use std::collections::BTreeMap;

use control::v1;
use serde::Serialize;

use super::leg::{self, LegView};
use super::{lost_words, present, scope};
use crate::table::Table;

/// A relay.
#[derive(Debug, Serialize)]
pub struct RelayView {
    /// Its name.
    pub name: String,
    /// "file" or "operator".
    pub scope: &'static str,
    /// Where packets come in.
    pub listen: String,
    /// Admitted sources; none: all.
    pub sources: Vec<String>,
    /// The network interface.
    pub interface: Option<String>,
    /// Rate of the time stamps.
    pub clock_hz: u32,
    /// Packets kept at most for senders that do not take them at once.
    pub backlog_packets: u32,
    /// Milliseconds for which they are kept.
    pub backlog_ms: u32,
    /// Whether packets came in the last second.
    pub alive: bool,
    /// Senders that forward it.
    pub senders: u32,
    /// The legs of a stream that comes twice; none where it comes once.
    pub legs: Vec<LegView>,
    /// Packets that were lost, by place: "wire", "queue", "late_worker", "no_buffer"; only where some were.
    pub lost: BTreeMap<String, u64>,
    /// The worker that serves it; null where its port says it.
    pub worker: Option<String>,
}

/// `relays`.
#[derive(Debug, Serialize)]
pub struct RelaysView {
    /// By name.
    pub relays: Vec<RelayView>,
}

/// `relays add`.
#[derive(Debug, Serialize)]
pub struct RelayMadeView {
    /// What was made.
    pub relay: RelayView,
}

impl From<v1::Relay> for RelayView {
    fn from(relay: v1::Relay) -> Self {
        Self {
            scope: scope(relay.scope()),
            name: relay.name,
            listen: relay.listen,
            sources: relay.sources,
            interface: present(relay.interface),
            clock_hz: relay.clock_hz,
            backlog_packets: relay.backlog_packets,
            backlog_ms: relay.backlog_ms,
            alive: relay.alive,
            senders: relay.senders,
            legs: relay.legs.into_iter().map(Into::into).collect(),
            lost: relay.lost.into_iter().map(|place| (place.name, place.value)).collect(),
            worker: present(relay.worker),
        }
    }
}

fn text(relays: &[RelayView]) -> String {
    let mut table = Table::new(&["RELAY", "SCOPE", "FROM", "SIGNAL", "SENDERS", "LOST"]);
    for relay in relays {
        table.row([
            relay.name.clone(),
            relay.scope.to_owned(),
            relay.listen.clone(),
            if relay.alive { "packets" } else { "none" }.to_owned(),
            relay.senders.to_string(),
            lost_words(&relay.lost),
        ]);
    }
    if table.is_empty() {
        return "no relays; add one with `flypack relays add NAME --listen ADDRESS:PORT`\n".to_owned();
    }
    table.render() + &leg::text("RELAY", relays.iter().map(|relay| (relay.name.as_str(), &*relay.legs)))
}

impl RelaysView {
    pub(crate) fn text(&self) -> String {
        text(&self.relays)
    }
}

impl RelayMadeView {
    pub(crate) fn text(&self) -> String {
        text(std::slice::from_ref(&self.relay))
    }
}
