//! Why the broker's own process is refused.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::access::AccessError;
use crate::protocol::Refusal;
use crate::{AttachError, MapError, RegionError, RingError};

/// Why a broker does not start, or makes no flow.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another instance serves this socket.
    #[error("another flypackd serves {}: stop it, or give this one another socket", path.display())]
    AlreadyRunning {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands where the socket should.
    #[error("{} exists and is no socket: remove it, or choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {}: {source}; its folder must exist and be writable", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
    /// The socket cannot be made.
    #[error("cannot {step} the socket {}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The folder of the records cannot be used.
    #[error("cannot keep the records of pods' rings in {}: {source}; its parent must exist and be writable", path.display())]
    Records {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody else could write what is believed here.
    #[error(
        "{} (user {uid}, mode {mode:o}) is no folder that only this user may write: remove it; a new one is made", path.display()
    )]
    RecordsNotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
        /// Its type and permissions, as `st_mode` has them.
        mode: u32,
    },
    /// The access rules make no sense.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The housekeeping thread cannot run.
    #[error("cannot start the broker's {step}: {source}")]
    Thread {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A limit, or the name is taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ring's memory.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The ring's writer.
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// Why the gateway cannot read a flow.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The broker says no, and why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ring cannot be mapped.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The ring is not what its geometry says.
    #[error(transparent)]
    Attach(#[from] AttachError),
}
