//! Which receiver a packet is for, by the address and port that it was sent to.
//!
//! The receiver of exactly that address comes first, then the one of all addresses (the wildcard) at that port.
//! Packets of one stream come in runs, so the last answer is tried before the search. The search is binary over a
//! sorted table: some comparisons for as many receivers as a worker serves, no hash that a stranger could collide.

use std::net::SocketAddr;

/// Who receives at which destination.
#[derive(Debug)]
pub(crate) struct Steering {
    /// Sorted by destination.
    exact: Vec<(SocketAddr, usize)>,
    /// Sorted by port.
    wildcards: Vec<(u16, usize)>,
    /// The last destination and its answer, also when it was nobody.
    last: Option<(SocketAddr, Option<usize>)>,
}

impl Steering {
    /// A table with room for `room` receivers.
    pub(crate) fn new(room: usize) -> Self {
        Self { exact: Vec::with_capacity(room), wildcards: Vec::with_capacity(room), last: None }
    }

    /// The place of the receiver that packets to `destination` are for.
    #[inline]
    pub(crate) fn find(&mut self, destination: SocketAddr) -> Option<usize> {
        match self.last {
            Some((last, place)) if last == destination => place,
            _ => self.search(destination),
        }
    }

    fn search(&mut self, destination: SocketAddr) -> Option<usize> {
        let place = self.exactly(destination).or_else(|| self.at_port(destination.port()));
        self.last = Some((destination, place));
        place
    }

    /// Whether one of exactly this destination is there.
    pub(crate) fn has(&self, destination: SocketAddr) -> bool {
        if destination.ip().is_unspecified() {
            self.at_port(destination.port()).is_some()
        } else {
            self.exactly(destination).is_some()
        }
    }

    fn exactly(&self, destination: SocketAddr) -> Option<usize> {
        let wanted = plain(destination);
        let found = self.exact.binary_search_by(|(address, _)| address.cmp(&wanted));
        found.ok().map(|at| self.exact[at].1)
    }

    fn at_port(&self, port: u16) -> Option<usize> {
        let found = self.wildcards.binary_search_by(|(other, _)| other.cmp(&port));
        found.ok().map(|at| self.wildcards[at].1)
    }

    /// Begins anew with these destinations, in the order of their places. Allocates nothing within the room.
    pub(crate) fn set(&mut self, destinations: impl Iterator<Item = SocketAddr>) {
        self.exact.clear();
        self.wildcards.clear();
        self.last = None;
        for (place, destination) in destinations.enumerate() {
            if destination.ip().is_unspecified() {
                self.wildcards.push((destination.port(), place));
            } else {
                self.exact.push((plain(destination), place));
            }
        }
        self.exact.sort_unstable();
        self.wildcards.sort_unstable();
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

    fn steering(destinations: &[&str]) -> Steering {
        let mut steering = Steering::new(destinations.len());
        steering.set(destinations.iter().map(|text| at(text)));
        steering
    }

    #[test]
    fn the_exact_destination_comes_before_the_wildcard() {
        let mut steering = steering(&["0.0.0.0:5004", "239.1.1.1:5004", "192.0.2.1:5006", "[ff3e::1]:5004"]);
        for (destination, place) in [
            ("239.1.1.1:5004", Some(1)),
            ("239.1.1.2:5004", Some(0)),
            ("192.0.2.1:5006", Some(2)),
            ("192.0.2.2:5006", None),
            ("[ff3e::1]:5004", Some(3)),
            ("[ff3e::2]:5004", Some(0)),
            ("192.0.2.1:5008", None),
        ] {
            // Twice: once found, once remembered.
            assert_eq!([steering.find(at(destination)), steering.find(at(destination))], [place; 2], "{destination}");
        }
    }

    #[test]
    fn a_change_forgets_the_last_answer() {
        let mut steering = steering(&["192.0.2.1:5004", "192.0.2.2:5004"]);
        assert_eq!(steering.find(at("192.0.2.2:5004")), Some(1));
        assert_eq!(steering.find(at("192.0.2.3:5004")), None);
        steering.set([at("192.0.2.3:5004")].into_iter());
        assert_eq!(steering.find(at("192.0.2.3:5004")), Some(0));
        assert_eq!(steering.find(at("192.0.2.2:5004")), None);
    }

    #[test]
    fn a_scope_is_no_part_of_a_destination() {
        let mut steering = steering(&["[fe80::1%3]:5004"]);
        assert!(steering.has(at("[fe80::1]:5004")));
        assert_eq!(steering.find(at("[fe80::1]:5004")), Some(0));
    }

    #[test]
    fn every_one_of_many_is_found() {
        let destinations: Vec<_> = (0..=255_u8).map(|n| format!("239.1.{}.1:{}", n, 6000 - u16::from(n % 7))).collect();
        let mut steering = Steering::new(destinations.len());
        steering.set(destinations.iter().map(|text| at(text)));
        for (place, destination) in destinations.iter().enumerate() {
            assert_eq!(steering.find(at(destination)), Some(place));
        }
    }
}
