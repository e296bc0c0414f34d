//! The way to store pieces of each length, as measured on this machine.

use std::fmt;
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::pages::PLAIN_PAGE_OCTETS;
use crate::store::Store;

/// Octets of samples in packets that are met: parts of short lines, the plans of ST 2110-20 senders, and jumbo frames.
const MEASURED_OCTETS: [usize; 5] = [320, 640, 1_200, 1_440, 8_800];

/// Memory that ways of storing are measured on: more than most caches hold, as rings have it.
const MEASURED_ON_OCTETS: usize = 64 << 20;
/// Memory that the octets come from: the buffers of a queue, which lie in the outer caches.
const MEASURED_FROM_OCTETS: usize = 10 << 20;
/// How long, for each length.
const MEASURING: Duration = Duration::from_millis(20);

/// A way to store pieces of each length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreChoice([Store; MEASURED_OCTETS.len()]);

impl StoreChoice {
    /// One way for all.
    #[must_use]
    pub const fn always(store: Store) -> Self {
        Self([store; MEASURED_OCTETS.len()])
    }

    /// What is faster here, for each of five lengths. Measures for a tenth of a second: before anything else runs. The memory is
    /// of 2 MiB pages where the kernel joins them on request, as rings and buffers have them: small ones are something else.
    #[must_use]
    pub fn measured() -> Self {
        let (from, mut to) = (touched(MEASURED_FROM_OCTETS), touched(MEASURED_ON_OCTETS));
        Self(MEASURED_OCTETS.map(|octets| Store::measure(octets, &from, &mut to, MEASURING)))
    }

    /// The way for pieces of `octets`: that of the nearest length.
    #[must_use]
    pub fn of(&self, octets: usize) -> Store {
        let measured = MEASURED_OCTETS.iter().zip(self.0);
        measured.min_by_key(|(measured, _)| measured.abs_diff(octets)).map_or(Store::Cached, |(_, store)| store)
    }
}

/// Memory whose pages are there, large ones where the kernel joins them on request.
fn touched(octets: usize) -> Vec<u8> {
    let mut memory = Vec::with_capacity(octets);
    let spare: &mut [MaybeUninit<u8>] = memory.spare_capacity_mut();
    let skipped = spare.as_ptr().align_offset(PLAIN_PAGE_OCTETS as usize).min(spare.len());
    let whole = (spare.len() - skipped) / PLAIN_PAGE_OCTETS as usize * PLAIN_PAGE_OCTETS as usize;
    // SAFETY: whole pages of memory that is the vector's; which pages back them changes nothing that a program can see.
    let advised = unsafe {
        rustix::mm::madvise(spare.as_mut_ptr().add(skipped).cast(), whole, rustix::mm::Advice::LinuxHugepage)
    };
    // A kernel without such pages measures on small ones.
    let _ = advised;
    memory.resize(octets, 1);
    memory
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
