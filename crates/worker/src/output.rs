//! A transmit queue and what waits for it.
//!
//! Every output has a burst of its own: what one queue does not take delays nobody who sends by another. The burst
//! knows whose each packet is, so that a sender can take back what comes too late.

use std::sync::Arc;

use netio::{Burst, Made, PathId, Relayed, TxQueue};

use crate::counters::OutputCounters;
use crate::key::SenderKey;

/// A transmit queue of a worker.
pub(crate) struct Output<T: TxQueue> {
    /// `None` while the port is detached.
    queue: Option<Box<T>>,
    waiting: Waiting<T::Buf>,
    /// Paths of senders that left while the port was detached.
    closing: Vec<PathId>,
    counters: Arc<OutputCounters>,
}

/// Packets that the queue has not taken yet, and whose they are.
struct Waiting<B> {
    packets: Burst<B>,
    owners: Burst<SenderKey>,
}

/// An attached output in a sender's hands.
pub(crate) struct Lane<'a, T: TxQueue> {
    pub(crate) queue: &'a mut T,
    waiting: &'a mut Waiting<T::Buf>,
}

impl<T: TxQueue> Output<T> {
    /// An output on `queue` for up to `senders` senders.
    pub(crate) fn new(queue: T, senders: usize) -> Self {
        Self {
            queue: Some(Box::new(queue)),
            waiting: Waiting { packets: Burst::new(), owners: Burst::new() },
            closing: Vec::with_capacity(senders),
            counters: Arc::default(),
        }
    }

    pub(crate) fn counters(&self) -> Arc<OutputCounters> {
        Arc::clone(&self.counters)
    }

    pub(crate) fn counters_ref(&self) -> &OutputCounters {
        &self.counters
    }

    /// What a sender needs to send; `None` while the port is detached.
    pub(crate) fn lane(&mut self) -> Option<Lane<'_, T>> {
        Some(Lane { queue: self.queue.as_mut()?, waiting: &mut self.waiting })
    }

    /// Offers the queue what waits.
    pub(crate) fn flush(&mut self) {
        if let Some(mut lane) = self.lane() {
            lane.send();
        }
    }

    /// Ends the leases that the queue is done with, and publishes its counters.
    pub(crate) fn reap(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        queue.reap();
        let (counts, counters) = (queue.counters(), &self.counters);
        counters.packets.set(counts.packets);
        counters.octets.set(counts.octets);
        counters.errors.set(counts.errors);
        counters.would_block.set(counts.would_block);
        counters.unresolved.set(counts.unresolved);
        counters.octets_copied_by_us.set(counts.octets_copied_by_us);
        counters.octets_copied_by_kernel.set(counts.octets_copied_by_kernel);
    }

    /// Drops what waits of `owner`; returns how many packets that were. The references go back with them.
    #[cold]
    pub(crate) fn take_back(&mut self, owner: SenderKey) -> u64 {
        self.waiting.take_back(owner)
    }

    /// Closes a path that no sender uses any more: at once, or when the queue is attached again.
    pub(crate) fn close_path(&mut self, path: PathId) {
        match &mut self.queue {
            Some(queue) => queue.close_path(path),
            None => self.closing.push(path),
        }
    }

    /// Whether the queue has taken all that it was offered.
    pub(crate) fn has_sent_all(&self) -> bool {
        self.waiting.packets.is_empty()
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.queue.is_some()
    }

    /// The queue, when the port is to be restarted. The senders have taken back what was theirs.
    pub(crate) fn detach(&mut self) -> Option<Box<T>> {
        debug_assert!(self.waiting.packets.is_empty(), "packets of a sender that has left wait");
        self.reap();
        self.queue.take()
    }

    /// Goes on with `queue`.
    pub(crate) fn attach(&mut self, mut queue: Box<T>) {
        for path in self.closing.drain(..) {
            queue.close_path(path);
        }
        self.queue = Some(queue);
    }
}

impl<T: TxQueue> Lane<'_, T> {
    /// Whether a packet more has no room.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.packets.is_full()
    }

    /// Packets that still have room.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.waiting.packets.room()
    }

    /// Makes relayed packets of `owner`, as many as there is room for.
    #[inline]
    pub(crate) fn forward(&mut self, owner: SenderKey, path: PathId, packets: &[Relayed<'_, T::Received>]) -> Made {
        let made = self.queue.forward_burst(path, packets, &mut self.waiting.packets);
        for _ in 0..made.packets {
            let pushed = self.waiting.owners.push(owner).is_ok();
            debug_assert!(pushed, "the burst had room");
        }
        made
    }

    /// Offers the queue what waits.
    #[inline]
    pub(crate) fn send(&mut self) {
        let taken = self.queue.tx_burst(&mut self.waiting.packets);
        drop(self.waiting.owners.drain_front(taken));
    }
}

impl<B> Waiting<B> {
    fn take_back(&mut self, owner: SenderKey) -> u64 {
        let mut taken = 0;
        // Once round: who stays goes to the back, in order.
        for _ in 0..self.packets.len() {
            let packet = self.packets.drain_front(1).next();
            let other = self.owners.drain_front(1).next();
            let (Some(packet), Some(other)) = (packet, other) else { break };
            if other == owner {
                taken += 1;
            } else {
                let kept = self.packets.push(packet).is_ok() && self.owners.push(other).is_ok();
                debug_assert!(kept, "a packet has left its place to itself");
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_back_keeps_the_others_in_order() {
        let (one, two) = (SenderKey(1), SenderKey(2));
        let mut waiting = Waiting { packets: Burst::new(), owners: Burst::new() };
        for (packet, owner) in [(10, one), (20, two), (11, one), (21, two), (22, two), (12, one)] {
            waiting.packets.push(packet).unwrap();
            waiting.owners.push(owner).unwrap();
        }
        assert_eq!(waiting.take_back(one), 3);
        assert_eq!(waiting.packets.as_slice(), [20, 21, 22]);
        assert_eq!(waiting.owners.as_slice(), [two; 3]);
        assert_eq!(waiting.take_back(one), 0);
        assert_eq!(waiting.take_back(two), 3);
        assert!(waiting.packets.is_empty() && waiting.owners.is_empty());
    }
}
