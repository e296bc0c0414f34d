//! What a worker did not take.

use std::fmt;

use control::DataplaneError;

use super::error::{NoAnswer, no_answer};

/// Something that a worker does not serve: where it came back, and why.
pub struct Refused<X> {
    /// `None`: the worker did not answer; what it may still take is dropped when its late answer is found.
    pub back: Option<Box<X>>,
    /// Why.
    pub cause: DataplaneError,
}

impl<X> Refused<X> {
    pub(super) fn new(back: Box<X>, cause: DataplaneError) -> Self {
        Self { back: Some(back), cause }
    }

    pub(super) fn lost(cause: DataplaneError) -> Self {
        Self { back: None, cause }
    }
}

impl<X> From<NoAnswer> for Refused<X> {
    fn from(error: NoAnswer) -> Self {
        Self::lost(no_answer(error))
    }
}

/// For those who have no use for what came back.
impl<X> From<Refused<X>> for DataplaneError {
    fn from(refused: Refused<X>) -> Self {
        refused.cause
    }
}

impl<X> fmt::Debug for Refused<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let came_back = self.back.is_some();
        f.debug_struct("Refused").field("came_back", &came_back).field("cause", &self.cause).finish()
    }
}
