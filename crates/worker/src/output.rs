//! A transmit queue, attached or not.
//!
//! What waits for it is with those who send by it, in bursts of their own: what the queue does not take of one delays no
//! other, and is taken back when it comes too late.

use std::sync::Arc;

use netio::{PathId, TxQueue};

use crate::counters::OutputCounters;

/// A transmit queue of a worker.
pub(crate) struct Output<T: TxQueue> {
    /// `None` while the port is detached.
    queue: Option<Box<T>>,
    /// Paths of senders that left while the port was detached.
    closing: Vec<PathId>,
    counters: Arc<OutputCounters>,
}

impl<T: TxQueue> Output<T> {
    /// An output on `queue` for up to `senders` senders.
    pub(crate) fn new(queue: T, senders: usize) -> Self {
        Self { queue: Some(Box::new(queue)), closing: Vec::with_capacity(senders), counters: Arc::default() }
    }

    pub(crate) fn counters(&self) -> Arc<OutputCounters> {
        Arc::clone(&self.counters)
    }

    pub(crate) fn counters_ref(&self) -> &OutputCounters {
        &self.counters
    }

    /// The queue; `None` while the port is detached.
    #[inline]
    pub(crate) fn queue(&mut self) -> Option<&mut T> {
        self.queue.as_deref_mut()
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

    /// Closes a path that no sender uses any more: at once, or when the queue is attached again.
    pub(crate) fn close_path(&mut self, path: PathId) {
        match &mut self.queue {
            Some(queue) => queue.close_path(path),
            None => self.closing.push(path),
        }
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.queue.is_some()
    }

    /// The queue, when the port is to be restarted. Who sends by it has taken back what was waiting.
    pub(crate) fn detach(&mut self) -> Option<Box<T>> {
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
