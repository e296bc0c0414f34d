//! A forwarder that a worker serves, and what waits for its queue.
//!
//! Each has a burst of its own: a path that takes nothing (a socket whose buffer is full) keeps waiting what is its own.

use netio::{Burst, PacketBuf, TxQueue};
use shm::GrainLease;

use super::Forwarder;
use crate::kept::Kept;
use crate::output::Output;
use crate::window::Window;

/// A forwarder at its worker.
pub(crate) struct Serving<B> {
    pub(crate) forwarder: Box<Forwarder>,
    /// Made, and not taken by the queue yet.
    waiting: Burst<B>,
}

impl<B> Serving<B> {
    /// Its path is open.
    pub(crate) fn new(forwarder: Box<Forwarder>) -> Self {
        Self { forwarder, waiting: Burst::new() }
    }

    /// Whether packets wait for the queue.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Offers the queue what waits; returns how many packets it took.
    pub(crate) fn flush<T: TxQueue<Buf = B>>(&mut self, outputs: &mut [Output<T>]) -> usize {
        if self.waiting.is_empty() {
            return 0;
        }
        let queue = outputs.get_mut(self.forwarder.output_place()).and_then(Output::queue);
        queue.map_or(0, |queue| queue.tx_burst(&mut self.waiting))
    }

    /// Forwards what it has not got yet of `window`, as far as the queue takes it; returns how many packets were made.
    #[inline]
    pub(crate) fn forward<T>(
        &mut self,
        window: &Window<Kept<T::Received>>,
        clock_hz: u32,
        output: &mut Output<T>,
    ) -> usize
    where
        T: TxQueue<Buf = B, Lease = GrainLease>,
        T::Received: PacketBuf,
    {
        self.forwarder.forward(window, clock_hz, output.queue(), &mut self.waiting)
    }

    /// Takes back what waits for the queue.
    #[cold]
    pub(crate) fn take_back(&mut self) {
        self.forwarder.counters.packets_taken_back.add(self.waiting.len() as u64);
        self.waiting.clear();
    }

    /// Leaves its worker: what waits for the queue is dropped.
    pub(crate) fn leave<T: TxQueue<Buf = B, Lease = GrainLease>>(
        mut self,
        output: Option<&mut Output<T>>,
    ) -> Box<Forwarder> {
        self.take_back();
        if let Some(output) = output {
            self.forwarder.close(output);
        }
        self.forwarder
    }
}
