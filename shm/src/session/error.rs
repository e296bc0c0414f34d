//! Why a pod is refused, or cannot go on.

use std::io;
use std::path::PathBuf;

use media::{FlowFormat, GrainIndex};
use rustix::io::Errno;

use super::options::ClassError;
use crate::protocol::{BrokerMessage, DecodeError, EncodeError, Refusal};
use crate::{AttachError, MapError, RingError, SealError};

/// Why a session, a producer or a consumer failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nobody listens at the path, or it may not be used.
    #[error("cannot connect to the gateway at {}: {source}{}", path.display(), Advice(*source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
    /// The gateway says no, and what would work.
    #[error("the gateway refused: {0}")]
    Refused(#[from] Refusal),
    /// Nobody can subscribe like that; the gateway was not asked.
    #[error(transparent)]
    Class(#[from] ClassError),
    /// The gateway closed the connection.
    #[error("the gateway closed the connection: ask again when it is back, the session connects anew")]
    Closed,
    /// The gateway does not answer.
    #[error("the gateway did not answer within {waited_ms} ms: see that flypackd runs, then connect again")]
    Silent {
        /// How long was waited.
        waited_ms: u64,
    },
    /// The connection failed.
    #[error("the connection to the gateway failed: {0}")]
    Connection(Errno),
    /// The rings of the gateway have another layout.
    #[error("the gateway's rings have layout {theirs}, this program's {ours}: build it against the gateway's release")]
    RingAbi {
        /// The gateway's.
        theirs: u64,
        /// This SDK's.
        ours: u64,
    },
    /// The gateway sent what is no message.
    #[error("the gateway sent what is no message: {0}")]
    Decode(#[from] DecodeError),
    /// The gateway is too old for what was asked.
    #[error("this gateway cannot be asked that: {0}")]
    Encode(#[from] EncodeError),
    /// A message came with the wrong number of descriptors.
    #[error("a message came with {got} descriptors instead of {expected}")]
    Descriptors {
        /// How many belong to it.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// The gateway sent a message that answers nothing, or pages that do not rise.
    #[error("the gateway's answers are in disorder: both must speak the same protocol")]
    Disorder,
    /// The flow has another format than the one that was expected.
    #[error("the flow is {found}, not {expected}: expect that, or none")]
    Format {
        /// What [`crate::SubscribeOptions::expect`] says.
        expected: FlowFormat,
        /// What the flow has.
        found: FlowFormat,
    },
    /// A ring that was received is not sealed as one must be.
    #[error("the ring is not safe to map: {0}")]
    Unsealed(#[from] SealError),
    /// The ring cannot be mapped.
    #[error("the ring cannot be mapped: {0}")]
    Map(#[from] MapError),
    /// The ring is not what its geometry says.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The ring cannot be written.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The format of a flow changes between two grains.
    #[error("grain {index} is open: commit or cancel it, then change the format")]
    GrainOpen {
        /// The grain.
        index: GrainIndex,
    },
    /// The housekeeping thread does not start.
    #[error("cannot start the housekeeping thread: {0}")]
    Thread(#[from] io::Error),
}

impl SessionError {
    /// Whether the connection is no more, so that another may do.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self, Self::Closed | Self::Connection(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN))
    }

    /// An answer that does not belong to the question.
    pub(super) fn unexpected(answer: &BrokerMessage) -> Self {
        match answer {
            BrokerMessage::Refused(refusal) => Self::Refused(*refusal),
            _ => Self::Disorder,
        }
    }
}

/// What to do about a connection that does not come about.
struct Advice(Errno);

impl std::fmt::Display for Advice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Errno::NOENT | Errno::CONNREFUSED => "; start flypackd, or name the socket that it serves",
            Errno::ACCESS => "; the socket's mode and group must let this user in",
            _ => "",
        })
    }
}
