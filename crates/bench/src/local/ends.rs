//! The two ends of a run: what sends, what receives, and what has to be there meanwhile.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use shm::PlacementHooks;

/// Makes the calling thread one that may use the queues, for as long as what it returns lives.
pub(super) type Enter = Arc<dyn Fn() -> Result<Box<dyn Any>> + Send + Sync>;

/// See the file's head.
pub(super) struct Ends<R, T> {
    pub(super) tx: T,
    pub(super) rx: Receiving<R>,
    /// Of each stream.
    pub(super) destinations: Vec<SocketAddr>,
    pub(super) enter: Enter,
    /// What is done with the memory of rings.
    pub(super) hooks: Box<dyn PlacementHooks>,
    /// How the device has its memory, for the report.
    pub(super) memory: String,
    /// Outlives the queues.
    pub(super) keep: Box<dyn Any>,
}

/// What receives.
pub(super) enum Receiving<R> {
    /// A queue for all streams.
    #[cfg_attr(not(feature = "dpdk"), allow(dead_code, reason = "only ports have one"))]
    Shared(R),
    /// A queue for each stream.
    Own(Vec<R>),
}
