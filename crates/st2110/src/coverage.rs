//! Which pgroups of a grain have come: exact, so that a duplicate or an overlap never makes a grain look complete (a sum of
//! octets would).
//!
//! What comes of a row from left to right, as nearly all does, is a number: all before it has come. A row of which something
//! comes ahead of a gap is told by one bit a pgroup from then on.

use media::VideoFormat;

use crate::srd::Segment;

/// What has come of a row.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// So many pgroups.
    covered: u16,
    /// They are not the leftmost ones: the bits tell which.
    is_scattered: bool,
}

/// The coverage of one open grain. Memory is taken once, one bit a pgroup.
#[derive(Clone, Debug)]
pub struct Coverage {
    rows: Vec<Row>,
    /// `row_words` words per row, least significant bit first; of rows that are scattered only.
    bits: Vec<u64>,
    row_words: usize,
    row_pgroups: u16,
    complete_rows: u16,
    /// Rows before this are complete.
    prefix: u16,
}

impl Coverage {
    /// Nothing covered of a grain of `format`.
    #[must_use]
    pub fn new(format: &VideoFormat) -> Self {
        let row_words = usize::from(format.row_pgroups()).div_ceil(64);
        let rows = usize::from(format.height());
        Self {
            rows: vec![Row::default(); rows],
            bits: vec![0; row_words * rows],
            row_words,
            row_pgroups: format.row_pgroups(),
            complete_rows: 0,
            prefix: 0,
        }
    }

    /// Forgets everything, for the next grain. Allocates nothing.
    pub fn reset(&mut self) {
        self.rows.fill(Row::default());
        self.complete_rows = 0;
        self.prefix = 0;
    }

    /// Covers a segment; how many of its pgroups are new: 0 for a duplicate. A segment that is not inside
    /// the format covers nothing.
    #[inline]
    pub fn mark(&mut self, segment: &Segment) -> u32 {
        // Each at most 65,535, so their sum does not overflow.
        let (first, end) =
            (u32::from(segment.first_pgroup), u32::from(segment.first_pgroup) + u32::from(segment.pgroups));
        let Some(row) = self.rows.get_mut(usize::from(segment.row)) else { return 0 };
        if end > u32::from(self.row_pgroups) {
            return 0;
        }
        let covered = u32::from(row.covered);
        let new = if row.is_scattered || first > covered {
            self.scatter(segment.row, first as usize, end as usize)
        } else {
            end.saturating_sub(covered)
        };
        self.cover(segment.row, new as u16);
        new
    }

    /// Counts `new` pgroups of a row.
    #[inline]
    fn cover(&mut self, row: u16, new: u16) {
        let Some(row) = self.rows.get_mut(usize::from(row)) else { return };
        row.covered += new;
        if new > 0 && row.covered == self.row_pgroups {
            self.complete_rows += 1;
            self.advance_prefix();
        }
    }

    /// Sets the bits of a row's pgroups; how many were clear.
    #[cold]
    fn scatter(&mut self, row: u16, first: usize, end: usize) -> u32 {
        let row = usize::from(row);
        let words = &mut self.bits[row * self.row_words..(row + 1) * self.row_words];
        let Row { covered, is_scattered } = &mut self.rows[row];
        if !*is_scattered {
            words.fill(0);
            set(words, 0, usize::from(*covered));
            *is_scattered = true;
        }
        set(words, first, end)
    }

    /// Whether every pgroup of `row` has come; false for a row outside the picture.
    #[must_use]
    #[inline]
    pub fn row_complete(&self, row: u16) -> bool {
        self.rows.get(usize::from(row)).is_some_and(|row| row.covered == self.row_pgroups)
    }

    /// Rows complete from the top without a gap.
    #[must_use]
    pub const fn complete_prefix(&self) -> u16 {
        self.prefix
    }

    /// Whether every pgroup has come.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete_rows as usize == self.rows.len()
    }

    /// The rows, from the top, of which something is missing.
    pub fn missing_rows(&self) -> impl Iterator<Item = u16> + '_ {
        (0u16..)
            .zip(&self.rows)
            .skip(usize::from(self.prefix))
            .filter_map(|(at, row)| (row.covered != self.row_pgroups).then_some(at))
    }

    /// Pgroups that have come, of the whole grain.
    #[must_use]
    pub fn pgroups(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.covered)).sum()
    }

    #[inline]
    fn advance_prefix(&mut self) {
        while self.row_complete(self.prefix) {
            self.prefix += 1;
        }
    }
}

