//! Frames that a host takes no further, and why.

use super::counters::Ignored;
use crate::frame::Reason;

/// Why a frame was not acted upon.
#[derive(Clone, Copy)]
pub(super) enum Refused {
    Bad(Reason),
    Ignored(Ignored),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::Bad(reason)
    }
}

impl From<Ignored> for Refused {
    fn from(reason: Ignored) -> Self {
        Self::Ignored(reason)
    }
}
