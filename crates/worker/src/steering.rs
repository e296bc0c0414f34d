//! Which receiver a packet is for, by the address and port that it was sent to.
//!
//! The receiver of exactly that address comes first, then the one of all addresses (the wildcard) at that port.
//! Packets of one stream come in runs, so the last answer is tried first: one comparison. Otherwise a small open table is
//! looked into, at most a quarter full. Where a destination lies in it depends on a number drawn when the table is made:
//! nobody outside can tell which destinations collide, and a search ends after as many steps as the table's own entries
//! took at most.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};

/// Whom a packet is for: its place on the worker, and which of its legs this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A receiver, which writes frames.
    Receiver(u16, u8),
    /// A relay, which forwards packets.
    Relay(u16, u8),
}

impl Target {
    /// Whether both are legs of the same receiver or relay.
    fn is_of(self, other: Self) -> bool {
        match (self, other) {
            (Self::Receiver(one, _), Self::Receiver(other, _)) | (Self::Relay(one, _), Self::Relay(other, _)) => {
                one == other
            }
            _ => false,
        }
    }
}

/// No entry.
const VACANT: u16 = u16::MAX;

/// Who receives at which destination.
#[derive(Debug)]
pub(crate) struct Steering {
    /// Address and port, or an unspecified address for all of them; in no order.
    entries: Vec<(SocketAddr, Target)>,
    /// Places of entries, by their destinations' hash and behind it. A power of two.
    table: Box<[u16]>,
    /// Steps that a search takes at most.
    steps: usize,
    /// Entries for all addresses.
    wildcards: usize,
    key: u64,
    /// The last destination and its answer, also when it was nobody.
    last: Option<(SocketAddr, Option<Target>)>,
}

impl Steering {
    /// A table with room for `room` destinations.
    pub(crate) fn new(room: usize) -> Self {
        let table = vec![VACANT; (4 * room).next_power_of_two()].into_boxed_slice();
        let key = RandomState::new().build_hasher().finish();
        Self { entries: Vec::with_capacity(room), table, steps: 0, wildcards: 0, key, last: None }
    }

    /// Whom packets to `destination` are for.
    #[inline]
    pub(crate) fn find(&mut self, destination: &SocketAddr) -> Option<Target> {
        match &self.last {
            Some((last, target)) if last == destination => *target,
            _ => self.search(*destination),
        }
    }

    fn search(&mut self, destination: SocketAddr) -> Option<Target> {
        let mut target = self.look(plain(destination));
        if target.is_none() && self.wildcards > 0 {
            target = self.look(wildcard(destination.port()));
        }
        self.last = Some((destination, target));
        target
    }

    /// Whether one of exactly this destination is there.
    pub(crate) fn has(&self, destination: SocketAddr) -> bool {
        self.look(named(destination)).is_some()
    }

    #[inline]
    fn look(&self, wanted: SocketAddr) -> Option<Target> {
        let from = self.hash(wanted);
        (from..from + self.steps).find_map(|at| {
            let entry = self.entries.get(usize::from(self.table[at & (self.table.len() - 1)]));
            entry.filter(|(destination, _)| *destination == wanted).map(|(_, target)| *target)
        })
    }

    /// Where the search for a destination begins. Multiplied to 128 bits and folded: every bit of both halves counts.
    #[inline]
    fn hash(&self, destination: SocketAddr) -> usize {
        let address = match destination.ip() {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let (high, low) = ((address >> 64) as u64, address as u64);
        let port = u64::from(destination.port());
        folded(folded(high ^ port << 48 ^ self.key, MIX) ^ low, MIX ^ self.key) as usize & (self.table.len() - 1)
    }

    /// Destinations that are steered.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The target, where there is one destination only.
    pub(crate) fn sole(&self) -> Option<Target> {
        if let [(_, target)] = self.entries[..] { Some(target) } else { None }
    }

    /// Steers `destination`, which nobody has, to `target`. There is room, and nothing is allocated.
    pub(crate) fn insert(&mut self, destination: SocketAddr, target: Target) {
        self.entries.push((named(destination), target));
        self.enter(self.entries.len() - 1);
    }

    /// Notes an entry in the table, which always has a vacant place.
    fn enter(&mut self, entry: usize) {
        let (destination, _) = self.entries[entry];
        let from = self.hash(destination);
        let mask = self.table.len() - 1;
        let steps = (0..self.table.len()).find(|step| self.table[(from + step) & mask] == VACANT);
        if let Some(step) = steps {
            self.table[(from + step) & mask] = entry as u16;
            self.steps = self.steps.max(step + 1);
        }
        self.wildcards += usize::from(destination.ip().is_unspecified());
        self.last = None;
    }

    /// Steers nothing to whom `target` is a leg of any more.
    pub(crate) fn remove(&mut self, target: Target) {
        self.entries.retain(|(_, other)| !other.is_of(target));
        self.table.fill(VACANT);
        (self.steps, self.wildcards, self.last) = (0, 0, None);
        (0..self.entries.len()).for_each(|entry| self.enter(entry));
    }

    /// Steers nothing.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.table.fill(VACANT);
        (self.steps, self.wildcards, self.last) = (0, 0, None);
    }
}

