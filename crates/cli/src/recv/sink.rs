//! Frames into files, pictures or stdout.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use media::VideoFormat;

use super::output::Output;
use super::patient::PatientWriter;
use crate::Failure;
use crate::arguments::OutputFormat;
use crate::picture::{Matrix, black_row};
use crate::png_file::PngFile;
use crate::stop::Stop;

/// Takes one frame after the other: begin, rows from the top, end.
#[derive(Debug)]
pub(super) struct Sink {
    output: Output,
    black_row: Vec<u8>,
    number: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// One raw file for all frames; also stdout.
    Stream(PatientWriter),
    /// One raw file per frame.
    Files(Option<BufWriter<File>>),
    Pictures(PngFile),
}

/// Why a frame was not written.
#[derive(Debug)]
pub(super) enum SinkError {
    /// Whoever read stdout has closed it.
    Closed,
    /// Nobody reads stdout, and the command shall end.
    Abandoned,
    /// Anything else.
    Failed(Failure),
}

impl Sink {
    pub(super) fn open(output: &Output, format: &VideoFormat, matrix: Matrix, stop: &Stop) -> Result<Self, Failure> {
        let kind = match output {
            Output::Stdout => {
                let stdout = io::stdout().as_fd().try_clone_to_owned();
                let stdout = stdout.map_err(|cause| cannot("cannot open", "stdout".as_ref(), cause))?;
                Kind::Stream(PatientWriter::new(stdout.into(), stop))
            }
            Output::File { path, format: OutputFormat::Raw } => {
                let file = File::create(path).map_err(|cause| cannot("cannot create", path, cause))?;
                Kind::Stream(PatientWriter::new(file, stop))
            }
            Output::Numbered { format: OutputFormat::Raw, .. } => Kind::Files(None),
            Output::File { format: OutputFormat::Png, .. } | Output::Numbered { format: OutputFormat::Png, .. } => {
                Kind::Pictures(PngFile::new(format, matrix))
            }
        };
        Ok(Self { output: output.clone(), black_row: black_row(format), number: 0, kind })
    }

    pub(super) fn begin(&mut self) -> Result<(), SinkError> {
        self.number += 1;
        match &mut self.kind {
            Kind::Stream(_) => {}
            Kind::Files(file) => {
                let path = self.output.path(self.number).unwrap_or_default();
                let created = File::create(&path).map_err(|cause| cannot("cannot create", &path, cause));
                *file = Some(BufWriter::new(created.map_err(SinkError::Failed)?));
            }
            Kind::Pictures(picture) => picture.begin(),
        }
        Ok(())
    }

    /// Whole rows, in place or copied.
    pub(super) fn rows(&mut self, rows: &[u8]) -> Result<(), SinkError> {
        let written = match &mut self.kind {
            Kind::Stream(out) => out.write_all(rows),
            Kind::Files(Some(out)) => out.write_all(rows),
            Kind::Files(None) => Ok(()),
            Kind::Pictures(picture) => {
                picture.add_rows(rows);
                Ok(())
            }
        };
        written.map_err(|cause| self.refusal(cause))
    }

    /// Rows that were lost.
    pub(super) fn black(&mut self, rows: usize) -> Result<(), SinkError> {
        let black = std::mem::take(&mut self.black_row);
        let written = (0..rows).try_for_each(|_| self.rows(&black));
        self.black_row = black;
        written
    }

    pub(super) fn end(&mut self) -> Result<(), SinkError> {
        match &mut self.kind {
            Kind::Stream(_) => Ok(()),
            Kind::Files(file) => {
                let flushed = file.take().map_or(Ok(()), |mut file| file.flush());
                flushed.map_err(|cause| self.refusal(cause))
            }
            Kind::Pictures(picture) => {
                let path = self.output.path(self.number).unwrap_or_default();
                write_picture(picture, &path).map_err(SinkError::Failed)
            }
        }
    }

    fn refusal(&self, cause: io::Error) -> SinkError {
        match (cause.kind(), self.output.is_stdout()) {
            (io::ErrorKind::BrokenPipe, true) => SinkError::Closed,
            (io::ErrorKind::TimedOut, true) => SinkError::Abandoned,
            _ => {
                let path = self.output.path(self.number).unwrap_or("stdout".into());
                SinkError::Failed(cannot("cannot write", &path, cause))
            }
        }
    }
}

/// Writes a picture beside its place and moves it there: whoever looks sees a whole one.
fn write_picture(picture: &PngFile, path: &Path) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let file = File::create(&beside).map_err(|cause| cannot("cannot create", &beside, cause))?;
    let written = picture
        .write(BufWriter::new(file))
        .map_err(|cause| Failure::Picture { path: path.into(), cause })
        .and_then(|()| std::fs::rename(&beside, path).map_err(|cause| cannot("cannot write", path, cause)));
    if written.is_err() {
        // Best effort: the error that matters is already there.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn cannot(action: &'static str, path: &Path, cause: io::Error) -> Failure {
    Failure::File { action, path: path.into(), cause }
}
