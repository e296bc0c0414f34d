//! A worker that sends by a port, and the queue that it does it by.

use std::sync::Arc;

use dpdk::counters::PortCounters;
use worker::{OutputCounters, PortKey, PulseCounters};

use super::{Rx, Tx};
use crate::pool::{Pool, WorkerIndex};

/// A transmit queue of a port in the hands of a worker; with the first one goes the receive queue.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) worker: WorkerIndex,
    pub(super) key: PortKey,
    /// Of its queues.
    pub(super) counters: Arc<PortCounters>,
    pub(super) output: Arc<OutputCounters>,
    /// Of the worker.
    pub(super) pulse: Arc<PulseCounters>,
}

impl Lane {
    /// It is another worker's now, or its own again, who calls it so.
    pub(super) fn go(&mut self, pool: &Pool<Rx, Tx>, worker: WorkerIndex, key: PortKey) {
        (self.worker, self.key) = (worker, key);
        self.pulse = pool.pulse(worker).unwrap_or_default();
    }
}
