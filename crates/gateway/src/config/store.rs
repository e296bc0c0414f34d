//! `workers.store`: how received samples are stored into rings.

use serde::Deserialize;
use shm::{Store, StoreChoice};

/// How received samples are stored into rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreConfig {
    /// As is faster here, which is measured at start.
    Measured,
    /// Through the caches.
    Cached,
    /// Past the caches.
    Streamed,
}

impl StoreConfig {
    /// What receivers are told. Measures for some tens of milliseconds, if it is to: before anything else runs.
    #[must_use]
    pub fn choice(self) -> StoreChoice {
        match self {
            Self::Cached => StoreChoice::always(Store::Cached),
            Self::Streamed => StoreChoice::always(Store::Streamed),
            Self::Measured => StoreChoice::measured(),
        }
    }
}
