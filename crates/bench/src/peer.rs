//! What stands beside the ring: a Unix socket with a copy, memcpy, and iceoryx2.

#[cfg(feature = "iceoryx2")]
mod iceoryx;
mod memory;
mod remains;
mod socket;

#[cfg(feature = "iceoryx2")]
pub(crate) use iceoryx::{IceoryxListener, IceoryxNotifier, IceoryxReceiver, IceoryxSender};
pub(crate) use memory::copy_ns;
pub(crate) use remains::clean;
pub(crate) use socket::{SocketReceiver, SocketSender};

/// The version of iceoryx2 that is built in.
#[cfg(feature = "iceoryx2")]
pub(crate) const ICEORYX2: Option<&str> = Some("0.10");
/// The version of iceoryx2 that is built in.
#[cfg(not(feature = "iceoryx2"))]
pub(crate) const ICEORYX2: Option<&str> = None;
