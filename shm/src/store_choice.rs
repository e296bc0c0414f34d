//! The way to store pieces of each length, as measured on this machine.

use std::fmt;
use std::time::Duration;

use crate::store::Store;

/// Octets of samples in packets that are met: parts of short lines, the plans of ST 2110-20 senders, and jumbo frames.
const MEASURED_OCTETS: [usize; 5] = [320, 640, 1_200, 1_440, 8_800];

/// Memory that ways of storing are measured on: more than most caches hold.
const MEASURED_ON_OCTETS: usize = 64 << 20;
/// How long, for each length.
const MEASURING: Duration = Duration::from_millis(4);

/// A way to store pieces of each length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreChoice([Store; MEASURED_OCTETS.len()]);

impl StoreChoice {
    /// One way for all.
    #[must_use]
    pub const fn always(store: Store) -> Self {
        Self([store; MEASURED_OCTETS.len()])
    }

    /// What is faster here, for each of five lengths. Measures for some tens of milliseconds: before anything else runs.
    #[must_use]
    pub fn measured() -> Self {
        // Written once, so that its pages are there.
        let mut memory = vec![1; MEASURED_ON_OCTETS];
        Self(MEASURED_OCTETS.map(|octets| Store::measure(octets, &mut memory, MEASURING)))
    }

    /// The way for pieces of `octets`: that of the nearest length.
    #[must_use]
    pub fn of(&self, octets: usize) -> Store {
        let measured = MEASURED_OCTETS.iter().zip(self.0);
        measured.min_by_key(|(measured, _)| measured.abs_diff(octets)).map_or(Store::Cached, |(_, store)| store)
    }
}

impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [store, rest @ ..] = &self.0
            && rest.iter().all(|other| other == store)
        {
            return write!(f, "{store}");
        }
        for (at, (octets, store)) in MEASURED_OCTETS.iter().zip(self.0).enumerate() {
            write!(f, "{}{octets} octets {store}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_stored_as_the_nearest_that_was_measured() {
        use Store::{Cached, Streamed};
        let choice = StoreChoice([Cached, Cached, Streamed, Cached, Streamed]);
        let stores = [1, 640, 919, 921, 1_260, 1_320, 1_430, 8_000, 60_000].map(|octets| choice.of(octets));
        assert_eq!(
            stores,
            [Cached, Cached, Cached, Streamed, Streamed, Streamed, Cached, Streamed, Streamed],
            "{choice}"
        );
        assert_eq!(
            choice.to_string(),
            "320 octets cached, 640 octets cached, 1200 octets streamed, 1440 octets cached, 8800 octets streamed"
        );
    }

    #[test]
    fn one_way_for_all_is_said_in_a_word() {
        assert_eq!(StoreChoice::default(), StoreChoice::always(Store::Cached));
        assert_eq!(StoreChoice::always(Store::Streamed).to_string(), "streamed");
        assert_eq!(StoreChoice::always(Store::Streamed).of(1_261), Store::Streamed);
    }
}
