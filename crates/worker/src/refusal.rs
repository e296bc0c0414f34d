//! Why a worker does not serve what it is given, in words for an operator.

use std::net::SocketAddr;

use netio::PathError;

/// Why a worker does not serve a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiverRefusal {
    /// A packet goes to one receiver.
    #[error("another receiver takes {destination} on this port: let both use the flow of that one")]
    Taken {
        /// Where the packets of both go.
        destination: SocketAddr,
    },
    /// The input is full.
    #[error("{room} destinations are received, and that is as many as this port can feed: use another port")]
    Full {
        /// Destinations that the input has room for.
        room: usize,
    },
    /// The worker is full.
    #[error("{room} receivers are there, and that is as many as one worker serves: use another core")]
    WorkerFull {
        /// Receivers that a worker has room for.
        room: usize,
    },
    /// It would hear nothing.
    #[error("the receiver has no leg: say where its packets come in")]
    NoLeg,
    /// No such input.
    #[error("the worker does not serve this port")]
    NoInput,
}

/// Why a worker does not serve a sender.
#[derive(Debug, thiserror::Error)]
pub enum SenderRefusal {
    /// The queue cannot send there.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The worker is full.
    #[error("{room} senders are there, and that is as many as one worker serves: use another core")]
    Full {
        /// Senders that a worker has room for.
        room: usize,
    },
    /// No such output.
    #[error("the worker does not serve this port")]
    NoOutput,
    /// The port is being restarted.
    #[error("the port is being restarted: try again when it is up")]
    Detached,
}
