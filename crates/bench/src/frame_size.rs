//! Frames by their octets: "64K", "8M", "32M".

use std::fmt;
use std::str::FromStr;

use media::{Depth, Rate, Sampling, VideoFormat};
use serde::{Deserialize, Serialize};

/// Octets of a frame: a power of two, so that lines divide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameSize(u32);

/// Why octets make no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSizeError(String);

impl std::error::Error for FrameSizeError {}

impl fmt::Display for FrameSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no size of a frame: give a power of two from 4K to 64M", self.0)
    }
}

impl FrameSize {
    /// The smallest: 4 KiB.
    pub const SMALLEST: Self = Self(4 << 10);
    /// 8 MiB: the frame whose lines are followed.
    pub const MIB_8: Self = Self(8 << 20);
    /// 32 MiB.
    pub const MIB_32: Self = Self(32 << 20);

    /// Octets.
    #[must_use]
    pub fn octets(self) -> usize {
        self.0 as usize
    }

    /// Octets of one line: about twice the square root, as in a picture of 16:9 with two octets a pixel.
    #[must_use]
    pub fn line_octets(self) -> usize {
        1 << (self.0.ilog2() / 2 + 1)
    }

    /// Lines.
    #[must_use]
    pub fn lines(self) -> u16 {
        (self.octets() / self.line_octets()) as u16
    }

    /// A picture of this size, 8 bits, 50 frames a second.
    ///
    /// # Panics
    /// Never: every size that exists is a picture.
    #[must_use]
    pub fn format(self) -> VideoFormat {
        let rate = Rate::new(50, 1).expect("50 is a rate");
        let width = self.line_octets() as u32 / 2;
        VideoFormat::new(width, u32::from(self.lines()), Sampling::YCbCr422, Depth::Bits8, rate)
            .expect("a power of two from 4K to 64M is a picture")
    }
}

impl FromStr for FrameSize {
    type Err = FrameSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = match text.strip_suffix(['K', 'k']) {
            Some(digits) => (digits, 1 << 10),
            None => match text.strip_suffix(['M', 'm']) {
                Some(digits) => (digits, 1 << 20),
                None => (text, 1),
            },
        };
        let octets = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
        let legal = |octets: &u32| octets.is_power_of_two() && (4 << 10..=64 << 20).contains(octets);
        octets.filter(legal).map(Self).ok_or_else(|| FrameSizeError(text.to_owned()))
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = self.0 >> 10;
        if kib < 1024 { write!(f, "{kib} KiB") } else { write!(f, "{} MiB", kib >> 10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_a_picture_of_just_these_octets() {
        for exponent in 12..=26 {
            let size: FrameSize = (1_u32 << exponent).to_string().parse().unwrap();
            assert_eq!(size.format().frame_octets() as usize, size.octets(), "{size}");
            assert_eq!(size.line_octets() * usize::from(size.lines()), size.octets(), "{size}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!("64K".parse::<FrameSize>().unwrap().to_string(), "64 KiB");
        assert_eq!("8m".parse(), Ok(FrameSize::MIB_8));
        assert_eq!("33554432".parse(), Ok(FrameSize::MIB_32));
        for text in ["", "K", "65000", "2K", "128M", "5000M", "-64K"] {
            assert!(text.parse::<FrameSize>().is_err(), "{text}");
        }
    }
}
