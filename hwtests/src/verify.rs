//! Holds received frames against the clip, by the number in their pixels.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};

use crate::clip::Clip;
use crate::pattern::read_number;
use crate::planes::{Layout, Planes};

/// What one received frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every bit of picture `0`.
    Exact(u32),
    /// It says that number, but the octet at this offset is the first that differs.
    Corrupt(u32, usize),
    /// Its number cannot be read, or is none of the clip's.
    Unreadable,
}

impl Verdict {
    /// The number, where it could be read.
    #[must_use]
    pub fn number(self) -> Option<u32> {
        match self {
            Self::Exact(number) | Self::Corrupt(number, _) => Some(number),
            Self::Unreadable => None,
        }
    }
}

/// Compares frames in one layout with a clip.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    clip: &'a Clip,
    layout: Layout,
}

impl<'a> Verifier<'a> {
    /// A verifier of frames that arrive in `layout`.
    #[must_use]
    pub fn new(clip: &'a Clip, layout: Layout) -> Self {
        Self { clip, layout }
    }

    /// What this frame is.
    ///
    /// # Errors
    /// When the clip cannot be read.
    pub fn check(&self, frame: &[u8]) -> Result<Verdict> {
        let picture = Planes::from_octets(*self.clip.format(), self.layout, frame);
        let number = picture.as_ref().and_then(read_number);
        let Some(number) = number.filter(|number| self.clip.numbers().contains(number)) else {
            return Ok(Verdict::Unreadable);
        };
        let expected = self.clip.frame(number, self.layout)?;
        let different = expected.iter().zip(frame).position(|(a, b)| a != b);
        Ok(different.map_or(Verdict::Exact(number), |at| Verdict::Corrupt(number, at)))
    }

    /// Checks every frame of a raw file; a rest shorter than a frame is one unreadable frame.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn check_file(&self, path: &Path) -> Result<Tally> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut file = BufReader::new(file);
        let octets = self.layout.frame_octets(self.clip.format()) as u64;
        let mut verdicts = Vec::new();
        loop {
            let mut frame = Vec::with_capacity(octets as usize);
            file.by_ref().take(octets).read_to_end(&mut frame).context("cannot read a received frame")?;
            if frame.is_empty() {
                return Ok(Tally { sent: self.clip.numbers(), verdicts });
            }
            verdicts.push(self.check(&frame)?);
        }
    }
}

/// The verdicts over one receiver's frames, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The numbers that were sent.
    pub sent: Range<u32>,
    /// What each received frame was.
    pub verdicts: Vec<Verdict>,
}

impl Tally {
    /// This tally without the receiver's first and last frame, which a peer may have seen in part only.
    #[must_use]
    pub fn inner(&self) -> Self {
        let end = self.verdicts.len().saturating_sub(1);
        Self { sent: self.sent.clone(), verdicts: self.verdicts.get(1..end).unwrap_or_default().to_vec() }
    }

    /// Frames that match bit by bit.
    #[must_use]
    pub fn exact(&self) -> usize {
        self.verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Exact(_))).count()
    }

    /// Frames that do not match.
    #[must_use]
    pub fn corrupt(&self) -> usize {
        self.verdicts.len() - self.exact()
    }

    /// Frames with the number of the one before.
    #[must_use]
    pub fn repeated(&self) -> usize {
        self.steps().filter(|(before, after)| before == after).count()
    }

    /// Numbers passed over between the first and the last frame.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.steps().map(|(before, after)| after.saturating_sub(before + 1) as usize).sum()
    }

    /// Frames whose number is below that of the one before.
    #[must_use]
    pub fn backwards(&self) -> usize {
        self.steps().filter(|(before, after)| after < before).count()
    }

    fn steps(&self) -> impl Iterator<Item = (u32, u32)> {
        let numbers = self.verdicts.iter().filter_map(|verdict| verdict.number());
        numbers.clone().zip(numbers.skip(1))
    }
}

#[cfg(test)]
mod tests {
    use media::{Depth, Rate, Sampling, VideoFormat};

    use super::*;
    use crate::pattern::Pattern;

    fn clip(folder: &Path) -> Clip {
        let rate = Rate::new(25, 1).unwrap();
        let format = VideoFormat::new(64, 24, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
        Clip::make(&Pattern::new(format, 1), 6, folder, "clip").unwrap()
    }

    #[test]
    fn one_turned_bit_anywhere_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let clip = clip(folder.path());
        for layout in [Layout::Wire, Layout::Planar] {
            let verifier = Verifier::new(&clip, layout);
            let mut frame = clip.frame(3, layout).unwrap();
            assert_eq!(verifier.check(&frame).unwrap(), Verdict::Exact(3));
            let last = frame.len() - 2;
            frame[last] ^= 1;
            assert_eq!(verifier.check(&frame).unwrap(), Verdict::Corrupt(3, last));
            assert_eq!(verifier.check(&frame[1..]).unwrap(), Verdict::Unreadable);
        }
    }

    #[test]
    fn a_file_is_told_frame_by_frame() {
        let folder = tempfile::tempdir().unwrap();
        let clip = clip(folder.path());
        let numbers = [1, 2, 2, 5];
        let mut received: Vec<u8> = numbers.iter().flat_map(|&n| clip.frame(n, Layout::Wire).unwrap()).collect();
        received.extend([0; 9]);
        let path = folder.path().join("received");
        std::fs::write(&path, received).unwrap();
        let tally = Verifier::new(&clip, Layout::Wire).check_file(&path).unwrap();
        assert_eq!((tally.exact(), tally.corrupt()), (4, 1));
        assert_eq!((tally.repeated(), tally.missing(), tally.backwards()), (1, 2, 0));
        assert_eq!((tally.inner().exact(), tally.inner().corrupt()), (3, 0));
    }
}
