//! A worker of a port, and the queues that it has of it.

use std::sync::Arc;

use dpdk::counters::PortCounters;
use worker::{InputCounters, OutputCounters, PortKey, PulseCounters};

use super::{Rx, Tx};
use crate::pool::{Pool, WorkerIndex};

/// A transmit queue of a port in the hands of a worker, and with the first ones the receive queue of the same number.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) worker: WorkerIndex,
    pub(super) key: PortKey,
    /// Of what receives; one that only sends has counted nothing.
    pub(super) input: Arc<InputCounters>,
    /// Of its queues.
    pub(super) counters: Arc<PortCounters>,
    pub(super) output: Arc<OutputCounters>,
    /// Of the worker.
    pub(super) pulse: Arc<PulseCounters>,
}

impl Lane {
    /// Whether it has a receive queue.
    pub(super) const fn receives(&self) -> bool {
        self.key.input.is_some()
    }

    /// It is another worker's now, or its own again, who calls it so.
    pub(super) fn go(&mut self, pool: &Pool<Rx, Tx>, worker: WorkerIndex, key: PortKey) {
        (self.worker, self.key) = (worker, key);
        self.pulse = pool.pulse(worker).unwrap_or_default();
    }
}
