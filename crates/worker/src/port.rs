//! A port that can be restarted: an input and an output of one worker, and the queues that they stand on; of a port that
//! several workers send by, an output alone.
//!
//! To restart a device its queues must be in nobody's hands. The worker gives both back and keeps everything else:
//! the receivers, the senders, their paths. Until the same queues come again receivers hear nothing, grains that are
//! due are missed, and all of it is counted.

use netio::{RxQueue, TxQueue};

use crate::key::{InputKey, OutputIndex};

/// Names a port on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortKey {
    /// What receives on it; `None` where this worker only sends by it.
    pub input: Option<InputKey>,
    /// What sends on it.
    pub output: OutputIndex,
}

/// The queues of a port. Boxed when they are made, so that a worker hands them over without allocating.
///
/// Senders keep the paths that they opened on `tx`: what is attached again is the same object, whatever was done to
/// the device below it.
pub struct QueuePair<R: RxQueue, T: TxQueue> {
    /// The receive queue, where the port has one on this worker.
    pub rx: Option<Box<R>>,
    /// The transmit queue.
    pub tx: Box<T>,
}
