//! DPDK for Rust: environment, pools, packet buffers, ports, external memory; the queues of `netio` over them.
//!
//! The order of things is kept by types: queue handles hold their port, a port holds its pools, a pool outlives
//! every packet buffer. What DPDK does slowly (probing, starting, stopping, counters) runs on the environment's own
//! thread; bursts run wherever the handle is.
#![allow(unsafe_code, reason = "DPDK is a C library; every block carries its SAFETY comment")]

pub mod capabilities;
pub mod counters;
pub mod device;
pub mod device_clock;
pub mod eal;
pub mod extmem;
pub mod flow;
mod free;
pub mod interrupt;
pub mod iommu;
mod iova;
pub mod launch;
pub mod mbuf;
pub mod mempool;
mod netdev;
mod path;
pub mod payload;
pub mod pci;
pub mod port;
mod prefetch;
mod refer;
pub mod references;
pub mod rx;
pub mod sizing;
mod stash;
pub mod station;
pub mod timestamp;
pub mod tx;
