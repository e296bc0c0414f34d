//! The data plane as measurements use it: a device's queues, a worker at each end, sources before the one and consumers behind
//! the other.

pub(crate) mod ends;
pub(crate) mod live;
mod memory;
mod outcome;
#[cfg(feature = "dpdk")]
pub(crate) mod port;
#[cfg(feature = "dpdk")]
mod presence;
pub(crate) mod relaying;
mod rota;
mod seat;
pub(crate) mod stage;
mod tally;
mod threads;
pub(crate) mod udp;

pub use outcome::Outcome;
pub use tally::{Interval, Tally};
