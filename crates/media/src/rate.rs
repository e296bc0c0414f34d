//! Grain rates as exact ratios (ST 2110-20 §7.2 `exactframerate`).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Grains per second, in lowest terms. Never pre-divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    num: NonZeroU32,
    den: NonZeroU32,
}

/// Why a text or a pair of numbers is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Zero, or divided by zero.
    #[error("a rate must be greater than 0 with a divisor greater than 0, not {num}/{den}")]
    Zero {
        /// The numerator that was given.
        num: u32,
        /// The denominator that was given.
        den: u32,
    },
    /// Not `N`, `N/D` or a decimal number.
    #[error("\"{0}\" is no rate: write an integer (25), a ratio (60000/1001) or a decimal (59.94)")]
    Syntax(String),
}

impl Rate {
    /// `num/den` grains per second, reduced to lowest terms.
    ///
    /// # Errors
    /// [`RateError::Zero`] if either is 0.
    pub fn new(num: u32, den: u32) -> Result<Self, RateError> {
        let divisor = gcd(num, den).max(1);
        match (NonZeroU32::new(num / divisor), NonZeroU32::new(den / divisor)) {
            (Some(n), Some(d)) => Ok(Self { num: n, den: d }),
            _ => Err(RateError::Zero { num, den }),
        }
    }

    /// The numerator, in lowest terms.
    #[must_use]
    pub const fn num(self) -> u32 {
        self.num.get()
    }

    /// The denominator, in lowest terms.
    #[must_use]
    pub const fn den(self) -> u32 {
        self.den.get()
    }

    /// The period of one grain in nanoseconds, rounded down. For time-outs and bounds only: instants
    /// of grains come from [`crate::grain_start`].
    #[must_use]
    pub fn period_nanos(self) -> i64 {
        let nanos = u64::from(self.den.get()) * 1_000_000_000 / u64::from(self.num.get());
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// The rate nearest to a decimal number such as `a=framerate` carries (RFC 8866 §6.13): the
    /// 1000/1001 family where it rounds to it, otherwise thousandths.
    ///
    /// # Errors
    /// [`RateError::Syntax`] for what is not a positive decimal number below 4 million.
    pub fn from_decimal(text: &str) -> Result<Self, RateError> {
        let syntax = || RateError::Syntax(text.to_owned());
        let value: f64 = text.parse().map_err(|_| syntax())?;
        if !(value.is_finite() && value > 0.0 && value < 4_000_000.0) {
            return Err(syntax());
        }
        let nearest = value.round();
        if (value - nearest).abs() < 1e-9 {
            return Self::new(nearest as u32, 1);
        }
        let ntsc = value.ceil();
        if (value - ntsc * 1000.0 / 1001.0).abs() < 0.005 {
            return Self::new(ntsc as u32 * 1000, 1001);
        }
        Self::new((value * 1000.0).round() as u32, 1000)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.den.get() {
            1 => write!(f, "{}", self.num),
            den => write!(f, "{}/{den}", self.num),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let syntax = || RateError::Syntax(text.to_owned());
        if let Some((num, den)) = text.split_once('/') {
            let num = num.parse().map_err(|_| syntax())?;
            let den = den.parse().map_err(|_| syntax())?;
            return Self::new(num, den);
        }
        match text.parse::<u32>() {
            Ok(num) => Self::new(num, 1),
            Err(_) => Self::from_decimal(text),
        }
    }
}

const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_held_in_lowest_terms() {
        let rate = Rate::new(120_000, 2002).unwrap();
        assert_eq!((rate.num(), rate.den()), (60_000, 1001));
        assert_eq!(Rate::new(50, 2).unwrap().to_string(), "25");
        assert_eq!(rate.to_string(), "60000/1001");
    }

    #[test]
    fn zero_is_no_rate() {
        assert!(Rate::new(0, 1).is_err());
        assert!(Rate::new(1, 0).is_err());
        assert!(Rate::new(0, 0).is_err());
        assert!("0/0".parse::<Rate>().is_err());
    }

    #[test]
    fn decimals_find_the_ntsc_family() {
        for (text, num, den) in [
            ("59.94", 60_000, 1001),
            ("29.97", 30_000, 1001),
            ("23.976", 24_000, 1001),
            ("59.94005994005994", 60_000, 1001),
            ("25.000", 25, 1),
            ("12.5", 25, 2),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.num(), rate.den()), (num, den), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_works() {
        for text in ["", "-25", "nan", "inf", "25/", "/1", "1e300", "fast"] {
            let error = text.parse::<Rate>().unwrap_err();
            assert!(error.to_string().contains("rate"), "{text}: {error}");
        }
    }
}
