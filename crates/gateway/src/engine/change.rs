//! Why an engine did not change what serves a stream, and how the stream stands.

use control::DataplaneError;

/// How a stream stands after a change that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It goes on as if nobody had asked.
    AsBefore,
    /// What served it is apart: a sender has no source, and is to be told anew what it forwards, if anything.
    Apart,
}

/// A change that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct ChangeError {
    /// Why.
    pub cause: DataplaneError,
    /// How the stream stands.
    pub stands: Stands,
}

impl ChangeError {
    pub(super) fn as_before(cause: impl Into<DataplaneError>) -> Self {
        Self { cause: cause.into(), stands: Stands::AsBefore }
    }

    pub(super) fn apart(cause: impl Into<DataplaneError>) -> Self {
        Self { cause: cause.into(), stands: Stands::Apart }
    }
}

/// Refused before anything was touched.
impl From<DataplaneError> for ChangeError {
    fn from(cause: DataplaneError) -> Self {
        Self::as_before(cause)
    }
}
