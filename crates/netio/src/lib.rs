//! Packet I/O: bursts in, bursts out.
//!
//! [`RxQueue`] and [`TxQueue`] are the seam between the workers and the devices. Here are two backends, UDP
//! sockets of the kernel ([`kernel`]) and a seeded simulator ([`sim`]); DPDK is a crate of its own. All three
//! pass one suite (`conformance`). No `dyn` inside the poll loop.
#![deny(unsafe_code)]

pub mod burst;
pub mod capture;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod counter;
pub mod counters;
pub mod exchange;
pub mod injection;
#[allow(unsafe_code, reason = "system calls over raw memory and the payloads' leases: the one unsafe module here")]
pub mod kernel;
pub mod packet;
pub mod path;
pub mod planned;
pub mod queue;
pub mod sim;
mod switch;
pub mod wait;

pub use burst::{BURST, Burst};
pub use counter::Counter;
pub use counters::{RxCounters, TxCounters};
pub use kernel::owned::{LeaseWatch, OwnedBytes};
pub use kernel::payload::Payload;
pub use kernel::rx::{KernelBuf, KernelRx, KernelRxConfig};
pub use kernel::tx::{KernelTx, KernelTxBuf, KernelTxConfig};
pub use packet::{PacketBuf, PacketMeta, TimeSource};
pub use path::{Path, PathError, PathId, PathTable};
pub use planned::{PLANNED_HEADER_OCTETS, Planned};
pub use queue::{MAX_HEADER_OCTETS, Made, Pacing, RELAYED_HEADER_OCTETS, Relayed, RxQueue, TxFull, TxQueue};
pub use shm::StableBytes;
pub use wait::{Alarm, Bed, Doorbell};
