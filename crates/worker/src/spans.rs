//! Lengths of time, counted by powers of two: what it costs to write is a few stores.

use std::array;

use netio::Counter;

/// Places of a histogram. Place `i` counts what is at least 2^i nanoseconds and less than 2^(i+1); the first also
/// counts 0, the last everything from 2.1 s on.
pub const SPAN_PLACES: usize = 32;

/// Lengths of time with one writer, read by anyone.
#[derive(Debug)]
#[repr(align(128))]
pub struct Spans {
    sum_nanos: Counter,
    longest_nanos: Counter,
    counts: [Counter; SPAN_PLACES],
}

impl Default for Spans {
    fn default() -> Self {
        Self {
            sum_nanos: Counter::default(),
            longest_nanos: Counter::default(),
            counts: array::from_fn(|_| Counter::default()),
        }
    }
}

impl Spans {
    /// Counts one. Only the owning worker may call this.
    #[inline]
    pub fn note(&self, nanos: u64) {
        self.counts[place(nanos)].add(1);
        self.sum_nanos.add(nanos);
        if nanos > self.longest_nanos.value() {
            self.longest_nanos.set(nanos);
        }
    }

    /// Counts `count` alike. Only the owning worker may call this.
    #[inline]
    pub fn note_many(&self, nanos: u64, count: u64) {
        self.counts[place(nanos)].add(count);
        self.sum_nanos.add(nanos.saturating_mul(count));
        if nanos > self.longest_nanos.value() {
            self.longest_nanos.set(nanos);
        }
    }

    /// All of it now. Places are read one after the other while the writer goes on.
    #[must_use]
    pub fn counted(&self) -> SpanCounts {
        SpanCounts {
            sum_nanos: self.sum_nanos.value(),
            longest_nanos: self.longest_nanos.value(),
            counts: array::from_fn(|place| self.counts[place].value()),
        }
    }
}

#[inline]
fn place(nanos: u64) -> usize {
    ((nanos | 1).ilog2() as usize).min(SPAN_PLACES - 1)
}

/// What [`Spans`] had counted at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// Nanoseconds, all together.
    pub sum_nanos: u64,
    /// The longest so far, nanoseconds.
    pub longest_nanos: u64,
    /// By length, as [`SPAN_PLACES`] says.
    pub counts: [u64; SPAN_PLACES],
}

impl SpanCounts {
    /// What every length in `place` is less than, nanoseconds; of the last place that is no limit.
    #[must_use]
    pub fn limit_nanos(place: usize) -> u64 {
        2 << place.min(SPAN_PLACES - 1)
    }

    /// How many.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// So many of a million are shorter than this, nanoseconds; 0 where nothing was counted. Good to a factor of two,
    /// and never more than the longest.
    #[must_use]
    pub fn quantile_nanos(&self, per_million: u32) -> u64 {
        let wanted = (u128::from(self.total()) * u128::from(per_million)).div_ceil(1_000_000);
        let mut passed = 0_u128;
        for (place, count) in self.counts.iter().enumerate() {
            passed += u128::from(*count);
            if passed >= wanted && passed > 0 {
                return Self::limit_nanos(place).min(self.longest_nanos);
            }
        }
        0
    }

    /// How many since `earlier` were as long as `nanos`, or may have been: those of its own place count too.
    #[must_use]
    pub fn as_long_since(&self, earlier: &Self, nanos: u64) -> u64 {
        let both = self.counts.iter().zip(&earlier.counts).skip(place(nanos));
        both.fold(0, |sum, (now, before)| sum.wrapping_add(now.wrapping_sub(*before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_stands_between_its_powers_of_two() {
        for (nanos, expected) in
            [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10), (1 << 31, 31), (u64::MAX, 31)]
        {
            assert_eq!(place(nanos), expected, "{nanos}");
            assert!(expected == SPAN_PLACES - 1 || nanos < SpanCounts::limit_nanos(expected), "{nanos}");
        }
    }

    #[test]
    fn quantiles_are_limits_that_so_many_stay_below() {
        let spans = Spans::default();
        assert_eq!(spans.counted().quantile_nanos(500_000), 0);
        (0..999).for_each(|_| spans.note(100));
        spans.note(5_000);
        let counted = spans.counted();
        assert_eq!((counted.total(), counted.sum_nanos, counted.longest_nanos), (1000, 104_900, 5_000));
        assert_eq!(
            [500_000, 999_000, 999_001, 1_000_000].map(|part| counted.quantile_nanos(part)),
            [128, 128, 5_000, 5_000]
        );
    }

    #[test]
    fn what_was_long_lately_is_told_from_what_was_long_before() {
        let spans = Spans::default();
        spans.note(10_000_000);
        let before = spans.counted();
        assert_eq!(before.as_long_since(&SpanCounts::default(), 5_000_000), 1);
        spans.note(100);
        assert_eq!(spans.counted().as_long_since(&before, 5_000_000), 0);
        spans.note(9_000_000);
        assert_eq!(spans.counted().as_long_since(&before, 8_400_000), 1);
        assert_eq!(spans.counted().as_long_since(&before, 20_000_000), 0);
    }
}
