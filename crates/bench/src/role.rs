//! What the processes of a measurement are, and how they are told what to do.
//!
//! Each is this program again, with its [`Role`] as an argument, pinned to one core. It reads a [`Command`] a line from
//! stdin and writes an [`Answer`] a line to stdout, and sleeps in between: rounds of one pair of processes
//! do not disturb those of another. It ends with its stdin.

mod inbox;
mod line_receiver;
mod line_sender;
pub(crate) mod receiving;
pub(crate) mod sending;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use core_affinity::CoreId;
use serde::{Deserialize, Serialize};
use shm::PagePolicy;

pub use inbox::Inbox;
pub use receiving::{Receiver, Taken};
pub use sending::Sender;

use crate::FrameSize;
use crate::peer::{self, SocketReceiver, SocketSender};
use crate::ring::{GatewayRing, PodRing, RingReceiver};

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

/// To a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Meet the others; a sender: wait for acknowledgements by these flows.
    Connect {
        /// Empty for a receiver.
        acknowledgements: Vec<String>,
    },
    /// Let others connect, until the next command.
    Host,
    /// So many messages, each `gap_ns` after the one before was acknowledged.
    Round {
        /// Messages.
        messages: u32,
        /// Pause between them, ns.
        gap_ns: u64,
    },
    /// So many frames, line by line.
    Frames {
        /// Frames.
        frames: u32,
        /// From line to line, ns.
        line_ns: u64,
        /// Whether each line is published at once, or the frame as a whole.
        publish: Publish,
    },
    /// Hold so many grains from now on.
    Hold {
        /// Grains.
        grains: u16,
    },
}

/// When lines are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Publish {
    /// Each as soon as it is written.
    Lines,
    /// All with the last one.
    Frame,
}

/// From a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Up, or done.
    Done,
    /// A receiver waits for the first message of a round.
    Armed,
    /// What a sender did, message by message, ns.
    Sent {
        /// How long it took to open or loan it and to write its number.
        opening: Vec<u64>,
        /// As written into the message, before it was published.
        stamps: Vec<u64>,
        /// The sums of the frames, where the whole of them was written.
        sums: Vec<u64>,
    },
    /// What a receiver saw, message by message.
    Received {
        /// When it had read and validated it, ns.
        seen: Vec<u64>,
        /// What the messages carried; empty where they carry nothing.
        stamps: Vec<u64>,
        /// The sums of the frames, where the whole of them was read.
        sums: Vec<u64>,
    },
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

/// Plays a role to the end of stdin.
///
/// # Errors
/// What went wrong, for the log.
pub fn play(role: &Role) -> Result<()> {
    let inbox = Inbox::open();
    match role.kind {
        Kind::GatewayRing => sending::run(GatewayRing::create(role)?, &inbox, role),
        Kind::PodRing => sending::run(PodRing::create(role)?, &inbox, role),
        Kind::GatewayReader | Kind::PodReader | Kind::GatewaySleeper | Kind::PodSleeper => {
            receiving::run(RingReceiver::new(role), &inbox, role)
        }
        Kind::LineSender => line_sender::run(GatewayRing::create(role)?, &inbox, role),
        Kind::LineReceiver => line_receiver::run(&inbox, role),
        Kind::Holder => line_receiver::hold(&inbox, role),
        Kind::SocketSender => sending::run(SocketSender::new(role), &inbox, role),
        Kind::SocketReceiver => receiving::run(SocketReceiver::bind(role)?, &inbox, role),
        _ => peer::play_rival(role, &inbox),
    }
    .with_context(|| format!("{:?} of {}", role.kind, role.meeting))
}
