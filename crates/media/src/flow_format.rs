//! The format of any flow: pictures, blocks of audio, or ancillary data.
//!
//! What a ring has to know of a format is the same for all: how often a grain comes, and how it divides
//! into slices of equal octets. A slice is what progress counts in: a row of a picture, one sample
//! instant of all channels, or all the ancillary data of a picture.

use std::fmt;

use crate::{AncillaryFormat, AudioFormat, Rate, VideoFormat};

/// What the grains of a flow are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowFormat {
    /// Uncompressed pictures (ST 2110-20).
    Video(VideoFormat),
    /// Blocks of PCM audio (ST 2110-30).
    Audio(AudioFormat),
    /// Ancillary data (ST 2110-40).
    Ancillary(AncillaryFormat),
}

impl FlowFormat {
    /// Grains a second.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        match self {
            Self::Video(video) => video.rate(),
            Self::Audio(audio) => audio.rate(),
            Self::Ancillary(ancillary) => ancillary.rate(),
        }
    }

    /// Slices of one grain, at least 1: rows, samples of a block, or 1.
    #[must_use]
    pub const fn slices(&self) -> u16 {
        match self {
            Self::Video(video) => video.height(),
            Self::Audio(audio) => audio.block_samples(),
            Self::Ancillary(_) => 1,
        }
    }

    /// Octets of one slice: of a row, of one sample instant of all channels, or the most of a grain of
    /// ancillary data.
    #[must_use]
    pub const fn slice_octets(&self) -> u32 {
        match self {
            Self::Video(video) => video.row_octets(),
            Self::Audio(audio) => audio.instant_octets(),
            Self::Ancillary(ancillary) => ancillary.max_octets(),
        }
    }

    /// Octets of one grain (the most of one, where [`Self::is_variable`]): slices × octets of a slice,
    /// below 2³².
    #[must_use]
    pub const fn grain_octets(&self) -> u32 {
        self.slices() as u32 * self.slice_octets()
    }

    /// Whether a grain may be shorter than [`Self::grain_octets`].
    #[must_use]
    pub const fn is_variable(&self) -> bool {
        matches!(self, Self::Ancillary(_))
    }

    /// The picture format, if this is video.
    #[must_use]
    pub const fn as_video(&self) -> Option<&VideoFormat> {
        match self {
            Self::Video(video) => Some(video),
            _ => None,
        }
    }

    /// The audio format, if this is audio.
    #[must_use]
    pub const fn as_audio(&self) -> Option<&AudioFormat> {
        match self {
            Self::Audio(audio) => Some(audio),
            _ => None,
        }
    }

    /// The ancillary format, if this is ancillary data.
    #[must_use]
    pub const fn as_ancillary(&self) -> Option<&AncillaryFormat> {
        match self {
            Self::Ancillary(ancillary) => Some(ancillary),
            _ => None,
        }
    }
}

impl From<VideoFormat> for FlowFormat {
    fn from(video: VideoFormat) -> Self {
        Self::Video(video)
    }
}

impl From<AudioFormat> for FlowFormat {
    fn from(audio: AudioFormat) -> Self {
        Self::Audio(audio)
    }
}

impl From<AncillaryFormat> for FlowFormat {
    fn from(ancillary: AncillaryFormat) -> Self {
        Self::Ancillary(ancillary)
    }
}

impl fmt::Display for FlowFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video(video) => video.fmt(f),
            Self::Audio(audio) => audio.fmt(f),
            Self::Ancillary(ancillary) => ancillary.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AudioDepth, Depth, Sampling};

    fn all() -> [FlowFormat; 3] {
        let rate = Rate::new(60_000, 1001).unwrap();
        [
            VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, rate).unwrap().into(),
            AudioFormat::new(16, 48_000, AudioDepth::L24, 48).unwrap().into(),
            AncillaryFormat::new(rate, 4096).unwrap().into(),
        ]
    }

    #[test]
    fn grains_divide_into_slices() {
        let shape = all().map(|format| (format.slices(), format.slice_octets(), format.grain_octets()));
        assert_eq!(shape, [(1080, 4800, 5_184_000), (48, 48, 2304), (1, 4096, 4096)]);
        assert_eq!(all().map(|format| format.rate().to_string()), ["60000/1001", "1000", "60000/1001"]);
    }

    #[test]
    fn a_grain_is_as_large_as_its_own_format_says() {
        let [video, audio, ancillary] = all();
        assert_eq!(video.as_video().map(VideoFormat::frame_octets), Some(video.grain_octets()));
        assert_eq!(audio.as_audio().map(AudioFormat::block_octets), Some(audio.grain_octets()));
        assert_eq!(ancillary.as_ancillary().map(AncillaryFormat::max_octets), Some(ancillary.grain_octets()));
    }

    #[test]
    fn a_format_is_of_one_kind_only() {
        let kinds = all().map(|format| {
            let kinds = (format.as_video().is_some(), format.as_audio().is_some(), format.as_ancillary().is_some());
            (kinds, format.is_variable())
        });
        let expected = [((true, false, false), false), ((false, true, false), false), ((false, false, true), true)];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn each_kind_says_itself() {
        let texts = all().map(|format| format.to_string());
        assert_eq!(texts[0], "1920x1080p60000/1001 4:2:2 10 bit");
        assert_eq!(texts[1], "16 ch 48000 Hz L24, 48 samples a block");
        assert_eq!(texts[2], "ancillary 60000/1001, up to 4096 octets");
    }

    #[test]
    fn the_largest_of_each_kind_is_below_2_to_the_32() {
        let rate = Rate::new(1, 1).unwrap();
        let huge: [FlowFormat; 3] = [
            VideoFormat::new(32_767, 32_767, Sampling::YCbCr422, Depth::Bits10, rate).unwrap().into(),
            AudioFormat::new(64, 192_000, AudioDepth::F32, 4800).unwrap().into(),
            AncillaryFormat::new(rate, AncillaryFormat::MAX_OCTETS).unwrap().into(),
        ];
        for format in huge {
            let exact = u64::from(format.slices()) * u64::from(format.slice_octets());
            assert_eq!(u64::from(format.grain_octets()), exact, "{format}");
        }
    }
}
