//! The wire: packets under way to each receiver, ordered by when they arrive.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use media::Tai;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::faults::{Fate, Faults, SimCounters};

/// RFC 3550 §5.1.
const RTP_HEADER_OCTETS: usize = 12;

/// A packet under way. Copies for several receivers share the octets.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) octets: Arc<[u8]>,
    /// Octets that arrive; fewer than there are when it was cut.
    pub(super) kept: usize,
    /// Where the first segment ends.
    pub(super) head: usize,
    pub(super) source: SocketAddr,
    pub(super) due: Tai,
}

/// A receiver's end of the wire.
#[derive(Debug)]
struct Port {
    id: u64,
    destination: SocketAddr,
    sources: Vec<IpAddr>,
    limit: usize,
    drops: u64,
    flights: VecDeque<Flight>,
}

pub(super) struct Wire {
    pub(super) faults: Faults,
    pub(super) counters: SimCounters,
    rng: SmallRng,
    ports: Vec<Port>,
    next_id: u64,
}

impl Wire {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let rng = SmallRng::seed_from_u64(seed);
        Self { faults, counters: SimCounters::default(), rng, ports: Vec::new(), next_id: 0 }
    }

    /// A receiver of `destination`; a group is heard only from `sources`, if there are any.
    pub(super) fn open(&mut self, destination: SocketAddr, sources: Vec<IpAddr>, limit: usize) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.ports.push(Port { id, destination, sources, limit, drops: 0, flights: VecDeque::new() });
        id
    }

    pub(super) fn close(&mut self, id: u64) {
        self.ports.retain(|port| port.id != id);
    }

    /// A packet leaves so that it arrives at `flight.due` plus the delay, if it does.
    pub(super) fn send(&mut self, destination: SocketAddr, flight: &Flight) {
        self.counters.sent += 1;
        let mut is_heard = false;
        for port in self.ports.iter_mut().filter(|port| port.hears(destination, flight.source)) {
            is_heard = true;
            let fate = self.faults.draw(&mut self.rng);
            let due = flight.due.plus_nanos(self.faults.delay_nanos);
            port.deliver(Flight { due, ..flight.clone() }, fate, &mut self.counters);
        }
        self.counters.unheard += u64::from(!is_heard);
    }

    /// The next packet that has arrived at a receiver by `now`.
    pub(super) fn arrived(&mut self, id: u64, now: Tai) -> Option<Flight> {
        let port = self.ports.iter_mut().find(|port| port.id == id)?;
        let is_due = port.flights.front().is_some_and(|flight| flight.due <= now);
        if is_due { port.flights.pop_front() } else { None }
    }

    /// Packets that a receiver had no room for.
    pub(super) fn drops(&self, id: u64) -> u64 {
        self.ports.iter().find(|port| port.id == id).map_or(0, |port| port.drops)
    }
}

impl Port {
    fn hears(&self, destination: SocketAddr, source: SocketAddr) -> bool {
        let is_filtered = destination.ip().is_multicast() && !self.sources.is_empty();
        self.destination == destination && (!is_filtered || self.sources.contains(&source.ip()))
    }

    fn deliver(&mut self, mut flight: Flight, fate: Fate, counters: &mut SimCounters) {
        if fate.is_lost {
            counters.lost += 1;
            return;
        }
        if let Some(kept) = fate.kept {
            counters.truncated += 1;
            flight.kept = flight.octets.len() * kept as usize / 65_536;
        }
        // However short the gathered header was, a head holds an RTP header (`PacketBuf::head`).
        flight.head = if fate.is_chained { flight.head.max(RTP_HEADER_OCTETS) } else { flight.kept };
        if fate.is_duplicated {
            counters.duplicated += 1;
            self.insert(flight.clone(), 0, counters);
        }
        self.insert(flight, fate.overtakes, counters);
    }

    fn insert(&mut self, mut flight: Flight, overtakes: usize, counters: &mut SimCounters) {
        if self.flights.len() >= self.limit {
            self.drops += 1;
            return;
        }
        let mut at = self.flights.partition_point(|other| other.due <= flight.due);
        if overtakes > 0 && at > 0 {
            at = at.saturating_sub(overtakes);
            flight.due = self.flights[at].due;
            counters.reordered += 1;
        }
        self.flights.insert(at, flight);
    }
}
