//! How a job of the recorder came to its end.

use std::io;

use control::ArchiveState;
use rustix::io::Errno;

/// Why a job has ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) state: ArchiveState,
    pub(super) trouble: Option<String>,
}

impl Ending {
    pub(super) fn of(state: ArchiveState) -> Self {
        Self { state, trouble: None }
    }

    /// The disk did not take what was written.
    pub(super) fn refused_by_disk(cause: &io::Error) -> Self {
        match Errno::from_io_error(cause) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
                Self::because(ArchiveState::DiskFull, "the disk is full: make room, and write to another file")
            }
            _ => Self::because(ArchiveState::Failed, format!("the disk refused what was written: {cause}")),
        }
    }

    pub(super) fn because(state: ArchiveState, trouble: impl Into<String>) -> Self {
        Self { state, trouble: Some(trouble.into()) }
    }
}
