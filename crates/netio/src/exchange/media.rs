//! Which datagrams are media.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};

/// Most destinations of one port: more than one worker serves receivers.
pub const MEDIA_LIMIT: usize = 4_096;

/// The destinations, group or own address and UDP port, whose datagrams are media on one port.
///
/// Made of any [`SocketAddr`]es; flow label and scope do not count. Destinations that repeat count once, and those
/// beyond [`MEDIA_LIMIT`] are left out, see [`Self::left_out`].
#[derive(Clone, Debug, Default)]
pub struct MediaTable {
    /// Sorted, as the next.
    v4: Box<[V4]>,
    v6: Box<[V6]>,
    /// Streams come in runs: what was found last is looked at first.
    last_v4: Cell<V4>,
    last_v6: Cell<V6>,
    left_out: usize,
}

/// Address and port. A port of 0 stands for no destination.
type V4 = u64;
type V6 = (u128, u16);

impl MediaTable {
    /// Whether datagrams to `destination` are media.
    #[inline]
    #[must_use]
    pub fn contains(&self, destination: SocketAddr) -> bool {
        match destination.ip() {
            IpAddr::V4(address) => find(&self.v4, &self.last_v4, v4(address.to_bits(), destination.port())),
            IpAddr::V6(address) => find(&self.v6, &self.last_v6, (address.to_bits(), destination.port())),
        }
    }

    /// Number of destinations.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether nothing is media.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Destinations that had no room.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

fn v4(address: u32, port: u16) -> V4 {
    u64::from(address) << 16 | u64::from(port)
}

#[inline]
fn find<K: Copy + Ord>(sorted: &[K], last: &Cell<K>, key: K) -> bool {
    if last.get() == key && !sorted.is_empty() {
        return true;
    }
    let is_there = sorted.binary_search(&key).is_ok();
    if is_there {
        last.set(key);
    }
    is_there
}

impl FromIterator<SocketAddr> for MediaTable {
    fn from_iter<I: IntoIterator<Item = SocketAddr>>(destinations: I) -> Self {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for destination in destinations {
            match destination.ip() {
                IpAddr::V4(address) => four.push(v4(address.to_bits(), destination.port())),
                IpAddr::V6(address) => six.push((address.to_bits(), destination.port())),
            }
        }
        let (four, six) = (sorted(four), sorted(six));
        let asked = four.len() + six.len();
        let v4: Box<[V4]> = four.into_iter().take(MEDIA_LIMIT).collect();
        let v6: Box<[V6]> = six.into_iter().take(MEDIA_LIMIT - v4.len()).collect();
        let left_out = asked - v4.len() - v6.len();
        let last_v4 = Cell::new(v4.first().copied().unwrap_or_default());
        let last_v6 = Cell::new(v6.first().copied().unwrap_or_default());
        Self { v4, v6, last_v4, last_v6, left_out }
    }
}

fn sorted<K: Ord>(mut keys: Vec<K>) -> Vec<K> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

    use super::*;

    #[test]
    fn it_holds_what_it_was_made_of() {
        let destinations = [
            "239.1.1.1:5004",
            "192.0.2.1:5004",
            "239.1.1.1:5006",
            "[ff3e::1]:5004",
            "[2001:db8::1]:1",
            "239.1.1.1:5004",
        ];
        let table: MediaTable = destinations.iter().map(|text| text.parse::<SocketAddr>().unwrap()).collect();
        assert_eq!((table.len(), table.left_out()), (5, 0));
        for _ in 0..2 {
            for text in destinations {
                assert!(table.contains(text.parse().unwrap()), "{text}");
            }
            for text in ["239.1.1.1:5005", "239.1.1.2:5004", "[ff3e::1]:5005", "[::]:0", "0.0.0.0:0"] {
                assert!(!table.contains(text.parse().unwrap()), "{text}");
            }
        }
    }

    #[test]
    fn an_empty_table_holds_nothing() {
        let table = MediaTable::default();
        assert!(table.is_empty());
        assert!(!table.contains("0.0.0.0:0".parse().unwrap()));
        assert!(!table.contains("[::]:0".parse().unwrap()));
    }

    #[test]
    fn a_mapped_address_is_not_the_one_it_maps() {
        let table: MediaTable = [SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 5004))].into_iter().collect();
        assert!(!table.contains("[::ffff:192.0.2.1]:5004".parse().unwrap()));
    }

    #[test]
    fn scope_and_flow_label_do_not_count() {
        let group = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 1);
        let table: MediaTable = [SocketAddr::V6(SocketAddrV6::new(group, 5004, 7, 3))].into_iter().collect();
        assert!(table.contains(SocketAddr::from((group, 5004))));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let ports = (1..=MEDIA_LIMIT as u16 + 10).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let table: MediaTable = ports.collect();
        assert_eq!((table.len(), table.left_out()), (MEDIA_LIMIT, 10));
    }
}
