//! The link address of a next hop, known some time after it was asked for.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Set when the six octets below it are an address.
const KNOWN: u64 = 1 << 48;

/// The link address of one next hop, where it is known. Written by the presence thread, read by a worker per packet.
#[derive(Debug, Default)]
pub struct NeighbourCell(AtomicU64);

impl NeighbourCell {
    /// A cell without an address.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The address, where it is known.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Option<[u8; 6]> {
        // Relaxed: the value is all there is; nothing else is published by it.
        let value = self.0.load(Ordering::Relaxed);
        let [_, _, a, b, c, d, e, f] = value.to_be_bytes();
        (value & KNOWN != 0).then_some([a, b, c, d, e, f])
    }

    /// The address from now on.
    pub fn store(&self, address: [u8; 6]) {
        let [a, b, c, d, e, f] = address;
        self.0.store(KNOWN | u64::from_be_bytes([0, 0, a, b, c, d, e, f]), Ordering::Relaxed);
    }

    /// The address is not known any more.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A question for a neighbour's link address. The answer goes to the cell, now and whenever it changes, for as long as
/// a path holds the cell too: keep it as a `Weak`, and a path that was closed is no question any more.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// Address on one of the port's networks.
    pub next_hop: IpAddr,
    /// Where the answer goes.
    pub cell: Arc<NeighbourCell>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_changes_and_goes() {
        let cell = NeighbourCell::new();
        assert_eq!(cell.load(), None);
        for address in [[0; 6], [0xff; 6], [1, 2, 3, 4, 5, 6]] {
            cell.store(address);
            assert_eq!(cell.load(), Some(address));
        }
        cell.clear();
        assert_eq!(cell.load(), None);
    }
}
