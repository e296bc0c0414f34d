//! What stands beside the ring: a Unix socket with a copy, memcpy, and iceoryx2.

#[cfg(feature = "iceoryx2")]
mod iceoryx;
mod memory;
mod socket;

pub(crate) use memory::copy_ns;
pub(crate) use socket::{SocketReceiver, SocketSender};

use anyhow::Result;

use crate::role::{Inbox, Role};

/// The version of iceoryx2 that is built in.
#[cfg(feature = "iceoryx2")]
pub(crate) const ICEORYX2: Option<&str> = Some("0.10");
/// The version of iceoryx2 that is built in.
#[cfg(not(feature = "iceoryx2"))]
pub(crate) const ICEORYX2: Option<&str> = None;

/// Plays a role of iceoryx2's.
///
/// # Errors
/// What went wrong; that it is not built in.
#[cfg(feature = "iceoryx2")]
pub(crate) fn play_rival(role: &Role, inbox: &Inbox) -> Result<()> {
    iceoryx::play(role, inbox)
}

/// Plays a role of iceoryx2's.
///
/// # Errors
/// That it is not built in.
#[cfg(not(feature = "iceoryx2"))]
pub(crate) fn play_rival(role: &Role, _: &Inbox) -> Result<()> {
    anyhow::bail!("{:?}: built without the feature iceoryx2", role.kind)
}
