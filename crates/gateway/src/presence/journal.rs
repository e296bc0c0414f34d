//! What an operator reads about a port's presence: at once, and no more lines than a person can read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ip::MacAddr;
use media::Name;

use super::hops::Change;
use crate::gate::{Gate, held_back};

/// Writes the log lines of one port.
#[derive(Debug)]
pub(super) struct Journal {
    port: Name,
    gates: BTreeMap<&'static str, Gate>,
}

impl Journal {
    pub(super) fn new(port: &Name) -> Self {
        Self { port: port.clone(), gates: BTreeMap::new() }
    }

    /// What has changed about a neighbour.
    pub(super) fn neighbour(&mut self, address: IpAddr, change: Change, mac: Option<[u8; 6]>, now: Instant) {
        let at = mac.map(MacAddr::from).map(|mac| mac.to_string()).unwrap_or_default();
        match change {
            Change::None => {}
            Change::Found => tracing::debug!("port {}: neighbour {address} is {at}", self.port),
            Change::Back => self.info("neighbour", now, &format!("neighbour {address} answers again, it is {at}")),
            Change::Moved(before) => {
                let before = MacAddr::from(before);
                self.warn("neighbour", now, &format!("neighbour {address} has moved from {before} to {at}"));
            }
            Change::Silent => self.warn("neighbour", now, &silence(address)),
        }
    }

    /// Somebody else uses an address of the port.
    pub(super) fn conflict(&mut self, address: IpAddr, mac: MacAddr, now: Instant) {
        self.write("conflict", now, |words| tracing::error!("{words}"), &conflict(address, mac));
    }

    /// Nobody does any more.
    pub(super) fn conflict_over(&mut self, address: IpAddr, now: Instant) {
        self.info("conflict", now, &format!("address {address} is the port's alone again"));
    }

    /// The link came or went.
    pub(super) fn link(&mut self, is_up: bool, now: Instant) {
        if is_up {
            self.info("link", now, "the link is up");
        } else {
            self.warn("link", now, "the link is down: nothing is received and nothing leaves");
        }
    }

    /// Something that an operator should know.
    pub(super) fn warn(&mut self, kind: &'static str, now: Instant, words: &str) {
        self.write(kind, now, |words| tracing::warn!("{words}"), words);
    }

    /// Something that is well again.
    pub(super) fn info(&mut self, kind: &'static str, now: Instant, words: &str) {
        self.write(kind, now, |words| tracing::info!("{words}"), words);
    }

    fn write(&mut self, kind: &'static str, now: Instant, line: impl Fn(&str), words: &str) {
        if let Some(lines) = self.gates.entry(kind).or_default().pass(now) {
            line(&format!("port {}: {words}{}", self.port, held_back(lines)));
        }
    }
}

/// Words for a neighbour that does not answer.
pub(super) fn silence(address: IpAddr) -> String {
    let how = if address.is_ipv4() { "ARP" } else { "neighbour discovery" };
    format!(
        "neighbour {address} does not answer {how}, so nothing is sent to it: is it up, on this network and VLAN, and \
         its address right?"
    )
}

/// Words for an address that two have.
pub(super) fn conflict(address: IpAddr, mac: MacAddr) -> String {
    format!("address {address} is used by {mac} too: give one of the two another address")
}
