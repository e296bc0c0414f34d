//! Why workers cannot be started, or do not answer.

use std::io;
use std::time::Duration;

use control::DataplaneError;

/// How long a worker may take to answer. A switch waits for a grain to end.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// Why a start hook did not let a worker start.
pub type EnterError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The worker takes too long.
    #[error("{} did not answer within {} s; if this lasts, restart flypackd", .0, ANSWER.as_secs())]
    Silent(String),
    /// The worker's thread is gone.
    #[error("{0} has ended: restart flypackd, and report what its log says")]
    Ended(String),
}

/// Why no worker could be started.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A core that this process may not use.
    #[error("{key} names core {core}, which this process may not use; it may use {usable:?}")]
    Core {
        /// The key of the configuration.
        key: &'static str,
        /// The core asked for.
        core: usize,
        /// Those that would work.
        usable: Vec<usize>,
    },
    /// Two workers on one core would take turns.
    #[error("{key} names core {core} twice: one worker a core; name each once")]
    CoreTwice {
        /// The key of the configuration.
        key: &'static str,
        /// The core.
        core: usize,
    },
    /// The system gave no thread.
    #[error("a worker's thread cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// The start hook refused.
    #[error("{worker} cannot start: {cause}")]
    Enter {
        /// The worker.
        worker: String,
        /// What the hook said.
        #[source]
        cause: EnterError,
    },
    /// The start hook panicked.
    #[error("{worker} panicked while it started; please report the message above")]
    Panicked {
        /// The worker.
        worker: String,
    },
}

pub(super) fn no_answer(error: NoAnswer) -> DataplaneError {
    DataplaneError::System { what: "asking a worker".to_owned(), cause: io::Error::other(error) }
}

pub(crate) fn unexpected(what: &str) -> DataplaneError {
    DataplaneError::System { what: what.to_owned(), cause: io::Error::other("the worker answered otherwise") }
}
