//! `workers.store`: how received samples are stored into rings.

use std::time::Duration;

use serde::Deserialize;
use shm::{Store, StoreChoice};

/// Memory that ways of storing are measured on: more than most caches hold.
const MEASURED_OCTETS: usize = 64 << 20;
/// How long, for each length of packets.
const MEASURING: Duration = Duration::from_millis(4);

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
            // Written once, so that its pages are there.
            Self::Measured => StoreChoice::measure(&mut vec![1; MEASURED_OCTETS], MEASURING),
        }
    }
}
