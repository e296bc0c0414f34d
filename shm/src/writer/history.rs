//! Which grains were opened last. Indices may leap (a source that pauses, or runs below its declared rate), so
//! windows of grains are counted here, not by subtracting indices.

use crate::geometry::Geometry;

/// As many as a window that is just too long.
const KEPT: usize = Geometry::LEASES_MAX as usize + 1;

/// The newest indices, in a circle.
#[derive(Debug)]
pub(super) struct History {
    indices: [u64; KEPT],
    opened: usize,
}

impl History {
    pub(super) fn new() -> Self {
        Self { indices: [0; KEPT], opened: 0 }
    }

    /// One past the newest index; 0 before the first.
    pub(super) fn end(&self) -> u64 {
        self.nth_newest(1).map_or(0, |index| index + 1)
    }

    /// The least of the `grains` newest indices; 0 if there are fewer.
    pub(super) fn newest(&self, grains: u16) -> u64 {
        self.nth_newest(usize::from(grains)).unwrap_or(0)
    }

    /// Indices rise.
    pub(super) fn push(&mut self, index: u64) {
        self.indices[self.opened % KEPT] = index;
        self.opened += 1;
    }

    /// Whether `grains` or fewer were opened at or above `index`; `grains` is at most `Geometry::LEASES_MAX`.
    pub(super) fn at_most(&self, grains: u16, index: u64) -> bool {
        self.nth_newest(usize::from(grains) + 1).is_none_or(|nth| nth < index)
    }

    /// The newest index for 1, the one before for 2, …
    fn nth_newest(&self, nth: usize) -> Option<u64> {
        debug_assert!((1..=KEPT).contains(&nth), "{nth} grains are not kept");
        self.opened.checked_sub(nth).map(|place| self.indices[place % KEPT])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_by_grains_not_by_indices() {
        let mut history = History::new();
        assert_eq!(history.end(), 0);
        assert!(history.at_most(0, 0));
        for index in (1..=200).map(|n| n * n) {
            history.push(index);
        }
        assert_eq!(history.end(), 40_001);
        for grains in 0..=64_u16 {
            let first = (200 - u64::from(grains)) * (200 - u64::from(grains));
            assert!(history.at_most(grains, first + 1), "{grains}");
            assert!(!history.at_most(grains, first), "{grains}");
        }
    }
}
