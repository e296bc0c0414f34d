//! Formats and the layout of grains, as C has them.

use media::{AncillaryFormat, AudioDepth, AudioFormat, Depth, FlowFormat, Rate, Sampling, VideoFormat};
use shm::Geometry;

use crate::failure::Failure;

/// `kind`: pictures; `video` counts.
pub const FLYPACK_VIDEO: u32 = 1;
/// `kind`: blocks of sound; `audio` counts.
pub const FLYPACK_AUDIO: u32 = 2;
/// `kind`: the ancillary data of pictures; `ancillary` counts.
pub const FLYPACK_ANCILLARY: u32 = 3;

/// `sampling`: Y'CbCr 4:2:2, samples in the order Cb Y0 Cr Y1.
pub const FLYPACK_YCBCR_422: u32 = 1;

/// `depth`: 16-bit two's complement, big-endian.
pub const FLYPACK_L16: u32 = 1;
/// `depth`: 24-bit two's complement, big-endian.
pub const FLYPACK_L24: u32 = 2;
/// `depth`: 32-bit IEEE 754, little-endian.
pub const FLYPACK_F32: u32 = 3;

/// Progressive pictures, packed as ST 2110-20 has them on the wire: pgroups, lines unpadded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Video {
    /// Pixels of a line, 1 to 32767.
    pub width: u32,
    /// Lines, 1 to 32767.
    pub height: u32,
    /// FLYPACK_YCBCR_422.
    pub sampling: u32,
    /// Bits of a sample: 8 or 10.
    pub bits: u32,
    /// Frames a second, numerator.
    pub rate_num: u32,
    /// Frames a second, denominator.
    pub rate_den: u32,
}

/// Blocks of interleaved PCM sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Audio {
    /// Channels, 1 to 64.
    pub channels: u32,
    /// Samples a second of one channel, such as 48000.
    pub sample_rate_hz: u32,
    /// FLYPACK_L16, FLYPACK_L24 or FLYPACK_F32.
    pub depth: u32,
    /// Samples of each channel in one block, which is a grain; 1 to 4800.
    pub block_samples: u32,
}

/// The ancillary data of pictures: RFC 8331 payload words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ancillary {
    /// Pictures a second, numerator.
    pub rate_num: u32,
    /// Pictures a second, denominator.
    pub rate_den: u32,
    /// Most octets of one grain; a multiple of 4.
    pub max_octets: u32,
}

/// What the grains of a flow are. Only the part that `kind` names is read; the others are zero when it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Format {
    /// FLYPACK_VIDEO, FLYPACK_AUDIO or FLYPACK_ANCILLARY.
    pub kind: u32,
    /// Of FLYPACK_VIDEO.
    pub video: Video,
    /// Of FLYPACK_AUDIO.
    pub audio: Audio,
    /// Of FLYPACK_ANCILLARY.
    pub ancillary: Ancillary,
}

/// The format of a flow, and how its grains lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Layout {
    /// The format.
    pub format: Format,
    /// Slots of the ring.
    pub slots: u32,
    /// Slices of a grain: lines of a picture, samples of a block, 1 for ancillary data.
    pub slices: u32,
    /// Octets of one slice.
    pub slice_octets: u32,
    /// Octets of one grain; the most of one for ancillary data.
    pub grain_octets: u32,
    /// Grains a second, numerator.
    pub rate_num: u32,
    /// Grains a second, denominator.
    pub rate_den: u32,
}

impl Layout {
    /// The layout of a ring.
    pub(crate) fn of(geometry: &Geometry) -> Self {
        let rate = geometry.format.rate();
        Self {
            format: geometry.format.into(),
            slots: geometry.slots.into(),
            slices: geometry.slices.into(),
            slice_octets: geometry.slice_octets,
            grain_octets: geometry.grain_octets,
            rate_num: rate.num(),
            rate_den: rate.den(),
        }
    }
}

impl Format {
    /// The same, checked.
    pub(crate) fn checked(&self) -> Result<FlowFormat, Failure> {
        match self.kind {
            FLYPACK_VIDEO => self.video.checked().map(FlowFormat::Video),
            FLYPACK_AUDIO => self.audio.checked().map(FlowFormat::Audio),
            FLYPACK_ANCILLARY => self.ancillary.checked().map(FlowFormat::Ancillary),
            kind => Err(Failure::invalid(format!(
                "there is no kind {kind} of format: use FLYPACK_VIDEO, FLYPACK_AUDIO or FLYPACK_ANCILLARY"
            ))),
        }
    }
}

impl Video {
    fn checked(&self) -> Result<VideoFormat, Failure> {
        let sampling = match self.sampling {
            FLYPACK_YCBCR_422 => Sampling::YCbCr422,
            other => return Err(Failure::invalid(format!("there is no sampling {other}: use FLYPACK_YCBCR_422"))),
        };
        let depth = match self.bits {
            8 => Depth::Bits8,
            10 => Depth::Bits10,
            other => return Err(Failure::invalid(format!("samples of {other} bits cannot be carried: use 8 or 10"))),
        };
        let rate = Rate::new(self.rate_num, self.rate_den)?;
        Ok(VideoFormat::new(self.width, self.height, sampling, depth, rate)?)
    }
}

