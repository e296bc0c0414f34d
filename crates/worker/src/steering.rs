//! Which receiver a packet is for, by the address and port that it was sent to.
//!
//! The receiver of exactly that address comes first, then the one of all addresses (the wildcard) at that port.
//! Packets of one stream come in runs, so the last answer is tried before the search. The search is binary over a
//! sorted table: some comparisons for as many destinations as a worker serves, no hash that a stranger could collide.

use std::net::SocketAddr;

/// Whom a packet is for: its place on the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A receiver, which writes frames.
    Receiver(u16),
    /// A relay, which forwards packets.
    Relay(u16),
}

/// Who receives at which destination.
#[derive(Debug)]
pub(crate) struct Steering {
    /// Sorted by destination.
    exact: Vec<(SocketAddr, Target)>,
    /// Sorted by port.
    wildcards: Vec<(u16, Target)>,
    /// The last destination and its answer, also when it was nobody.
    last: Option<(SocketAddr, Option<Target>)>,
}

impl Steering {
    /// A table with room for `room` destinations.
    pub(crate) fn new(room: usize) -> Self {
        Self { exact: Vec::with_capacity(room), wildcards: Vec::with_capacity(room), last: None }
    }

    /// Whom packets to `destination` are for.
    #[inline]
    pub(crate) fn find(&mut self, destination: SocketAddr) -> Option<Target> {
        match self.last {
            Some((last, target)) if last == destination => target,
            _ => self.search(destination),
        }
    }

    fn search(&mut self, destination: SocketAddr) -> Option<Target> {
        let target = self.exactly(destination).or_else(|| self.at_port(destination.port()));
        self.last = Some((destination, target));
        target
    }

    /// Whether one of exactly this destination is there.
    pub(crate) fn has(&self, destination: SocketAddr) -> bool {
        if destination.ip().is_unspecified() {
            self.at_port(destination.port()).is_some()
        } else {
            self.exactly(destination).is_some()
        }
    }

    fn exactly(&self, destination: SocketAddr) -> Option<Target> {
        let wanted = plain(destination);
        let found = self.exact.binary_search_by(|(address, _)| address.cmp(&wanted));
        found.ok().map(|at| self.exact[at].1)
    }

    fn at_port(&self, port: u16) -> Option<Target> {
        let found = self.wildcards.binary_search_by(|(other, _)| other.cmp(&port));
        found.ok().map(|at| self.wildcards[at].1)
    }

    /// Destinations that are steered.
    pub(crate) fn len(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The target, where there is one destination only.
    pub(crate) fn sole(&self) -> Option<Target> {
        match (&self.exact[..], &self.wildcards[..]) {
            ([(_, target)], []) | ([], [(_, target)]) => Some(*target),
            _ => None,
        }
    }

    /// Steers `destination`, which nobody has, to `target`. Allocates nothing within the room.
    pub(crate) fn insert(&mut self, destination: SocketAddr, target: Target) {
        self.last = None;
        if destination.ip().is_unspecified() {
            let port = destination.port();
            let at = self.wildcards.partition_point(|(other, _)| *other < port);
            self.wildcards.insert(at, (port, target));
        } else {
            let wanted = plain(destination);
            let at = self.exact.partition_point(|(other, _)| *other < wanted);
            self.exact.insert(at, (wanted, target));
        }
    }

    /// Steers nothing to `target` any more.
    pub(crate) fn remove(&mut self, target: Target) {
        self.last = None;
        self.exact.retain(|(_, other)| *other != target);
        self.wildcards.retain(|(_, other)| *other != target);
    }

    /// Steers nothing.
    pub(crate) fn clear(&mut self) {
        self.last = None;
        self.exact.clear();
        self.wildcards.clear();
    }
}

/// Address and port alone: an IPv6 scope or flow label says nothing about who the packet is for.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn receiver(place: u16) -> Option<Target> {
        Some(Target::Receiver(place))
    }

    fn steering(destinations: &[&str]) -> Steering {
        let mut steering = Steering::new(destinations.len());
        for (place, text) in (0..).zip(destinations) {
            steering.insert(at(text), Target::Receiver(place));
        }
        steering
    }

    #[test]
    fn the_exact_destination_comes_before_the_wildcard() {
        let mut steering = steering(&["0.0.0.0:5004", "239.1.1.1:5004", "192.0.2.1:5006", "[ff3e::1]:5004"]);
        for (destination, target) in [
            ("239.1.1.1:5004", receiver(1)),
            ("239.1.1.2:5004", receiver(0)),
            ("192.0.2.1:5006", receiver(2)),
            ("192.0.2.2:5006", None),
            ("[ff3e::1]:5004", receiver(3)),
            ("[ff3e::2]:5004", receiver(0)),
            ("192.0.2.1:5008", None),
        ] {
            // Twice: once found, once remembered.
            assert_eq!([steering.find(at(destination)), steering.find(at(destination))], [target; 2], "{destination}");
        }
    }

    #[test]
    fn a_change_forgets_the_last_answer() {
        let mut steering = steering(&["192.0.2.1:5004", "192.0.2.2:5004", "0.0.0.0:5008"]);
        assert_eq!(steering.find(at("192.0.2.2:5004")), receiver(1));
        steering.remove(Target::Receiver(1));
        assert_eq!(steering.find(at("192.0.2.2:5004")), None);
        steering.insert(at("192.0.2.2:5004"), Target::Receiver(7));
        assert_eq!(steering.find(at("192.0.2.2:5004")), receiver(7));
        assert_eq!((steering.len(), steering.sole()), (3, None));
        steering.remove(Target::Receiver(0));
        steering.remove(Target::Receiver(7));
        assert_eq!(steering.sole(), receiver(2));
        assert_eq!(steering.find(at("192.0.2.9:5008")), receiver(2));
        steering.clear();
        assert_eq!((steering.find(at("192.0.2.9:5008")), steering.is_empty()), (None, true));
    }

    #[test]
    fn a_scope_is_no_part_of_a_destination() {
        let mut steering = steering(&["[fe80::1%3]:5004"]);
        assert!(steering.has(at("[fe80::1]:5004")));
        assert_eq!(steering.find(at("[fe80::1]:5004")), receiver(0));
    }

    #[test]
    fn every_one_of_many_is_found() {
        let destinations: Vec<_> = (0..=255_u8).map(|n| format!("239.1.{}.1:{}", n, 6000 - u16::from(n % 7))).collect();
        let mut steering = steering(&destinations.iter().map(String::as_str).collect::<Vec<_>>());
        for (place, destination) in (0..).zip(&destinations) {
            assert_eq!(steering.find(at(destination)), receiver(place));
        }
    }
}
