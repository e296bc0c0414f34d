//! Exit codes.

use std::process::ExitCode;

/// How a command ended. The numbers are an interface: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; also `recv` and `send` that were stopped by a signal.
    Success = 0,
    /// Refused or failed; `doctor` found something that keeps the gateway from working.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No gateway answers.
    Unreachable = 3,
    /// The flow ended before the frames that were asked for.
    FlowEnded = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
