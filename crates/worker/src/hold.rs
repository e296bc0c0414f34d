//! The reorder window: packets of the next grain, held while the open one is incomplete.
//!
//! Rings have one open grain, so a packet that runs ahead waits here, in the queue's own buffer, until the
//! open grain is complete or the window is full. The window is allocated once.

use std::collections::VecDeque;

/// Packets held in order of arrival, at most `window` of them.
#[derive(Debug)]
pub(crate) struct Hold<B> {
    packets: VecDeque<B>,
    window: usize,
}

impl<B> Hold<B> {
    /// A window of `window` packets.
    #[must_use]
    pub(crate) fn new(window: u16) -> Self {
        let window = usize::from(window);
        Self { packets: VecDeque::with_capacity(window + 1), window }
    }

    /// Holds a packet. Returns whether the window has passed: the open grain must be closed now.
    #[must_use]
    pub(crate) fn push(&mut self, packet: B) -> bool {
        self.packets.push_back(packet);
        self.packets.len() > self.window
    }

    /// The packet that came first.
    pub(crate) fn pop(&mut self) -> Option<B> {
        self.packets.pop_front()
    }

    /// Drops all packets.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
    }

    /// Packets held now.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_passes_with_one_packet_more_than_it_holds() {
        let mut hold = Hold::new(2);
        let before = hold.packets.capacity();
        assert!(!hold.push(1));
        assert!(!hold.push(2));
        assert!(hold.push(3));
        assert_eq!(hold.packets.capacity(), before, "the window is allocated once");
        assert_eq!((hold.pop(), hold.len()), (Some(1), 2));
    }

    #[test]
    fn a_window_of_none_passes_at_once() {
        assert!(Hold::new(0).push(()));
    }
}
