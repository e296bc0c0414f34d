//! UDP sockets of the Linux kernel: the backend that is always there.
//!
//! Receive: `recvmmsg` into a pool of reference-counted buffers, coalesced datagrams (`UDP_GRO`) split in place.
//! Transmit: `sendmmsg` with `UDP_SEGMENT`, gathering each header from the packet and its payload from the lease.
//! The kernel copies every octet once in each direction; that is counted, and no other copy is made.
//!
//! This is the one module of the crate that holds `unsafe`: system calls over raw addresses, and the leases whose
//! memory nobody may form a reference to.

mod control;
pub mod interface;
pub mod membership;
pub mod open_error;
pub(crate) mod owned;
pub(crate) mod payload;
mod pool;
mod receive;
pub(crate) mod referred;
pub(crate) mod rx;
mod send;
mod socket;
pub(crate) mod tx;

pub use membership::Membership;
pub use open_error::OpenError;
pub use socket::SocketBuffer;
pub use tx::source_address;
