//! Whole frames from a file or a pipe, without ever blocking for long.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use media::VideoFormat;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::Failure;

/// The input of `send`.
#[derive(Debug)]
pub(super) struct FrameInput {
    file: File,
    path: PathBuf,
    format: VideoFormat,
    repeats: bool,
    /// Frames begun, over all repetitions.
    frame: u64,
    /// Octets of the current frame that were read.
    octets: u32,
    /// Its first octet, while it is not taken.
    first: Option<u8>,
}

/// How a read came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// So many octets.
    Octets(usize),
    /// Nothing yet.
    Nothing,
    /// The end, between two frames.
    End,
}

impl FrameInput {
    /// Opens the file at `path`, or stdin for "-". A file's size is checked at once.
    pub(super) fn open(path: &Path, format: VideoFormat, repeats: bool) -> Result<Self, Failure> {
        let is_stdin = path.as_os_str() == "-";
        let shown: PathBuf = if is_stdin { "stdin".into() } else { path.into() };
        let cannot = |cause| Failure::File { action: "cannot read", path: shown.clone(), cause };
        let file = if is_stdin { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(path) };
        let mut input = Self {
            file: file.map_err(cannot)?,
            path: shown.clone(),
            format,
            repeats,
            frame: 0,
            octets: 0,
            first: None,
        };
        let metadata = input.file.metadata().map_err(cannot)?;
        if metadata.is_file() {
            let position = input.file.stream_position().map_err(cannot)?;
            input.check_size(metadata.len().saturating_sub(position))?;
        } else if metadata.is_dir() {
            return Err(cannot(io::ErrorKind::IsADirectory.into()));
        } else if repeats {
            return Err(Failure::Usage(format!("--loop: {} cannot be read twice; give a file", shown.display())));
        }
        Ok(input)
    }

    fn check_size(&self, octets: u64) -> Result<(), Failure> {
        let frame_octets = self.format.frame_octets();
        let (frames, rest) = (octets / u64::from(frame_octets), octets % u64::from(frame_octets));
        match (frames, rest) {
            (0, 0) => Err(Failure::EmptyInput { path: self.path.clone(), frame_octets }),
            (_, 0) => Ok(()),
            (frames, rest) => Err(self.partial(frames + 1, rest as u32)),
        }
    }

    fn partial(&self, frame: u64, octets: u32) -> Failure {
        Failure::PartialFrame { frame, octets, frame_octets: self.format.frame_octets(), format: self.format }
    }

    /// The format of its frames.
    pub(super) fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// Whether another frame begins: [`Progress::Octets`], [`Progress::End`], or nothing within `patience`.
    pub(super) fn begin(&mut self, patience: Duration) -> Result<Progress, Failure> {
        if self.first.is_some() {
            return Ok(Progress::Octets(0));
        }
        let mut first = [0];
        let progress = self.read(&mut first, patience)?;
        if let Progress::Octets(_) = progress {
            self.first = Some(first[0]);
        }
        Ok(progress)
    }

    fn is_ready(&self, patience: Duration) -> Result<bool, Failure> {
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(self.cannot_read(error.into())),
        }
    }

    /// Reads more of the current frame into `out`, which must not reach beyond it; waits for `patience`.
    pub(super) fn read(&mut self, out: &mut [u8], patience: Duration) -> Result<Progress, Failure> {
        if let (Some(first), Some(octet)) = (self.first, out.first_mut()) {
            *octet = first;
            self.first = None;
            return Ok(Progress::Octets(1));
        }
        if !self.is_ready(patience)? {
            return Ok(Progress::Nothing);
        }
        match self.file.read(out) {
            Ok(0) if self.octets > 0 => Err(self.partial(self.frame + 1, self.octets)),
            Ok(0) if self.repeats && self.frame > 0 => {
                self.file.seek(SeekFrom::Start(0)).map_err(|cause| self.cannot_read(cause))?;
                Ok(Progress::Nothing)
            }
            Ok(0) if self.frame == 0 => {
                Err(Failure::EmptyInput { path: self.path.clone(), frame_octets: self.format.frame_octets() })
            }
            Ok(0) => Ok(Progress::End),
            Ok(octets) => {
                self.advance(octets as u32);
                Ok(Progress::Octets(octets))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                Ok(Progress::Nothing)
            }
            Err(cause) => Err(self.cannot_read(cause)),
        }
    }

    fn advance(&mut self, octets: u32) {
        self.octets += octets;
        if self.octets == self.format.frame_octets() {
            self.frame += 1;
            self.octets = 0;
        }
    }

    fn cannot_read(&self, cause: io::Error) -> Failure {
        Failure::File { action: "cannot read", path: self.path.clone(), cause }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use media::{Depth, Rate, Sampling};

    use super::*;

    /// 4 × 2 pixels of 8 bits: 16 octets.
    fn format() -> VideoFormat {
        VideoFormat::new(4, 2, Sampling::YCbCr422, Depth::Bits8, Rate::new(25, 1).unwrap()).unwrap()
    }

    fn file(octets: usize) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; octets]).unwrap();
        file
    }

    #[test]
    fn a_files_size_is_checked_before_anything_is_sent() {
        let open = |octets| FrameInput::open(file(octets).path(), format(), false);
        assert!(open(48).is_ok());
        assert!(matches!(open(0), Err(Failure::EmptyInput { frame_octets: 16, .. })));
        let refused = open(41).unwrap_err().to_string();
        assert!(refused.contains("frame 3: 9 octets of 16"), "{refused}");
    }

    #[test]
    fn a_file_begins_again_with_loop() {
        let file = file(16);
        let mut input = FrameInput::open(file.path(), format(), true).unwrap();
        for _ in 0..3 {
            while input.begin(Duration::ZERO).unwrap() == Progress::Nothing {}
            let mut frame = [0; 16];
            assert_eq!(input.read(&mut frame, Duration::ZERO).unwrap(), Progress::Octets(1));
            assert_eq!(input.read(&mut frame[1..], Duration::ZERO).unwrap(), Progress::Octets(15));
            assert_eq!(frame, [7; 16]);
        }
        let mut once = FrameInput::open(file.path(), format(), false).unwrap();
        assert_eq!(once.read(&mut [0; 16], Duration::ZERO).unwrap(), Progress::Octets(16));
        assert_eq!(once.begin(Duration::ZERO).unwrap(), Progress::End);
    }

    #[test]
    fn a_pipe_that_ends_inside_a_frame_is_an_error_with_its_octets() {
        let (reader, mut writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        let mut input = FrameInput {
            file,
            path: "stdin".into(),
            format: format(),
            repeats: false,
            frame: 0,
            octets: 0,
            first: None,
        };
        let mut out = [0; 16];
        assert_eq!(input.read(&mut out, Duration::ZERO).unwrap(), Progress::Nothing);
        writer.write_all(&[1; 21]).unwrap();
        assert_eq!(input.read(&mut out, Duration::ZERO).unwrap(), Progress::Octets(16));
        assert_eq!(input.read(&mut out, Duration::ZERO).unwrap(), Progress::Octets(5));
        drop(writer);
        let refused = input.read(&mut out[5..], Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains("frame 2: 5 octets of 16"), "{refused}");
    }
}
