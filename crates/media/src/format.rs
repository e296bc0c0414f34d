//! Picture formats and pgroups (RFC 4175 §4.3, ST 2110-20 §6.2).
//!
//! A grain of video in a ring is the wire's own: pgroups, rows unpadded, stride = row octets. RFC 4175
//! §4 lets a row end inside a pgroup: the row then carries one whole pgroup more, its spare samples fill.

use crate::{Rate, RateError};

/// Colour sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// Y′CbCr 4:2:2, sample order Cb Y0 Cr Y1.
    YCbCr422,
}

/// Bits per sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8 bits.
    Bits8,
    /// 10 bits.
    Bits10,
}

impl Depth {
    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Bits8 => 8,
            Self::Bits10 => 10,
        }
    }
}

/// The smallest group of pixels that fills whole octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pgroup {
    /// Octets of one pgroup.
    pub octets: u16,
    /// Pixels (full-bandwidth samples) it covers.
    pub pixels: u16,
}

/// A progressive picture format. Width and height are checked at construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VideoFormat {
    width: u16,
    height: u16,
    sampling: Sampling,
    depth: Depth,
    rate: Rate,
}

/// Why a picture cannot be carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A side is 0 or more than RFC 4175 can number.
    #[error("{width}x{height} cannot be carried: each side must be 1 to 32767 (ST 2110-20 section 7.2)")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in rows.
        height: u32,
    },
    /// The rate is none.
    #[error(transparent)]
    Rate(#[from] RateError),
}

impl VideoFormat {
    /// Largest width or height (15-bit row numbers and offsets).
    pub const MAX_SIDE: u32 = 32_767;

    /// A progressive format of `width` × `height` pixels.
    ///
    /// # Errors
    /// [`FormatError::Size`] when a side is 0 or above [`Self::MAX_SIDE`].
    pub fn new(width: u32, height: u32, sampling: Sampling, depth: Depth, rate: Rate) -> Result<Self, FormatError> {
        let legal = 1..=Self::MAX_SIDE;
        if !legal.contains(&width) || !legal.contains(&height) {
            return Err(FormatError::Size { width, height });
        }
        Ok(Self { width: width as u16, height: height as u16, sampling, depth, rate })
    }

    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Height in rows.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.height
    }

    /// Colour sampling.
    #[must_use]
    pub const fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Bits per sample.
    #[must_use]
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// Frames per second.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The pgroup (RFC 4175 §4.3, table 1).
    #[must_use]
    pub const fn pgroup(&self) -> Pgroup {
        match (self.sampling, self.depth) {
            (Sampling::YCbCr422, Depth::Bits8) => Pgroup { octets: 4, pixels: 2 },
            (Sampling::YCbCr422, Depth::Bits10) => Pgroup { octets: 5, pixels: 2 },
        }
    }

    /// Pgroups that one row takes, the last perhaps with fill (RFC 4175 §4).
    #[must_use]
    pub const fn row_pgroups(&self) -> u16 {
        self.width.div_ceil(self.pgroup().pixels)
    }

    /// Octets of one row: at most 81,920.
    #[must_use]
    pub const fn row_octets(&self) -> u32 {
        self.row_pgroups() as u32 * self.pgroup().octets as u32
    }

    /// Octets of one frame: below 2³².
    #[must_use]
    pub const fn frame_octets(&self) -> u32 {
        self.row_octets() * self.height as u32
    }
}

impl std::fmt::Display for VideoFormat {
    /// `1920x1080p60000/1001 4:2:2 10 bit`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { width, height, rate, .. } = self;
        write!(f, "{width}x{height}p{rate} 4:2:2 {} bit", self.depth.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(width: u32, height: u32, depth: Depth) -> Result<VideoFormat, FormatError> {
        VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(25, 1).unwrap())
    }

    #[test]
    fn hd_in_ten_bits_is_4800_octets_a_row() {
        let hd = format(1920, 1080, Depth::Bits10).unwrap();
        assert_eq!((hd.row_octets(), hd.frame_octets()), (4800, 5_184_000));
        assert_eq!(hd.to_string(), "1920x1080p25 4:2:2 10 bit");
    }

    #[test]
    fn an_odd_width_ends_in_a_filled_pgroup() {
        let odd = format(5, 3, Depth::Bits8).unwrap();
        assert_eq!((odd.row_pgroups(), odd.row_octets(), odd.frame_octets()), (3, 12, 36));
    }

    #[test]
    fn the_largest_picture_still_has_u32_offsets() {
        let huge = format(32_767, 32_767, Depth::Bits10).unwrap();
        assert_eq!(u64::from(huge.frame_octets()), 81_920 * 32_767);
        assert!(format(32_768, 1, Depth::Bits8).is_err());
        assert!(format(1, 0, Depth::Bits8).is_err());
    }
}