/// An odd number without a pattern: the fraction of the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product >> 64) as u64 ^ product as u64
}

/// A destination as the table has it.
pub(crate) fn named(destination: SocketAddr) -> SocketAddr {
    if destination.ip().is_unspecified() { wildcard(destination.port()) } else { plain(destination) }
}

/// All addresses of both families.
fn wildcard(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
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
        Some(Target::Receiver(place, 0))
    }

    fn steering(destinations: &[&str]) -> Steering {
        let mut steering = Steering::new(destinations.len());
        for (place, text) in (0..).zip(destinations) {
            steering.insert(at(text), Target::Receiver(place, 0));
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
            assert_eq!(
                [steering.find(&at(destination)), steering.find(&at(destination))],
                [target; 2],
                "{destination}"
            );
        }
    }

    #[test]
    fn a_change_forgets_the_last_answer() {
        let mut steering = steering(&["192.0.2.1:5004", "192.0.2.2:5004", "0.0.0.0:5008"]);
        assert_eq!(steering.find(&at("192.0.2.2:5004")), receiver(1));
        steering.remove(Target::Receiver(1, 0));
        assert_eq!(steering.find(&at("192.0.2.2:5004")), None);
        steering.insert(at("192.0.2.2:5004"), Target::Receiver(7, 0));
        assert_eq!(steering.find(&at("192.0.2.2:5004")), receiver(7));
        assert_eq!((steering.len(), steering.sole()), (3, None));
        steering.remove(Target::Receiver(0, 0));
        steering.remove(Target::Receiver(7, 0));
        assert_eq!(steering.sole(), receiver(2));
        assert_eq!(steering.find(&at("192.0.2.9:5008")), receiver(2));
        steering.clear();
        assert_eq!((steering.find(&at("192.0.2.9:5008")), steering.is_empty()), (None, true));
    }

    #[test]
    fn a_scope_is_no_part_of_a_destination() {
        let mut steering = steering(&["[fe80::1%3]:5004"]);
        assert!(steering.has(at("[fe80::1]:5004")));
        assert_eq!(steering.find(&at("[fe80::1]:5004")), receiver(0));
    }

    #[test]
    fn a_full_table_is_searched_in_few_steps_whoever_sends() {
        let destinations: Vec<_> = (0..256_u16).map(|n| format!("239.1.1.{}:{}", n % 4, 5004 + 2 * (n / 4))).collect();
        let mut steering = steering(&destinations.iter().map(String::as_str).collect::<Vec<_>>());
        // The chance of a longer run in a table that is a quarter full is below one in a million.
        assert!(steering.steps <= 32, "{} steps", steering.steps);
        for port in 0..=u16::MAX {
            let destination = SocketAddr::from(([239, 1, 1, 9], port));
            assert_eq!(steering.find(&destination), None);
        }
        for place in (0..256).step_by(2) {
            steering.remove(Target::Receiver(place, 0));
        }
        for (place, destination) in (0..).zip(&destinations) {
            assert_eq!(steering.find(&at(destination)), receiver(place).filter(|_| place % 2 == 1), "{destination}");
        }
        assert_eq!(steering.len(), 128);
    }

    #[test]
    fn every_one_of_many_is_found() {
        let destinations: Vec<_> = (0..=255_u8).map(|n| format!("239.1.{}.1:{}", n, 6000 - u16::from(n % 7))).collect();
        let mut steering = steering(&destinations.iter().map(String::as_str).collect::<Vec<_>>());
        for (place, destination) in (0..).zip(&destinations) {
            assert_eq!(steering.find(&at(destination)), receiver(place));
        }
    }
}
