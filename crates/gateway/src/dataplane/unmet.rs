//! Why a sender has not what it should have.

use control::DataplaneError;

use super::wish::Wish;
use crate::engine::ChangeError;

/// What a sender should have and could not be given.
#[derive(Debug)]
pub(super) struct Unmet {
    pub(super) wish: Wish,
    pub(super) error: ChangeError,
    /// Whether it is tried in vain however often.
    pub(super) is_lasting: bool,
}

impl Unmet {
    /// Its engine refused.
    pub(super) fn change(wish: Wish, error: ChangeError) -> Box<Self> {
        let is_lasting = matches!(error.cause, DataplaneError::Unsupported { .. });
        Box::new(Self { wish, error, is_lasting })
    }

    /// It cannot be: nothing was touched.
    pub(super) fn lasting(wish: Wish, cause: DataplaneError) -> Box<Self> {
        Box::new(Self { wish, error: cause.into(), is_lasting: true })
    }
}
