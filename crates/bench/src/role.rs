//! What the processes of a measurement are, and how they are told what to do.
//!
//! Each is this program again, with its [`Role`] as an argument, pinned to one core. It reads a [`Command`] a line from
//! stdin and writes an [`Answer`] a line to stdout, and sleeps in between: rounds of one pair of processes
//! do not disturb those of another. It ends with its stdin.

mod dialogue;
mod ends;
mod inbox;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use core_affinity::CoreId;
use serde::{Deserialize, Serialize};
use shm::PagePolicy;

pub use dialogue::{Answer, Command, Publish};
pub use ends::{Receiver, Sender, Taken};
pub use inbox::Inbox;
pub(crate) use inbox::answer;

use crate::FrameSize;

/// What a process does, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// What it is.
    pub kind: Kind,
    /// Name of the flow, service or socket that a pair meets at.
    pub meeting: String,
    /// Octets of its frames.
    pub size: FrameSize,
    /// The core that it is pinned to; none leaves it to the scheduler.
    pub core: Option<usize>,
    /// A folder of the run's own.
    pub folder: PathBuf,
    /// The flow by which a receiver says that it is done with a message.
    pub acknowledgements: String,
    /// Slots of its ring.
    pub slots: u16,
    /// Pages of its ring.
    pub pages: Policy,
}

/// [`PagePolicy`], as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Policy {
    /// 2 MiB pages if there are any.
    #[default]
    Prefer,
    /// 2 MiB pages or nothing.
    Huge,
    /// 4 KiB pages.
    Plain,
}

impl From<Policy> for PagePolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Prefer => Self::Prefer,
            Policy::Huge => Self::HugeOnly,
            Policy::Plain => Self::PlainOnly,
        }
    }
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Writes a ring as the gateway does: with a broker of its own, and readers that borrow its octets.
    GatewayRing,
    /// Writes a ring as a pod does.
    PodRing,
    /// Reads a ring of the gateway, spinning.
    GatewayReader,
    /// Reads a ring of a pod, spinning.
    PodReader,
    /// Reads a ring of the gateway, asleep until a whole frame is there.
    GatewaySleeper,
    /// Reads a ring of a pod, asleep until a whole frame is there.
    PodSleeper,
    /// Writes a ring of the gateway line by line.
    LineSender,
    /// Follows the lines of a ring.
    LineReceiver,
    /// Holds grains of a ring until it is killed.
    Holder,
    /// Writes frames to a Unix socket.
    SocketSender,
    /// Reads frames from a Unix socket.
    SocketReceiver,
    /// Publishes with iceoryx2.
    IceoryxSender,
    /// Subscribes with iceoryx2, spinning.
    IceoryxReceiver,
    /// Notifies with iceoryx2.
    IceoryxNotifier,
    /// Listens with iceoryx2, asleep.
    IceoryxListener,
}

impl Role {
    /// Keeps the calling thread on its core, and threads that it starts from now on: so only after those of brokers and
    /// producers have been started, which are to go where there is room.
    pub(crate) fn pin(&self) -> Result<()> {
        let pinned = self.core.is_none_or(|id| core_affinity::set_for_current(CoreId { id }));
        ensure!(pinned, "core {:?} cannot be had", self.core);
        Ok(())
    }
}
