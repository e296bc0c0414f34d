//! A burst: at most [`BURST`] packets, in order.

use arrayvec::{ArrayVec, CapacityError};

/// Most packets of a burst.
pub const BURST: usize = 32;

/// Up to [`BURST`] packets. Order is arrival order on receive and sending order on transmit.
#[derive(Debug)]
pub struct Burst<B> {
    packets: ArrayVec<B, BURST>,
}

impl<B> Burst<B> {
    /// An empty burst. The storage is inside it: nothing is allocated, now or later.
    #[must_use]
    pub fn new() -> Self {
        Self { packets: ArrayVec::new() }
    }

    /// Packets in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether it holds [`BURST`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.packets.is_full()
    }

    /// Packets that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.packets.remaining_capacity()
    }

    /// Appends a packet.
    ///
    /// # Errors
    /// Gives the packet back when the burst is full.
    pub fn push(&mut self, packet: B) -> Result<(), B> {
        self.packets.try_push(packet).map_err(CapacityError::element)
    }

    /// Where the packets lie, for backends that write them there.
    #[inline]
    pub fn storage(&mut self) -> &mut ArrayVec<B, BURST> {
        &mut self.packets
    }

    /// Takes the first `count` packets (all of them when there are fewer); the rest moves to the front and
    /// keeps its order. What the caller does not iterate is dropped.
    pub fn drain_front(&mut self, count: usize) -> impl ExactSizeIterator<Item = B> + '_ {
        let count = count.min(self.len());
        self.packets.drain(..count)
    }

    /// Takes all packets, in order.
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = B> + '_ {
        self.packets.drain(..)
    }

    /// Drops all packets.
    pub fn clear(&mut self) {
        self.packets.clear();
    }

    /// The packets, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[B] {
        &self.packets
    }

    /// The packets, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, B> {
        self.packets.iter()
    }

    /// The packets, in order, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, B> {
        self.packets.iter_mut()
    }
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, B> IntoIterator for &'a Burst<B> {
    type Item = &'a B;
    type IntoIter = std::slice::Iter<'a, B>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Burst<usize> {
        let mut burst = Burst::new();
        for n in 0..BURST {
            burst.push(n).unwrap();
        }
        burst
    }

    #[test]
    fn a_full_burst_gives_the_packet_back() {
        let mut burst = full();
        assert!(burst.is_full());
        assert_eq!(burst.push(99), Err(99));
    }

    #[test]
    fn what_is_not_taken_stays_in_order_and_goes_first() {
        let mut burst = full();
        assert_eq!(burst.drain_front(30).count(), 30);
        burst.push(100).unwrap();
        assert_eq!(burst.as_slice(), [30, 31, 100]);
        assert_eq!(burst.room(), BURST - 3);
        assert_eq!(burst.drain_front(9).collect::<Vec<_>>(), [30, 31, 100]);
        assert!(burst.is_empty());
    }
}
