//! What stands beside the ring: a Unix socket with a copy, memcpy, and iceoryx2.

#[cfg(feature = "iceoryx2")]
mod iceoryx;
mod memory;
mod socket;

pub(crate) use memory::copy_ns;
pub(crate) use socket::{SocketReceiver, SocketSender};

use std::path::Path;

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

/// What the names of files of a run begin with where they stand elsewhere than in its folder.
fn mark_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes what iceoryx2 leaves of a run in shared memory.
pub(crate) fn clean(folder: &Path) {
    let mark = mark_of(folder);
    let entries = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&mark)) {
        // What cannot be removed was not made by this user.
        let _ = std::fs::remove_file(entry.path());
    }
}
