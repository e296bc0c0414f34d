//! What a port has, whoever answers for it.

use std::net::IpAddr;
use std::time::Instant;

use netio::exchange::HostEnd;

use super::conflicts::Conflicts;
use super::hops::{Change, Hops};
use super::journal::Journal;
use super::port_presence::PortPresence;
use super::report::Counts;
use super::wanted::Wanted;

/// One port: how it is configured, its exchange, and what is known of its network.
pub(super) struct PortState {
    pub(super) spec: PortPresence,
    pub(super) host: HostEnd,
    pub(super) hops: Hops,
    pub(super) wanted: Wanted,
    pub(super) conflicts: Conflicts,
    pub(super) counts: Counts,
    pub(super) journal: Journal,
}

impl PortState {
    /// Counts and tells what has changed about a neighbour.
    pub(super) fn note(&mut self, address: IpAddr, change: Change, mac: Option<[u8; 6]>, now: Instant) {
        match change {
            Change::None => {}
            Change::Found | Change::Back => self.counts.neighbours_found += 1,
            Change::Moved(_) => self.counts.neighbours_moved += 1,
            Change::Silent => self.counts.neighbours_silent += 1,
        }
        self.journal.neighbour(address, change, mac, now);
    }
}
