//! `send`: an ordinary pod that writes frames of a file or of stdin into a flow of its own.
//!
//! Frames are as on the wire: pgroups, rows unpadded. They are read straight into the ring, and published as
//! they come. Grain indices and time stamps are those of the TAI grid at the rate.

use std::path::Path;

use media::{Name, Rate, VideoFormat};
use st2110::VideoSdp;

use crate::arguments::Send;
use crate::printer::Printer;
use crate::progress::Waiting;
use crate::stop::Stop;
use crate::{Exit, Failure, pod, sdp_file};

mod feed;
mod input;
mod summary;

use feed::Feeder;
use input::FrameInput;
pub use summary::{Stopped, Summary};

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
