//! How late a grain may be before its rest is skipped.

use media::Rate;

/// How long a grain may be sent beyond its own frame period, before its rest is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// So many frame periods more.
    Frames(u8),
    /// So many milliseconds more.
    Ms(u32),
}

impl Lateness {
    /// Nanoseconds, at this rate.
    pub(super) fn nanos(self, rate: Rate) -> i64 {
        match self {
            Self::Frames(frames) => rate.period_nanos().saturating_mul(frames.into()),
            Self::Ms(ms) => i64::from(ms) * 1_000_000,
        }
    }
}
