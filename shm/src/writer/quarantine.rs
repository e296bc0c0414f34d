//! What evicted consumers still hold: windows of grains that stay until they acknowledge or are gone.

use crate::consumer::CONSUMERS_MAX;

const SEATS: usize = CONSUMERS_MAX as usize;

/// All windows together, as spans that rise and do not overlap: a grain is looked up in as many steps as the number of seats
/// has bits, whoever got himself evicted.
#[derive(Debug)]
pub(super) struct Quarantine {
    /// First index, and one past the last.
    spans: [(u64, u64); SEATS],
    len: usize,
}

impl Quarantine {
    pub(super) fn new() -> Self {
        Self { spans: [(0, 0); SEATS], len: 0 }
    }

    /// From now on these windows, one a seat at the most. To be called where one came or went.
    pub(super) fn set(&mut self, windows: impl Iterator<Item = (u64, u64)>) {
        let mut taken = 0;
        for (span, window) in self.spans.iter_mut().zip(windows.filter(|(lo, hi)| lo < hi)) {
            *span = window;
            taken += 1;
        }
        self.spans[..taken].sort_unstable();
        self.len = 0;
        for at in 0..taken {
            let (lo, hi) = self.spans[at];
            match self.spans[..self.len].last_mut() {
                Some(last) if lo <= last.1 => last.1 = last.1.max(hi),
                _ => {
                    self.spans[self.len] = (lo, hi);
                    self.len += 1;
                }
            }
        }
    }

    /// Whether a window has grain `index`.
    #[inline]
    pub(super) fn contains(&self, index: u64) -> bool {
        self.len > 0 && self.is_in_a_span(index)
    }

    #[cold]
    fn is_in_a_span(&self, index: u64) -> bool {
        let spans = &self.spans[..self.len];
        let after = spans.partition_point(|(lo, _)| *lo <= index);
        after.checked_sub(1).is_some_and(|at| index < spans[at].1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_grain_is_in_quarantine_if_a_window_has_it(
            windows in prop::collection::vec((0_u64..60, 0_u64..12), 0..=SEATS), fewer in 0_usize..64,
        ) {
            let mut quarantine = Quarantine::new();
            // The second time with what is left of them.
            for skipped in [0, fewer] {
                let windows = || windows.iter().skip(skipped).map(|(lo, grains)| (*lo, lo + grains));
                quarantine.set(windows());
                for index in 0..80 {
                    let expected = windows().any(|(lo, hi)| (lo..hi).contains(&index));
                    prop_assert_eq!(quarantine.contains(index), expected, "{}", index);
                }
                let spans = &quarantine.spans[..quarantine.len];
                prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", spans);
            }
        }
    }
}
