//! Ancillary data (ST 2110-40, RFC 8331).
//!
//! A grain of ancillary data in a ring is all the ANC data packets of one picture, one after the other
//! as RFC 8331 §2.2 has them on the wire: from the C bit on, each padded to whole 32-bit words, without
//! the RTP header and the 8-octet payload header. Each packet tells its own length, so that a grain may
//! end anywhere between packets: it is as long as it is, from nothing up to `max_octets`.

use std::fmt;

use crate::Rate;

/// Ancillary data beside pictures of one rate. The size is checked at construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AncillaryFormat {
    rate: Rate,
    max_octets: u32,
}

/// Why ancillary data cannot be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AncillaryFormatError {
    /// Less than one packet, more than the machinery allows, or no whole words.
    #[error(
        "grains of up to {0} octets cannot be carried: use a multiple of 4 from 12 (one empty packet, RFC 8331 \
         section 2.2) to 1048576"
    )]
    Octets(u32),
}

impl AncillaryFormat {
    /// Least room of a grain: one ANC data packet without user data words (RFC 8331 §2.2).
    pub const MIN_OCTETS: u32 = 12;
    /// Most room of a grain: 1 MiB, about the whole blanking of an HD picture.
    pub const MAX_OCTETS: u32 = 1 << 20;
    /// ANC data packets begin on 32-bit boundaries (RFC 8331 §2.2).
    const WORD_OCTETS: u32 = 4;

    /// Ancillary data of pictures at `rate`, up to `max_octets` for each.
    ///
    /// # Errors
    /// [`AncillaryFormatError::Octets`] when `max_octets` is no multiple of 4, below
    /// [`Self::MIN_OCTETS`] or above [`Self::MAX_OCTETS`].
    pub fn new(rate: Rate, max_octets: u32) -> Result<Self, AncillaryFormatError> {
        let legal = (Self::MIN_OCTETS..=Self::MAX_OCTETS).contains(&max_octets);
        if legal && max_octets.is_multiple_of(Self::WORD_OCTETS) {
            Ok(Self { rate, max_octets })
        } else {
            Err(AncillaryFormatError::Octets(max_octets))
        }
    }

    /// Pictures, and so grains, a second.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The longest grain, in octets: a multiple of 4.
    #[must_use]
    pub const fn max_octets(&self) -> u32 {
        self.max_octets
    }
}

impl fmt::Display for AncillaryFormat {
    /// `ancillary 60000/1001, up to 4096 octets`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ancillary {}, up to {} octets", self.rate, self.max_octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ntsc() -> Rate {
        Rate::new(60_000, 1001).unwrap()
    }

    #[test]
    fn a_format_says_its_rate_and_its_room() {
        let format = AncillaryFormat::new(ntsc(), 4096).unwrap();
        assert_eq!((format.rate(), format.max_octets()), (ntsc(), 4096));
        assert_eq!(format.to_string(), "ancillary 60000/1001, up to 4096 octets");
    }

    #[test]
    fn the_bounds_are_those_that_the_error_names() {
        for octets in [AncillaryFormat::MIN_OCTETS, AncillaryFormat::MAX_OCTETS] {
            assert!(AncillaryFormat::new(ntsc(), octets).is_ok(), "{octets}");
            let text = AncillaryFormatError::Octets(3).to_string();
            assert!(text.contains(&octets.to_string()), "{text}");
        }
        for octets in [0, 4, 8, 13, 4095, AncillaryFormat::MAX_OCTETS + 4, u32::MAX] {
            assert_eq!(AncillaryFormat::new(ntsc(), octets), Err(AncillaryFormatError::Octets(octets)));
        }
    }
}
