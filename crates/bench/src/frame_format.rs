//! Formats by the names that they have in a studio: `1080p59.94`.

use std::str::FromStr;

use media::{Depth, FormatError, Rate, RateError, Sampling, VideoFormat};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Pictures whose rows are whole words, so that [`crate::pattern::Pattern`] cuts at every row.
const WIDTH_STEP: u32 = 16;

/// A picture's size and rate, without its depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FrameFormat {
    width: u32,
    height: u32,
    rate: Rate,
}

/// Why a text names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameFormatError {
    /// Not of the form.
    #[error("{0:?} is no format: write its rows and rate (1080p59.94, 2160p50, 720p25) or its size too (1280x1024p30)")]
    Syntax(String),
    /// Rows that no usual format has.
    #[error("{0} rows leave the width open: write WIDTHx{0}pRATE, or 360, 540, 720, 1080, 2160 or 4320 rows")]
    Rows(u32),
    /// A width that the pattern does not fill.
    #[error("a width of {0}: the pattern takes multiples of {WIDTH_STEP}")]
    Width(u32),
    /// The rate is none.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// No such picture.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl FrameFormat {
    /// As it goes over the wire: 4:2:2, progressive.
    ///
    /// # Errors
    /// [`FrameFormatError::Format`] when it is too large.
    pub fn video(self, depth: Depth) -> Result<VideoFormat, FrameFormatError> {
        Ok(VideoFormat::new(self.width, self.height, Sampling::YCbCr422, depth, self.rate)?)
    }
}

impl FrameFormat {
    /// Frames a second.
    #[must_use]
    pub fn rate(self) -> Rate {
        self.rate
    }

    /// The same pictures at another rate.
    #[must_use]
    pub fn at(self, rate: Rate) -> Self {
        Self { rate, ..self }
    }
}

impl FromStr for FrameFormat {
    type Err = FrameFormatError;

    fn from_str(text: &str) -> Result<Self, FrameFormatError> {
        let syntax = || FrameFormatError::Syntax(text.to_owned());
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| syntax());
        let (size, rate) = text.split_once('p').ok_or_else(syntax)?;
        let rate = rate.parse()?;
        let (width, height) = match size.split_once('x') {
            Some((width, height)) => (number(width)?, number(height)?),
            None => number(size).and_then(|rows| Ok((usual_width(rows)?, rows)))?,
        };
        if !width.is_multiple_of(WIDTH_STEP) {
            return Err(FrameFormatError::Width(width));
        }
        Ok(Self { width, height, rate })
    }
}

impl From<FrameFormat> for String {
    fn from(FrameFormat { width, height, rate }: FrameFormat) -> Self {
        format!("{width}x{height}p{rate}")
    }
}

impl TryFrom<String> for FrameFormat {
    type Error = FrameFormatError;

    fn try_from(text: String) -> Result<Self, FrameFormatError> {
        text.parse()
    }
}

fn usual_width(rows: u32) -> Result<u32, FrameFormatError> {
    match rows {
        360 => Ok(640),
        540 => Ok(960),
        720 => Ok(1280),
        1080 => Ok(1920),
        2160 => Ok(3840),
        4320 => Ok(7680),
        _ => Err(FrameFormatError::Rows(rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> String {
        let format = text.parse::<FrameFormat>().unwrap();
        format.video(Depth::Bits10).unwrap().to_string()
    }

    #[test]
    fn names_of_the_studio_are_formats() {
        assert_eq!(named("1080p59.94"), "1920x1080p60000/1001 4:2:2 10 bit");
        assert_eq!(named("2160p60"), "3840x2160p60 4:2:2 10 bit");
        assert_eq!(named("1280x1024p30000/1001"), "1280x1024p30000/1001 4:2:2 10 bit");
    }

    #[test]
    fn formats_are_read_as_they_are_written() {
        let format: FrameFormat = "1080p59.94".parse().unwrap();
        assert_eq!(String::from(format).parse(), Ok(format));
    }

    #[test]
    fn what_is_no_format_is_refused_with_what_would_work() {
        for (text, says) in [
            ("1080i50", "1080p59.94"),
            ("1080", "1080p59.94"),
            ("576p50", "WIDTHx576pRATE"),
            ("100x100p25", "multiples of 16"),
            ("1080p0", "greater than 0"),
            ("1600x0p25", "1 to 32767"),
        ] {
            let refused = text.parse::<FrameFormat>().and_then(|format| format.video(Depth::Bits8)).unwrap_err();
            assert!(refused.to_string().contains(says), "{text}: {refused}");
        }
    }
}
