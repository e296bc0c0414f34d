//! International Atomic Time as nanoseconds since the SMPTE epoch (ST 2059-1: 1970-01-01T00:00:00 TAI).

use std::fmt;

/// An instant: nanoseconds since the SMPTE epoch. Covers 1970 ± 292 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tai(i64);

impl Tai {
    /// The SMPTE epoch itself.
    pub const EPOCH: Self = Self(0);

    /// An instant from nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// This instant moved by `nanos`, held at the ends of the range.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Tai {
    /// Seconds and nanoseconds, `12.000000345`, the form PTP tools print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let nanos = self.0.rem_euclid(1_000_000_000);
        write!(f, "{seconds}.{nanos:09}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_signed_and_saturate() {
        let a = Tai::from_nanos(5);
        let b = Tai::from_nanos(12);
        assert_eq!(b.nanos_since(a), 7);
        assert_eq!(a.nanos_since(b), -7);
        assert_eq!(Tai::from_nanos(i64::MAX).plus_nanos(1).as_nanos(), i64::MAX);
    }

    #[test]
    fn instants_before_the_epoch_print_with_positive_nanoseconds() {
        assert_eq!(Tai::from_nanos(-1).to_string(), "-1.999999999");
        assert_eq!(Tai::from_nanos(12_000_000_345).to_string(), "12.000000345");
    }
}
