//! `recv`: an ordinary pod that reads a flow in place and writes its frames to files or to stdout.
//!
//! Grains are taken in order under leases; a frame is written when it is complete. Lines that were lost are
//! written black, and the frame counts as partial. Cancelled grains are left out.

use media::Name;
use shm::{ConsumerClass, Session};

use crate::arguments::{MatrixName, OutputFormat, Recv};
use crate::picture::Matrix;
use crate::printer::{Printer, Stream};
use crate::progress::Waiting;
use crate::stop::Stop;
use crate::{Exit, Failure, pod};

mod export;
mod follow;
mod frame;
mod output;
mod patient;
mod sink;
mod summary;

pub use export::Exported;
pub(crate) use export::run as export;
use follow::Follower;
use output::Output;
use sink::Sink;
pub use summary::{Stopped, Summary};

/// One run of `recv`, as the command line says it.
struct Job<'a> {
    arguments: &'a Recv,
    class: ConsumerClass,
    output: Output,
    frames: Option<u64>,
    stop: Stop,
    printer: Printer,
}

pub(crate) fn run(arguments: &Recv, printer: Printer) -> Result<Exit, Failure> {
    let output = Output::parse(&arguments.output, arguments.format, &arguments.flow)?;
    let class = if arguments.lossy {
        ConsumerClass::Lossy
    } else {
        ConsumerClass::Leased { k: arguments.hold.max(1), deadline_nanos: follow::DEADLINE_NANOS }
    };
    // A single picture is one frame unless more are asked for: it is then the newest each time.
    let is_picture = output.format() == OutputFormat::Png && !output.is_numbered();
    let frames = arguments.frames.or(is_picture.then_some(1));
    let job = Job { arguments, class, output, frames, stop: Stop::at_signals()?, printer };
    let session = pod::connect(&arguments.broker.path)?;
    let summary = job.receive(&session)?;
    let stream = if job.output.is_stdout() { Stream::Stderr } else { Stream::Stdout };
    printer.result_on(stream, &summary, || summary.text())?;
    let is_short = frames.is_some_and(|frames| summary.frames_received < frames);
    Ok(if summary.stopped == Stopped::ProducerGone && is_short { Exit::FlowEnded } else { Exit::Success })
}

impl Job<'_> {
    fn receive(&self, session: &Session) -> Result<Summary, Failure> {
        let flow: &Name = &self.arguments.flow;
        let waiting = Waiting::begin(self.printer, "still waiting for the flow's writer to let this reader in");
        let consumer = session.subscribe(flow, self.class);
        drop(waiting);
        let mut consumer = consumer.map_err(|error| pod::subscribe_failure(session, flow.as_str(), &error))?;
        let format = consumer.reader().geometry().format;
        let format = *format.as_video().ok_or_else(|| pod::not_video(flow, &format))?;
        let matrix = match self.arguments.matrix {
            None => Matrix::usual(format.height()),
            Some(MatrixName::Bt601) => Matrix::BT601,
            Some(MatrixName::Bt709) => Matrix::BT709,
        };
        let mut sink = Sink::open(&self.output, &format, matrix, &self.stop)?;
        let mut follower = Follower::new(session, flow, self.class, consumer, &self.stop, self.printer);
        if self.arguments.newest {
            follower.follow_newest();
        }
        let mut summary = follower.run(&mut sink, self.frames)?;
        summary.flow = flow.to_string();
        summary.output = self.output.to_string();
        Ok(summary)
    }
}
