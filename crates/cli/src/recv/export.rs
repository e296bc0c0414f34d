//! `export`: the frames of a recording as `recv` would have written them, without a gateway.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use media::recording::{Entry, Header, RecordingError};
use serde::Serialize;

use super::frame::{Run, runs};
use super::output::Output;
use super::sink::{Sink, SinkError};
use crate::arguments::{Export, MatrixName, OutputFormat};
use crate::picture::Matrix;
use crate::printer::{Printer, Stream};
use crate::progress::Progress;
use crate::stop::Stop;
use crate::{Exit, Failure};

/// What `export` did.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// The flow that was recorded.
    pub flow: String,
    /// Where frames were written.
    pub output: String,
    /// Frames of the recording.
    pub frames_recorded: u32,
    /// Frames written.
    pub frames_written: u32,
    /// Lines that were lost, and are black, in what was written.
    pub lines_lost: u64,
}

/// A recording, open.
struct Tape {
    header: Header,
    index: File,
    grains: File,
    count: u32,
    path: PathBuf,
}

pub(crate) fn run(arguments: &Export, printer: Printer) -> Result<Exit, Failure> {
    let tape = Tape::open(&arguments.file)?;
    let format = tape.header.format;
    let output = Output::parse(&arguments.output, arguments.format, &tape.header.flow)?;
    let matrix = match arguments.matrix {
        None => Matrix::usual(format.height()),
        Some(MatrixName::Bt601) => Matrix::BT601,
        Some(MatrixName::Bt709) => Matrix::BT709,
    };
    let is_picture = output.format() == OutputFormat::Png && !output.is_numbered();
    let most = arguments.frames.or(is_picture.then_some(1)).unwrap_or(u32::MAX);
    let end = arguments.skip.saturating_add(most).min(tape.count);
    let stop = Stop::at_signals()?;
    let mut sink = Sink::open(&output, &format, matrix, &stop)?;
    let (flow, shown) = (tape.header.flow.to_string(), output.to_string());
    let mut exported = Exported { flow, output: shown, frames_recorded: tape.count, frames_written: 0, lines_lost: 0 };
    let mut progress = Progress::new(printer, "written");
    let mut octets = vec![0; format.frame_octets() as usize];
    for number in arguments.skip..end {
        let entry = tape.read(number, &mut octets)?;
        match write(&mut sink, &entry, &octets, format.height()) {
            Ok(()) => {}
            Err(SinkError::Closed | SinkError::Abandoned) => break,
            Err(SinkError::Failed(failure)) => return Err(failure),
        }
        exported.frames_written += 1;
        exported.lines_lost += entry.lost.len() as u64;
        if stop.is_raised() {
            break;
        }
        progress.update(exported.frames_written.into(), Some((end - arguments.skip).into()), String::new);
    }
    drop(progress);
    let stream = if output.is_stdout() { Stream::Stderr } else { Stream::Stdout };
    printer.result_on(stream, &exported, || exported.text())?;
    Ok(Exit::Success)
}

impl Exported {
    fn text(&self) -> String {
        let Self { flow, output, frames_recorded, frames_written, lines_lost } = self;
        format!(
            "{flow} -> {output}\n  recorded         {frames_recorded}\n  written          {frames_written}\n  \
             lines lost       {lines_lost}\n"
        )
    }
}

fn write(sink: &mut Sink, entry: &Entry, octets: &[u8], rows: u16) -> Result<(), SinkError> {
    let row_octets = octets.len() / usize::from(rows);
    sink.begin()?;
    for run in runs(rows, &entry.lost) {
        match run {
            Run::Good(lines) => {
                let good = usize::from(lines.start) * row_octets..usize::from(lines.end) * row_octets;
                sink.rows(octets.get(good).unwrap_or_default())?;
            }
            Run::Lost(lines) => sink.black(lines.len())?,
        }
    }
    sink.end()
}

impl Tape {
    fn open(path: &Path) -> Result<Self, Failure> {
        let mut index_path = path.as_os_str().to_owned();
        index_path.push(".index");
        let index_path = PathBuf::from(index_path);
        let index = File::open(&index_path).map_err(|cause| cannot(&index_path, cause))?;
        let octets = index.metadata().map_err(|cause| cannot(&index_path, cause))?.len();
        let mut head = vec![0; (Header::OCTETS as u64).min(octets) as usize];
        index.read_exact_at(&mut head, 0).map_err(|cause| cannot(&index_path, cause))?;
        let header = Header::decode(&head).map_err(|cause| no_recording(&index_path, cause))?;
        let grains = File::open(path).map_err(|cause| cannot(path, cause))?;
        let count = header.entries_in(octets);
        Ok(Self { header, index, grains, count, path: path.into() })
    }

    /// Reads frame `number`.
    fn read(&self, number: u32, octets: &mut [u8]) -> Result<Entry, Failure> {
        let mut record = vec![0; self.header.entry_octets()];
        let at = self.header.entry_offset(number);
        self.index.read_exact_at(&mut record, at).map_err(|cause| cannot(&self.path, cause))?;
        let entry = self.header.decode_entry(number, &record).map_err(|cause| no_recording(&self.path, cause))?;
        self.grains.read_exact_at(octets, entry.offset).map_err(|cause| cannot(&self.path, cause))?;
        Ok(entry)
    }
}

fn cannot(path: &Path, cause: io::Error) -> Failure {
    Failure::File { action: "cannot read the recording", path: path.into(), cause }
}

fn no_recording(path: &Path, cause: RecordingError) -> Failure {
    Failure::Recording { path: path.into(), cause }
}
