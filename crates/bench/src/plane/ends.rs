//! The two ends of a run: what sends, what receives, and what has to be there meanwhile.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use shm::PlacementHooks;

/// Makes the calling thread one that may use the queues, for as long as what it returns lives.
pub(crate) type Enter = Arc<dyn Fn() -> Result<Box<dyn Any>> + Send + Sync>;

/// See the file's head.
pub(crate) struct Ends<R, T> {
    /// One for each leg.
    pub(crate) tx: Vec<T>,
    pub(crate) rx: Receiving<R>,
    /// What goes with them.
    pub(crate) around: Around,
}

/// What is there besides queues.
pub(crate) struct Around {
    /// Where the packets of each stream go, by each leg.
    pub(crate) destinations: Vec<Vec<SocketAddr>>,
    /// The interface that they leave by, where a path can name one.
    pub(crate) interface: Option<String>,
    pub(crate) enter: Enter,
    /// What is done with the memory of rings.
    pub(crate) hooks: Box<dyn PlacementHooks>,
    /// How the device has its memory, for the report.
    pub(crate) memory: String,
    /// Outlives the queues.
    pub(crate) keep: Box<dyn Any>,
}

/// What receives.
pub(crate) enum Receiving<R> {
    /// A queue for all streams, on each leg.
    #[cfg_attr(not(feature = "dpdk"), allow(dead_code, reason = "only ports have one"))]
    Shared(Vec<R>),
    /// On each leg a queue for each stream.
    Own(Vec<Vec<R>>),
}
