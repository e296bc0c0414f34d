//! `send`: an ordinary pod that writes frames of a file or of stdin into a flow of its own.
//!
//! Frames are as on the wire: pgroups, rows unpadded. They are read straight into the ring, and published as
//! they come. Grain indices and time stamps are those of the TAI grid at the rate.

use std::path::Path;

use media::{Name, Rate, VideoFormat};
use serde::Serialize;
use st2110::VideoSdp;

use crate::arguments::Send;
use crate::printer::Printer;
use crate::progress::Waiting;
use crate::stop::Stop;
use crate::{Exit, Failure, pod, sdp_file};

mod feed;
mod input;

use feed::Feeder;
use input::FrameInput;

/// What `send` did.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// The flow.
    pub flow: String,
    /// Frames that were committed to the ring.
    pub frames_sent: u64,
    /// Frames for which no slot was free.
    pub frames_dropped: u64,
    /// Places on the grid that stayed empty, as the input was late.
    pub indices_skipped: u64,
    /// Index of the first frame.
    pub first_index: Option<u64>,
    /// Index of the last frame.
    pub last_index: Option<u64>,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Why `send` ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The input is at its end.
    #[default]
    InputEnded,
    /// All frames that were asked for are sent.
    Frames,
    /// SIGINT or SIGTERM.
    Signal,
}

impl Summary {
    fn text(&self) -> String {
        let stopped = match self.stopped {
            Stopped::InputEnded => "the input is at its end",
            Stopped::Frames => "all frames are sent",
            Stopped::Signal => "stopped by a signal",
        };
        let Self { flow, frames_sent, frames_dropped, indices_skipped, .. } = self;
        format!(
            "{flow}: {stopped}\n  sent             {frames_sent}\n  no slot free     {frames_dropped}\n  \
             grid skipped     {indices_skipped}\n"
        )
    }
}

pub(crate) fn run(arguments: &Send, printer: Printer) -> Result<Exit, Failure> {
    let format = format(&arguments.sdp, arguments.rate)?;
    let flow = match &arguments.name {
        Some(name) => name.clone(),
        None => name_of(&arguments.sdp)?,
    };
    let input = FrameInput::open(&arguments.input, format, arguments.repeat)?;
    let stop = Stop::at_signals()?;
    let session = pod::connect(&arguments.broker.path)?;
    let waiting = Waiting::begin(printer, "still waiting for the gateway to make the ring");
    let producer = session.produce(&flow, format, arguments.slots).map_err(|error| pod::broker_failure(&error))?;
    drop(waiting);
    let feeder = Feeder::new(producer, input, arguments.timing, &stop, printer);
    let mut summary = feeder.run(arguments.frames)?;
    summary.flow = flow.to_string();
    printer.result(&summary, || summary.text())?;
    Ok(Exit::Success)
}

/// The format that the SDP at `path` describes, at `rate` if that is given.
fn format(path: &Path, rate: Option<Rate>) -> Result<VideoFormat, Failure> {
    let text = sdp_file::read(path)?;
    let sdp = VideoSdp::parse(&text, rate).map_err(|cause| Failure::Sdp { path: path.into(), cause })?;
    let format = sdp.format;
    let Some(rate) = rate else { return Ok(format) };
    let (width, height) = (format.width().into(), format.height().into());
    VideoFormat::new(width, height, format.sampling(), format.depth(), rate)
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// The flow's name from the SDP file's.
fn name_of(path: &Path) -> Result<Name, Failure> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.parse().map_err(|error| Failure::Usage(format!("--name is needed: {error}")))
}
