//! Formats as printed.

use control::v1;
use serde::Serialize;

/// A picture format.
#[derive(Debug, Serialize)]
pub struct FormatView {
    /// Pixels.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// "YCbCr-4:2:2".
    pub sampling: String,
    /// 8 or 10.
    pub depth_bits: u32,
    /// Frames per second, "25" or "30000/1001".
    pub rate: String,
}

/// Blocks of audio.
#[derive(Debug, Serialize)]
pub struct AudioFormatView {
    /// 1 to 64.
    pub channels: u32,
    /// Samples a second of one channel.
    pub sample_rate_hz: u32,
    /// "L16", "L24" or "F32".
    pub depth: String,
    /// Samples of each channel in one block.
    pub block_samples: u32,
    /// Blocks per second.
    pub rate: String,
}

/// Ancillary data.
#[derive(Debug, Serialize)]
pub struct AncillaryFormatView {
    /// Pictures per second.
    pub rate: String,
    /// Octets of the longest grain.
    pub max_octets: u32,
}

/// The format of any flow; the `kind` beside it says which shape it has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FlowFormatView {
    /// "video".
    Video(FormatView),
    /// "audio".
    Audio(AudioFormatView),
    /// "ancillary".
    Ancillary(AncillaryFormatView),
    /// "unknown": a newer gateway has a kind that is not known here. Printed as `null`.
    Unknown,
}

fn rate(rate: Option<v1::Rate>) -> String {
    match rate.unwrap_or_default() {
        v1::Rate { num, den: 1 } => num.to_string(),
        v1::Rate { num, den } => format!("{num}/{den}"),
    }
}

impl From<v1::VideoFormat> for FormatView {
    fn from(format: v1::VideoFormat) -> Self {
        let rate = rate(format.rate);
        let v1::VideoFormat { width, height, sampling, depth_bits, .. } = format;
        Self { width, height, sampling, depth_bits, rate }
    }
}

impl FormatView {
    /// "1920x1080p25 YCbCr-4:2:2 10 bit".
    pub(crate) fn text(&self) -> String {
        let Self { width, height, sampling, depth_bits, rate } = self;
        format!("{width}x{height}p{rate} {sampling} {depth_bits} bit")
    }
}

impl FlowFormatView {
    /// The one that the flow has.
    pub(crate) fn of(flow: &mut v1::Flow) -> Self {
        match (flow.format.take(), flow.audio.take(), flow.ancillary.take()) {
            (Some(video), ..) => Self::Video(video.into()),
            (None, Some(audio), _) => Self::Audio(AudioFormatView {
                channels: audio.channels,
                sample_rate_hz: audio.sample_rate_hz,
                depth: audio.depth,
                block_samples: audio.block_samples,
                rate: rate(audio.rate),
            }),
            (None, None, Some(ancillary)) => {
                Self::Ancillary(AncillaryFormatView { rate: rate(ancillary.rate), max_octets: ancillary.max_octets })
            }
            (None, None, None) => Self::Unknown,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Ancillary(_) => "ancillary",
            Self::Unknown => "unknown",
        }
    }

    /// "16 ch 48000 Hz L24, 48 samples a block".
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Video(video) => video.text(),
            Self::Audio(AudioFormatView { channels, sample_rate_hz, depth, block_samples, .. }) => {
                format!("{channels} ch {sample_rate_hz} Hz {depth}, {block_samples} samples a block")
            }
            Self::Ancillary(AncillaryFormatView { rate, max_octets }) => {
                format!("ancillary {rate}, up to {max_octets} octets")
            }
            Self::Unknown => "unknown".to_owned(),
        }
    }
}
