//! Versions of the protocol, and what a peer of an older one cannot be told.

use std::fmt;

/// A version that this build speaks.
///
/// Version 1 knows flows of pictures, one open grain a ring, consumers that lease or read lossily and begin at the live
/// end, and no wakes. Version 2 knows audio and ancillary data, several open grains, blocking consumers, where to
/// begin, wakes, evictions by the operator, successors and adoption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The first.
    V1,
    /// The second.
    V2,
}

impl Version {
    /// The oldest that this build speaks. What is said before a version is agreed upon is the same in all.
    pub const OLDEST: Self = Self::V1;
    /// The newest that this build speaks.
    pub const NEWEST: Self = Self::V2;

    /// As it travels.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The version of this number, if this build speaks it.
    #[must_use]
    pub const fn of_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// The version for a pod that speaks `min` to `max`, or none.
    #[must_use]
    pub fn common(min: u16, max: u16) -> Option<Self> {
        let number = max.min(Self::NEWEST.number());
        Self::of_number(number).filter(|_| number >= min.max(Self::OLDEST.number()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A peer of this connection's version cannot be told this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} needs broker protocol {}, and this connection speaks {speaks}: update the older side", Version::NEWEST)]
pub struct EncodeError {
    /// What there are no octets for.
    pub what: &'static str,
    /// The connection's version.
    pub speaks: Version,
}
