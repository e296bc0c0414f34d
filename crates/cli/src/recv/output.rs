//! Where frames go, as `--output` and `--format` say.

use std::fmt;
use std::path::{Path, PathBuf};

use media::Name;

use crate::Failure;
use crate::arguments::OutputFormat;

/// Where frames go, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Raw frames, one after the other.
    Stdout,
    /// All frames to one file: raw ones after another, a picture in place of the one before.
    File { path: PathBuf, format: OutputFormat },
    /// One file per frame: the number between the two parts, with at least `digits` digits.
    Numbered { before: String, digits: usize, after: String, format: OutputFormat },
}

impl Output {
    /// Understands `text`: "-", "raw", "png", or a file name, perhaps with %d or %06d.
    pub(super) fn parse(text: &str, format: Option<OutputFormat>, flow: &Name) -> Result<Self, Failure> {
        let usage = |message: &str| Err(Failure::Usage(format!("--output {text}: {message}")));
        let by_ending = if text.to_ascii_lowercase().ends_with(".png") { OutputFormat::Png } else { OutputFormat::Raw };
        match (text, format) {
            ("", _) => usage("name a file, or raw, png or -"),
            ("-", Some(OutputFormat::Png)) => usage("stdout takes raw frames only; give a file name for PNG"),
            ("-", _) => Ok(Self::Stdout),
            ("raw", Some(OutputFormat::Png)) | ("png", Some(OutputFormat::Raw)) => usage("contradicts --format"),
            ("raw", _) => Ok(Self::File { path: format!("{flow}.raw").into(), format: OutputFormat::Raw }),
            ("png", _) => Ok(Self::File { path: format!("{flow}.png").into(), format: OutputFormat::Png }),
            (path, format) => {
                let format = format.unwrap_or(by_ending);
                match split_pattern(path) {
                    Ok(None) => Ok(Self::File { path: path.into(), format }),
                    Ok(Some((before, digits, after))) => Ok(Self::Numbered { before, digits, after, format }),
                    Err(()) => usage("use one %d, or %06d with 1 to 20 digits, and no other %"),
                }
            }
        }
    }

    pub(super) fn is_stdout(&self) -> bool {
        *self == Self::Stdout
    }

    pub(super) fn is_numbered(&self) -> bool {
        matches!(self, Self::Numbered { .. })
    }

    pub(super) fn format(&self) -> OutputFormat {
        match self {
            Self::Stdout => OutputFormat::Raw,
            Self::File { format, .. } | Self::Numbered { format, .. } => *format,
        }
    }

    /// The file of frame `number`; none for stdout.
    pub(super) fn path(&self, number: u64) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::File { path, .. } => Some(path.clone()),
            Self::Numbered { before, digits, after, .. } => {
                Some(Path::new(&format!("{before}{number:0digits$}{after}")).into())
            }
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File { path, .. } => path.display().fmt(f),
            Self::Numbered { before, digits: 1, after, .. } => write!(f, "{before}%d{after}"),
            Self::Numbered { before, digits, after, .. } => write!(f, "{before}%0{digits}d{after}"),
        }
    }
}

/// The parts around the one `%d` or `%0Nd`; none if there is no `%`.
fn split_pattern(text: &str) -> Result<Option<(String, usize, String)>, ()> {
    let Some((before, rest)) = text.split_once('%') else { return Ok(None) };
    let (digits, after) = rest.split_once('d').ok_or(())?;
    let digits = match digits.strip_prefix('0') {
        None if digits.is_empty() => 1,
        Some(count) => count.parse().ok().filter(|count| (1..=20).contains(count)).ok_or(())?,
        None => return Err(()),
    };
    if after.contains('%') { Err(()) } else { Ok(Some((before.to_owned(), digits, after.to_owned()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, format: Option<OutputFormat>) -> Result<Output, Failure> {
        Output::parse(text, format, &"cam".parse().unwrap())
    }

    fn file(path: &str, format: OutputFormat) -> Output {
        Output::File { path: path.into(), format }
    }

    #[test]
    fn words_and_endings_choose_the_format() {
        assert_eq!(parse("-", None).unwrap(), Output::Stdout);
        assert_eq!(parse("raw", None).unwrap(), file("cam.raw", OutputFormat::Raw));
        assert_eq!(parse("png", None).unwrap(), file("cam.png", OutputFormat::Png));
        assert_eq!(parse("a/b.PNG", None).unwrap(), file("a/b.PNG", OutputFormat::Png));
        assert_eq!(parse("x.bin", None).unwrap(), file("x.bin", OutputFormat::Raw));
        assert_eq!(parse("x", Some(OutputFormat::Png)).unwrap(), file("x", OutputFormat::Png));
        assert_eq!(parse("x.png", Some(OutputFormat::Raw)).unwrap(), file("x.png", OutputFormat::Raw));
    }

    #[test]
    fn a_pattern_numbers_files() {
        let output = parse("out/f-%06d.png", None).unwrap();
        assert_eq!(output.path(42), Some("out/f-000042.png".into()));
        assert_eq!((output.format(), output.to_string().as_str()), (OutputFormat::Png, "out/f-%06d.png"));
        assert_eq!(parse("%d.raw", None).unwrap().path(1234), Some("1234.raw".into()));
        assert_eq!(parse("%02d", None).unwrap().path(1234), Some("1234".into()));
    }

    #[test]
    fn what_cannot_be_is_said_with_what_can() {
        for (text, format) in [
            ("", None),
            ("-", Some(OutputFormat::Png)),
            ("raw", Some(OutputFormat::Png)),
            ("%", None),
            ("%6d", None),
            ("%0d", None),
            ("%00d", None),
            ("%099d", None),
            ("%d-%d", None),
            ("100%", None),
        ] {
            assert!(matches!(parse(text, format), Err(Failure::Usage(_))), "{text}");
        }
    }
}
