//! The legs of receivers and relays as printed (ST 2022-7).

use std::collections::BTreeMap;

use control::v1;
use serde::Serialize;

use super::{lost_words, present};
use crate::table::Table;

/// One of two ways by which packets come.
#[derive(Debug, Serialize)]
pub struct LegView {
    /// Where they come to.
    pub destination: String,
    /// The network interface.
    pub interface: Option<String>,
    /// Whether packets came in the last second.
    pub alive: bool,
    /// Packets of the stream that came by it.
    pub packets: u64,
    /// Packets that did not; the other may have brought them.
    pub packets_lost: u64,
    /// How much later than the other it brought the last picture.
    pub behind_ns: u64,
    /// Packets that were lost on it, by place as of relays; only where some were.
    pub lost: BTreeMap<String, u64>,
}

impl From<v1::HeardLeg> for LegView {
    fn from(leg: v1::HeardLeg) -> Self {
        let v1::HeardLeg { destination, interface, alive, packets, packets_lost, behind_ns, lost } = leg;
        let lost = lost.into_iter().map(|place| (place.name, place.value)).collect();
        Self { destination, interface: present(interface), alive, packets, packets_lost, behind_ns, lost }
    }
}

/// A table of the legs of all that have two; nothing where none has.
pub(super) fn text<'a>(kind: &'static str, all: impl Iterator<Item = (&'a str, &'a [LegView])>) -> String {
    let mut table =
        Table::new(&[kind, "LEG", "FROM", "INTERFACE", "SIGNAL", "PACKETS", "MISSING", "BEHIND MS", "LOST"]);
    for (name, legs) in all {
        for (leg, number) in legs.iter().zip(1..) {
            table.row([
                name.to_owned(),
                number.to_string(),
                leg.destination.clone(),
                leg.interface.clone().unwrap_or_default(),
                if leg.alive { "packets" } else { "none" }.to_owned(),
                leg.packets.to_string(),
                leg.packets_lost.to_string(),
                format!("{}.{:03}", leg.behind_ns / 1_000_000, leg.behind_ns / 1_000 % 1_000),
                lost_words(&leg.lost),
            ]);
        }
    }
    if table.is_empty() { String::new() } else { format!("\n{}", table.render()) }
}