/// Sets bits `first .. end`; how many were clear.
#[inline]
fn set(words: &mut [u64], first: usize, end: usize) -> u32 {
    let mut new = 0;
    let mut at = first;
    while at < end {
        let (word, bit) = (at / 64, at % 64);
        let count = (64 - bit).min(end - at);
        let mask = (u64::MAX >> (64 - count)) << bit;
        // Nearly always all of them are new; counting bits takes some ten instructions.
        let old = mask & words[word];
        new += if old == 0 { count as u32 } else { count as u32 - old.count_ones() };
        words[word] |= mask;
        at += count;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Depth, Rate, Sampling};
    use proptest::prelude::*;

    fn format(width: u32, height: u32) -> VideoFormat {
        VideoFormat::new(width, height, Sampling::YCbCr422, Depth::Bits8, Rate::new(25, 1).unwrap()).unwrap()
    }

    fn segment(row: u16, first_pgroup: u16, pgroups: u16) -> Segment {
        Segment { row, first_pgroup, pgroups, grain_start: 0, octets: 0, payload_start: 0 }
    }

    #[test]
    fn duplicates_and_overlaps_do_not_complete_a_row() {
        let mut coverage = Coverage::new(&format(400, 2));
        assert_eq!(coverage.mark(&segment(0, 0, 100)), 100);
        assert_eq!(coverage.mark(&segment(0, 0, 100)), 0);
        assert!(!coverage.row_complete(0));
        assert_eq!(coverage.mark(&segment(0, 50, 150)), 100);
        assert!(coverage.row_complete(0));
        assert_eq!((coverage.complete_prefix(), coverage.is_complete()), (1, false));
    }

    #[test]
    fn rows_complete_out_of_order_and_the_prefix_catches_up() {
        let mut coverage = Coverage::new(&format(2, 4));
        for row in [3, 1, 2] {
            coverage.mark(&segment(row, 0, 1));
            assert_eq!(coverage.complete_prefix(), 0);
        }
        assert_eq!(coverage.missing_rows().collect::<Vec<_>>(), [0]);
        coverage.mark(&segment(0, 0, 1));
        assert_eq!((coverage.complete_prefix(), coverage.is_complete()), (4, true));
        coverage.reset();
        assert_eq!((coverage.complete_prefix(), coverage.is_complete(), coverage.pgroups()), (0, false, 0));
        assert_eq!(coverage.missing_rows().count(), 4);
    }

    #[test]
    fn a_segment_of_another_format_covers_nothing() {
        let mut coverage = Coverage::new(&format(10, 2));
        for bad in [segment(2, 0, 1), segment(0, 5, 1), segment(0, 0, 6), segment(u16::MAX, u16::MAX, u16::MAX)] {
            assert_eq!(coverage.mark(&bad), 0);
        }
        assert_eq!(coverage.pgroups(), 0);
        assert!(!coverage.row_complete(2));
    }

    proptest! {
        #[test]
        fn counts_as_a_set_of_pgroups_does(
            width in 1u32..600,
            height in 1u32..6,
            marks in prop::collection::vec((0u16..7, 0u16..320, 1u16..320), 0..60),
        ) {
            let format = format(width, height);
            let mut coverage = Coverage::new(&format);
            let mut set = std::collections::BTreeSet::new();
            for (row, first, pgroups) in marks {
                let before = set.len();
                if row < format.height() && first + pgroups <= format.row_pgroups() {
                    set.extend((first..first + pgroups).map(|p| (row, p)));
                }
                prop_assert_eq!(coverage.mark(&segment(row, first, pgroups)) as usize, set.len() - before);
            }
            let complete = |row: u16| set.range((row, 0)..=(row, u16::MAX)).count() == usize::from(format.row_pgroups());
            let rows = 0..format.height();
            let missing: Vec<u16> = rows.clone().filter(|&row| !complete(row)).collect();
            prop_assert_eq!(coverage.missing_rows().collect::<Vec<_>>(), missing.clone());
            prop_assert_eq!(coverage.complete_prefix(), missing.first().copied().unwrap_or(format.height()));
            prop_assert_eq!(coverage.is_complete(), missing.is_empty());
            prop_assert_eq!(coverage.pgroups(), set.len() as u64);
        }
    }
}