impl Audio {
    fn checked(&self) -> Result<AudioFormat, Failure> {
        let depth = match self.depth {
            FLYPACK_L16 => AudioDepth::L16,
            FLYPACK_L24 => AudioDepth::L24,
            FLYPACK_F32 => AudioDepth::F32,
            other => {
                let text = format!("there is no depth {other}: use FLYPACK_L16, FLYPACK_L24 or FLYPACK_F32");
                return Err(Failure::invalid(text));
            }
        };
        Ok(AudioFormat::new(self.channels, self.sample_rate_hz, depth, self.block_samples)?)
    }
}

impl Ancillary {
    fn checked(&self) -> Result<AncillaryFormat, Failure> {
        Ok(AncillaryFormat::new(Rate::new(self.rate_num, self.rate_den)?, self.max_octets)?)
    }
}

impl From<FlowFormat> for Format {
    fn from(format: FlowFormat) -> Self {
        let none = Self::default();
        match format {
            FlowFormat::Video(video) => Self { kind: FLYPACK_VIDEO, video: video.into(), ..none },
            FlowFormat::Audio(audio) => Self { kind: FLYPACK_AUDIO, audio: audio.into(), ..none },
            FlowFormat::Ancillary(ancillary) => Self { kind: FLYPACK_ANCILLARY, ancillary: ancillary.into(), ..none },
        }
    }
}

impl From<AudioFormat> for Audio {
    fn from(audio: AudioFormat) -> Self {
        let depth = match audio.depth() {
            AudioDepth::L16 => FLYPACK_L16,
            AudioDepth::L24 => FLYPACK_L24,
            AudioDepth::F32 => FLYPACK_F32,
        };
        Self {
            channels: audio.channels().into(),
            sample_rate_hz: audio.sample_rate_hz(),
            depth,
            block_samples: audio.block_samples().into(),
        }
    }
}

impl From<AncillaryFormat> for Ancillary {
    fn from(ancillary: AncillaryFormat) -> Self {
        let rate = ancillary.rate();
        Self { rate_num: rate.num(), rate_den: rate.den(), max_octets: ancillary.max_octets() }
    }
}

impl From<VideoFormat> for Video {
    fn from(video: VideoFormat) -> Self {
        let sampling = match video.sampling() {
            Sampling::YCbCr422 => FLYPACK_YCBCR_422,
        };
        let rate = video.rate();
        Self {
            width: video.width().into(),
            height: video.height().into(),
            sampling,
            bits: video.depth().bits().into(),
            rate_num: rate.num(),
            rate_den: rate.den(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video() -> Format {
        let rate = Rate::new(60_000, 1001).unwrap();
        let video = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
        FlowFormat::from(video).into()
    }

    #[test]
    fn formats_survive_the_way_through_c() {
        let rate = Rate::new(60_000, 1001).unwrap();
        for depth in [Depth::Bits8, Depth::Bits10] {
            let video = VideoFormat::new(1920, 1080, Sampling::YCbCr422, depth, rate).unwrap();
            assert_eq!(Format::from(FlowFormat::Video(video)).checked().unwrap(), video.into());
        }
        for depth in [AudioDepth::L16, AudioDepth::L24, AudioDepth::F32] {
            let audio = AudioFormat::new(16, 48_000, depth, 48).unwrap();
            assert_eq!(Format::from(FlowFormat::Audio(audio)).checked().unwrap(), audio.into());
        }
        let ancillary = AncillaryFormat::new(rate, 4096).unwrap();
        assert_eq!(Format::from(FlowFormat::Ancillary(ancillary)).checked().unwrap(), ancillary.into());
    }

    #[test]
    fn what_is_no_format_is_refused_with_what_works() {
        let refusal = |spoil: fn(&mut Format)| {
            let mut bad = video();
            spoil(&mut bad);
            bad.checked().unwrap_err().text
        };
        assert!(refusal(|format| format.kind = 9).contains("kind 9"));
        assert!(refusal(|format| format.video.width = 0).contains("0x1080"));
        assert!(refusal(|format| format.video.height = 40_000).contains("1920x40000"));
        assert!(refusal(|format| format.video.sampling = 7).contains("sampling 7"));
        assert!(refusal(|format| format.video.bits = 12).contains("12 bits"));
        assert!(refusal(|format| format.video.rate_den = 0).contains("60000/0"));
        assert!(refusal(|format| format.kind = FLYPACK_AUDIO).contains("depth 0"));
        assert!(refusal(|format| format.kind = FLYPACK_ANCILLARY).contains("0/0"));
    }
}
