//! A transmit queue, attached or not.
//!
//! Senders fill one burst together ([`SharedBurst`]). What waits for the queue is with those who send by it: what it does not
//! take of one delays no other, and is taken back when it comes too late.

mod shared_burst;

use std::sync::Arc;

use netio::{PathId, TxQueue};

use crate::counters::OutputCounters;
pub(crate) use shared_burst::{LegPlace, Parted, SharedBurst};

/// A transmit queue of a worker.
pub(crate) struct Output<T: TxQueue> {
    /// `None` while the port is detached.
    queue: Option<Box<T>>,
    /// What senders fill in a turn. In a box: where packets are large it is some thousand octets, and outputs move.
    shared: Box<SharedBurst<T::Buf>>,
    /// Paths of senders that left while the port was detached.
    closing: Vec<PathId>,
    counters: Arc<OutputCounters>,
    /// A place for one that may come.
    is_vacant: bool,
}

/// What outputs counted on a worker before they left it, less what they had counted before they came: its own sums go on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Left {
    pub(crate) packets: u64,
    pub(crate) octets_copied_by_kernel: u64,
    pub(crate) octets_copied_by_us: u64,
    pub(crate) errors: u64,
    pub(crate) would_block: u64,
}

impl Left {
    /// The sums over those that left and those that are there.
    #[inline]
    pub(crate) fn beside<'a>(self, outputs: impl Iterator<Item = &'a OutputCounters>) -> Self {
        outputs.fold(self, |mut sums, output| {
            sums.add(output);
            sums
        })
    }

    /// One leaves. Wraps where more had been counted elsewhere: the sum is right all the same.
    #[inline]
    pub(crate) fn add(&mut self, output: &OutputCounters) {
        self.merge(output, u64::wrapping_add);
    }

    /// One comes.
    pub(crate) fn take(&mut self, output: &OutputCounters) {
        self.merge(output, u64::wrapping_sub);
    }

    #[inline]
    fn merge(&mut self, output: &OutputCounters, merge: impl Fn(u64, u64) -> u64) {
        self.packets = merge(self.packets, output.packets.value());
        self.octets_copied_by_kernel = merge(self.octets_copied_by_kernel, output.octets_copied_by_kernel.value());
        self.octets_copied_by_us = merge(self.octets_copied_by_us, output.octets_copied_by_us.value());
        self.errors = merge(self.errors, output.errors.value());
        self.would_block = merge(self.would_block, output.would_block.value());
    }
}

impl<T: TxQueue> Output<T> {
    /// An output on `queue` for up to `senders` senders.
    pub(crate) fn new(queue: T, senders: usize) -> Self {
        let (closing, counters) = (Vec::with_capacity(senders), Arc::default());
        Self { queue: Some(Box::new(queue)), shared: Box::new(SharedBurst::new()), closing, counters, is_vacant: false }
    }

    /// A place for one that may come.
    pub(crate) fn vacant() -> Self {
        let shared = Box::new(SharedBurst::new());
        Self { queue: None, shared, closing: Vec::new(), counters: Arc::default(), is_vacant: true }
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.is_vacant
    }

    /// Before it goes to another worker.
    pub(crate) fn leave(&mut self) {
        self.reap();
        self.queue.iter_mut().for_each(|queue| queue.leave());
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

    /// The queue, and the burst that is filled for it; `None` while the port is detached.
    #[inline]
    pub(crate) fn loading(&mut self) -> Option<(&mut T, &mut SharedBurst<T::Buf>)> {
        Some((self.queue.as_deref_mut()?, &mut self.shared))
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
