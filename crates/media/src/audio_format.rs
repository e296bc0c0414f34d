//! Blocks of PCM audio (ST 2110-30, AES67).
//!
//! A grain of audio in a ring is one block: `block_samples` samples of every channel, interleaved per
//! sample instant, without padding. L16 and L24 are two's complement and big-endian, as RFC 3551 §4.5.11
//! and RFC 3190 §4 have them on the wire; F32 has no wire form and is IEEE 754 binary32, little-endian.
//! What ST 2110-30 may send is narrower than what a ring may hold (no F32, 44.1, 48 and 96 kHz only).

use std::fmt;

use crate::Rate;

/// How one sample is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioDepth {
    /// 16-bit two's complement, big-endian (RFC 3551 §4.5.11).
    L16,
    /// 24-bit two's complement, big-endian (RFC 3190 §4).
    L24,
    /// IEEE 754 binary32, little-endian; full scale is ±1.0.
    F32,
}

impl AudioDepth {
    /// Bits of one sample.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.octets() * 8
    }

    /// Octets of one sample.
    #[must_use]
    pub const fn octets(self) -> u8 {
        match self {
            Self::L16 => 2,
            Self::L24 => 3,
            Self::F32 => 4,
        }
    }
}

impl fmt::Display for AudioDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::L16 => "L16",
            Self::L24 => "L24",
            Self::F32 => "F32",
        })
    }
}

/// Blocks of interleaved PCM audio. All values are checked at construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    channels: u16,
    block_samples: u16,
    depth: AudioDepth,
    sample_rate_hz: u32,
    /// `sample_rate_hz / block_samples`, reduced once.
    rate: Rate,
}

/// Why audio cannot be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudioFormatError {
    /// No channel, or more than ST 2110-30 level C has.
    #[error("{0} channels cannot be carried: use 1 to 64 (ST 2110-30 level C)")]
    Channels(u32),
    /// A sample rate that nothing here runs at.
    #[error("{0} Hz is no sample rate: use 32000, 44100, 48000, 88200, 96000, 176400 or 192000")]
    SampleRate(u32),
    /// An empty block, or one longer than the machinery allows.
    #[error("a block of {0} samples cannot be carried: use 1 to 4800 (48 samples are 1 ms at 48 kHz)")]
    BlockSamples(u32),
}

impl AudioFormat {
    /// Most channels of one flow (ST 2110-30 level C).
    pub const MAX_CHANNELS: u32 = 64;
    /// Most samples of one block: 100 ms at 48 kHz.
    pub const MAX_BLOCK_SAMPLES: u32 = 4800;
    /// The sample rates that are known, in Hz.
    pub const SAMPLE_RATES_HZ: [u32; 7] = [32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

    /// Blocks of `block_samples` samples of `channels` channels at `sample_rate_hz`.
    ///
    /// # Errors
    /// [`AudioFormatError`] names the first value that cannot be carried, and what would work.
    pub fn new(
        channels: u32,
        sample_rate_hz: u32,
        depth: AudioDepth,
        block_samples: u32,
    ) -> Result<Self, AudioFormatError> {
        let narrow = |value: u32, max: u32| u16::try_from(value).ok().filter(|_| (1..=max).contains(&value));
        let channels_u16 = narrow(channels, Self::MAX_CHANNELS).ok_or(AudioFormatError::Channels(channels))?;
        if !Self::SAMPLE_RATES_HZ.contains(&sample_rate_hz) {
            return Err(AudioFormatError::SampleRate(sample_rate_hz));
        }
        let block =
            narrow(block_samples, Self::MAX_BLOCK_SAMPLES).ok_or(AudioFormatError::BlockSamples(block_samples))?;
        // A divisor of 0 is the block's fault, and was refused above.
        let rate =
            Rate::new(sample_rate_hz, block_samples).map_err(|_| AudioFormatError::BlockSamples(block_samples))?;
        Ok(Self { channels: channels_u16, block_samples: block, depth, sample_rate_hz, rate })
    }

    /// Channels, interleaved in this number.
    #[must_use]
    pub const fn channels(&self) -> u16 {
        self.channels
    }

    /// Samples a second of one channel, in Hz; also the RTP clock (ST 2110-30 §6.2.1).
    #[must_use]
    pub const fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// How one sample is held.
    #[must_use]
    pub const fn depth(&self) -> AudioDepth {
        self.depth
    }

    /// Samples of each channel in one block.
    #[must_use]
    pub const fn block_samples(&self) -> u16 {
        self.block_samples
    }

    /// Blocks a second: sample rate / samples of a block, exactly.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Octets of one sample instant, all channels: at most 256.
    #[must_use]
    pub const fn instant_octets(&self) -> u32 {
        self.channels as u32 * self.depth.octets() as u32
    }

    /// Octets of one block: at most 1,228,800.
    #[must_use]
    pub const fn block_octets(&self) -> u32 {
        self.block_samples as u32 * self.instant_octets()
    }
}

impl fmt::Display for AudioFormat {
    /// `16 ch 48000 Hz L24, 48 samples a block`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, sample_rate_hz, depth, block_samples, .. } = self;
        write!(f, "{channels} ch {sample_rate_hz} Hz {depth}, {block_samples} samples a block")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_millisecond_of_sixteen_channels_is_2304_octets() {
        let audio = AudioFormat::new(16, 48_000, AudioDepth::L24, 48).unwrap();
        assert_eq!((audio.instant_octets(), audio.block_octets()), (48, 2304));
        assert_eq!(audio.rate(), Rate::new(1000, 1).unwrap());
        assert_eq!(audio.to_string(), "16 ch 48000 Hz L24, 48 samples a block");
    }

    #[test]
    fn eight_channels_of_l24_at_125_us_fill_the_payload_of_st_2110_30() {
        let audio = AudioFormat::new(8, 48_000, AudioDepth::L24, 6).unwrap();
        assert_eq!(audio.block_octets(), 144);
        assert_eq!(audio.rate().to_string(), "8000");
    }

    #[test]
    fn a_block_that_does_not_divide_the_second_keeps_an_exact_rate() {
        let audio = AudioFormat::new(2, 44_100, AudioDepth::L16, 48).unwrap();
        assert_eq!((audio.rate().num(), audio.rate().den()), (3675, 4));
    }

    #[test]
    fn the_largest_block_is_what_the_documentation_says() {
        let audio = AudioFormat::new(64, 192_000, AudioDepth::F32, 4800).unwrap();
        assert_eq!((audio.instant_octets(), audio.block_octets()), (256, 1_228_800));
        assert_eq!(audio.depth().bits(), 32);
    }

    #[test]
    fn each_value_out_of_range_is_named_with_what_works() {
        let new = |channels, hz, block| AudioFormat::new(channels, hz, AudioDepth::L24, block).unwrap_err();
        for channels in [0, 65, 65_537, u32::MAX] {
            assert_eq!(new(channels, 48_000, 48), AudioFormatError::Channels(channels));
        }
        for hz in [0, 48_001, u32::MAX] {
            assert_eq!(new(2, hz, 48), AudioFormatError::SampleRate(hz));
        }
        for block in [0, 4801, 65_537, u32::MAX] {
            assert_eq!(new(2, 48_000, block), AudioFormatError::BlockSamples(block));
        }
        let text = new(2, 22_050, 48).to_string();
        assert!(AudioFormat::SAMPLE_RATES_HZ.iter().all(|hz| text.contains(&hz.to_string())), "{text}");
    }
}
