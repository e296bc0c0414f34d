//! How late a sender may be.

use crate::SpecError;

/// The most frame periods, and the most milliseconds.
const FRAMES_MAX: u8 = 10;
const MS_MAX: u16 = 1_000;

/// How long a grain may be sent beyond its own frame period, before its rest is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// So many frame periods more, 1 to 10.
    Frames(u8),
    /// So many milliseconds more, 1 to 1,000.
    Ms(u16),
}

impl Default for Lateness {
    fn default() -> Self {
        Self::Frames(1)
    }
}

impl Lateness {
    /// What two numbers say, of which 0 is none: the milliseconds, else the frame periods, else the default.
    ///
    /// # Errors
    /// [`SpecError`], for what is outside of its range.
    pub fn of(frames: u32, ms: u32) -> Result<Self, SpecError> {
        let lateness = match (frames, ms) {
            (0, 0) => Self::default(),
            (frames, 0) => Self::Frames(u8::try_from(frames).map_err(|_| SpecError::LatenessFrames(frames))?),
            (_, ms) => Self::Ms(u16::try_from(ms).map_err(|_| SpecError::LatenessMs(ms))?),
        };
        lateness.check().map(|()| lateness)
    }

    /// Whether it is within its range.
    ///
    /// # Errors
    /// [`SpecError`], with the range.
    pub fn check(self) -> Result<(), SpecError> {
        match self {
            Self::Frames(frames) if !(1..=FRAMES_MAX).contains(&frames) => {
                Err(SpecError::LatenessFrames(frames.into()))
            }
            Self::Ms(ms) if !(1..=MS_MAX).contains(&ms) => Err(SpecError::LatenessMs(ms.into())),
            _ => Ok(()),
        }
    }

    /// Frame periods; 0 where milliseconds are said.
    #[must_use]
    pub const fn frames(self) -> u8 {
        match self {
            Self::Frames(frames) => frames,
            Self::Ms(_) => 0,
        }
    }

    /// Milliseconds; 0 where frame periods are said.
    #[must_use]
    pub const fn ms(self) -> u16 {
        match self {
            Self::Frames(_) => 0,
            Self::Ms(ms) => ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_come_before_frame_periods_and_both_have_bounds() {
        for (frames, ms, expected) in [
            (0, 0, Ok(Lateness::Frames(1))),
            (10, 0, Ok(Lateness::Frames(10))),
            (0, 100, Ok(Lateness::Ms(100))),
            (1, 1_000, Ok(Lateness::Ms(1_000))),
            (11, 0, Err(SpecError::LatenessFrames(11))),
            (256, 0, Err(SpecError::LatenessFrames(256))),
            (1, 1_001, Err(SpecError::LatenessMs(1_001))),
            (1, 65_536, Err(SpecError::LatenessMs(65_536))),
        ] {
            assert_eq!(Lateness::of(frames, ms), expected, "{frames} {ms}");
        }
        assert_eq!((Lateness::Frames(3).frames(), Lateness::Frames(3).ms()), (3, 0));
        assert_eq!((Lateness::Ms(70).frames(), Lateness::Ms(70).ms()), (0, 70));
    }
}
