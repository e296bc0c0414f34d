//! The packets of a relay that some destination has not got yet: a window over the stream, allocated once.
//!
//! Every destination has its own place in it. A packet is given back when all have passed it, or when it is overtaken: by
//! as many packets as the window holds, or by time. So however many destinations are stuck, and for however long, a relay
//! keeps no more of the receive pool than its window.

/// The last packets of a stream, under numbers that only grow.
#[derive(Debug)]
pub(crate) struct Window<B> {
    slots: Box<[Option<B>]>,
    /// The number that stands in the first slot. Moves when the window is empty, so that the first slots are used again
    /// and again, out of a near cache.
    base: u64,
    tail: u64,
    head: u64,
}

impl<B> Window<B> {
    /// A window of at least `packets`.
    pub(crate) fn new(packets: usize) -> Self {
        Self { slots: (0..Self::room(packets)).map(|_| None).collect(), base: 0, tail: 0, head: 0 }
    }

    /// What a window of at least `packets` has room for.
    pub(crate) const fn room(packets: usize) -> usize {
        packets.next_power_of_two()
    }

    /// The number that the next packet gets.
    #[inline]
    pub(crate) const fn head(&self) -> u64 {
        self.head
    }

    /// The number of the oldest packet; [`Self::head`] when there is none.
    #[inline]
    pub(crate) const fn tail(&self) -> u64 {
        self.tail
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.tail == self.head
    }

    /// Packets that are kept.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        (self.head - self.tail) as usize
    }

    #[inline]
    const fn slot(&self, number: u64) -> usize {
        number.wrapping_sub(self.base) as usize & (self.slots.len() - 1)
    }

    /// The packet of that number, which is none before [`Self::tail`].
    #[inline]
    pub(crate) fn at(&self, number: u64) -> Option<&B> {
        if number >= self.tail && number < self.head { self.slots[self.slot(number)].as_ref() } else { None }
    }

    /// Appends a packet, in place of the oldest when all slots are used.
    #[inline]
    pub(crate) fn push(&mut self, packet: B) {
        if self.len() == self.slots.len() {
            self.release(self.tail + 1);
        }
        let slot = self.slot(self.head);
        self.slots[slot] = Some(packet);
        self.head += 1;
    }

    /// Gives back all packets before `number`.
    #[inline]
    pub(crate) fn release(&mut self, number: u64) {
        let end = number.min(self.head);
        while self.tail < end {
            let slot = self.slot(self.tail);
            self.slots[slot] = None;
            self.tail += 1;
        }
        if self.is_empty() {
            self.base = self.head;
        }
    }

    /// Gives back all of them.
    pub(crate) fn clear(&mut self) {
        self.release(self.head);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_of_none_still_takes_the_packet_at_hand() {
        let mut window = Window::new(0);
        window.push('a');
        window.push('b');
        assert_eq!((window.len(), window.at(1), window.tail()), (1, Some(&'b'), 1));
    }

    proptest! {
        /// Against a queue of (number, packet).
        #[test]
        fn it_is_a_queue_that_drops_its_oldest(room in 1_usize..9, steps in prop::collection::vec(0_u64..12, 0..200)) {
            let mut window = Window::new(room);
            let (mut model, mut next) = (VecDeque::new(), 0_u64);
            for step in steps {
                if step < 8 {
                    window.push(next);
                    model.push_back(next);
                    next += 1;
                    if model.len() > room.next_power_of_two() {
                        model.pop_front();
                    }
                } else {
                    let until = window.tail() + (step - 8) * 2;
                    window.release(until);
                    model.retain(|number| *number >= until);
                }
                prop_assert_eq!(window.head(), next);
                prop_assert_eq!(window.len(), model.len());
                prop_assert!(window.tail().checked_sub(1).is_none_or(|before| window.at(before).is_none()));
                let kept: Vec<u64> = (window.tail()..window.head()).filter_map(|n| window.at(n).copied()).collect();
                prop_assert_eq!(kept, Vec::from(model.clone()));
            }
        }
    }
}
