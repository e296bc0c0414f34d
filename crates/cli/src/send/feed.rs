//! The loop of `send`: a place on the grid, a frame, the next.

use std::thread;
use std::time::Duration;

use media::{
    Clock as _, GrainIndex, Tai, VIDEO_CLOCK_HZ, VideoFormat, grain_index_nearest, grain_start, rtp_timestamp,
};
use shm::{GrainEnd, GrainKey, GrainStamp, KernelTai, OpenError, Producer};

use super::input::{FrameInput, Progress as Read};
use super::summary::{Stopped, Summary};
use crate::Failure;
use crate::arguments::SendTiming;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::stop::Stop;

/// How long the ring may go without its writer looking after consumers.
const TURN: Duration = Duration::from_millis(2);
/// Rows that are read, then published, at a time.
const STRIPE_ROWS: u16 = 64;

/// Feeds one flow.
pub(super) struct Feeder<'a> {
    producer: Producer,
    input: FrameInput,
    format: VideoFormat,
    timing: SendTiming,
    stop: &'a Stop,
    printer: Printer,
    clock: KernelTai,
    summary: Summary,
    /// The next free place; none before the first frame.
    next: Option<GrainIndex>,
}

/// What comes next.
enum Place {
    At(GrainIndex),
    Ended(Stopped),
}

impl<'a> Feeder<'a> {
    pub(super) fn new(
        producer: Producer,
        input: FrameInput,
        timing: SendTiming,
        stop: &'a Stop,
        printer: Printer,
    ) -> Self {
        let format = *input.format();
        let summary = Summary::default();
        Self { producer, input, format, timing, stop, printer, clock: KernelTai, summary, next: None }
    }

    /// Sends until there are `frames`, or the input ends, or somebody wants it to end.
    pub(super) fn run(mut self, frames: Option<u64>) -> Result<Summary, Failure> {
        let mut progress = Progress::new(self.printer, "sent");
        let (mut is_broker_gone, mut stranded) = (false, None);
        self.summary.stopped = loop {
            let done = self.summary.frames_sent + self.summary.frames_dropped;
            if frames.is_some_and(|frames| done >= frames) {
                break Stopped::Frames;
            }
            let dropped = self.summary.frames_dropped;
            progress.update(self.summary.frames_sent, frames, || format!(", {dropped} without a slot"));
            if self.producer.broker_gone() != is_broker_gone {
                is_broker_gone = !is_broker_gone;
                self.printer.note(if is_broker_gone {
                    "the gateway is gone: readers that are there go on reading, nobody new can come"
                } else {
                    "there is a gateway again, and it has the flow"
                });
            }
            if self.producer.stranded() != stranded {
                stranded = self.producer.stranded();
                let told = stranded.map(|refusal| format!("readers that are there go on reading; {refusal}"));
                told.iter().for_each(|told| self.printer.note(told));
            }
            if let Some(stopped) = self.send_one()? {
                break stopped;
            }
        };
        drop(progress);
        self.linger();
        Ok(self.summary)
    }

    /// One frame, at its place.
    fn send_one(&mut self) -> Result<Option<Stopped>, Failure> {
        let index = match self.await_place()? {
            Place::At(index) => index,
            Place::Ended(stopped) => return Ok(Some(stopped)),
        };
        let now = self.clock.now();
        let rate = self.format.rate();
        let stamp = GrainStamp { tai: grain_start(index, rate), rtp: rtp_timestamp(index, rate, VIDEO_CLOCK_HZ) };
        let key = match self.open(index, stamp) {
            Ok(key) => Some(key),
            Err(OpenError::NoSlot { .. } | OpenError::Held { .. }) => None,
            Err(error) => return Err(Failure::Broker { message: format!("grain {index}: {error}"), absent: false }),
        };
        let ended = match key {
            Some(key) => self.fill(key),
            None => self.discard(),
        };
        if !matches!(ended, Ok(None)) {
            key.into_iter().for_each(|key| self.producer.writer().cancel(key));
            return ended;
        }
        if let Some(key) = key {
            let last_arrival = self.clock.now();
            self.producer.writer().commit(key, GrainEnd { first_arrival: now, last_arrival, octets: None });
            self.summary.frames_sent += 1;
            self.summary.first_index.get_or_insert(index.0);
            self.summary.last_index = Some(index.0);
        } else {
            self.summary.frames_dropped += 1;
        }
        self.next = Some(index.next());
        Ok(None)
    }

    /// Opens a grain; waits for a reader that it has to wait for, until somebody wants it to end.
    fn open(&mut self, index: GrainIndex, stamp: GrainStamp) -> Result<GrainKey, OpenError> {
        loop {
            let now = self.clock.now();
            match self.producer.writer().open(index, stamp, now) {
                Err(OpenError::Held { .. }) if !self.stop.is_raised() => thread::sleep(TURN),
                outcome => return outcome,
            }
        }
    }

    /// Waits for the next place on the grid, and for the input.
    fn await_place(&mut self) -> Result<Place, Failure> {
        let rate = self.format.rate();
        loop {
            if self.stop.is_raised() {
                return Ok(Place::Ended(Stopped::Signal));
            }
            let now = self.clock.now();
            self.producer.writer().poll(now);
            let nearest = grain_index_nearest(now, rate);
            let next = *self.next.get_or_insert(nearest.next());
            let wait_nanos = match self.timing {
                SendTiming::Rate => grain_start(next, rate).nanos_since(now),
                SendTiming::Fast => 0,
            };
            if wait_nanos > 0 {
                thread::sleep(TURN.min(Duration::from_nanos(wait_nanos.unsigned_abs())));
                continue;
            }
            match self.input.begin(TURN)? {
                Read::Octets(_) => {}
                Read::Nothing => continue,
                Read::End => return Ok(Place::Ended(Stopped::InputEnded)),
            }
            // Late by more than half a frame: the places that have passed stay empty.
            if self.timing == SendTiming::Rate && nearest > next {
                // Before the first frame, nothing was promised.
                let is_first = self.summary.frames_sent + self.summary.frames_dropped == 0;
                self.summary.indices_skipped += if is_first { 0 } else { nearest.0 - next.0 };
                return Ok(Place::At(nearest));
            }
            return Ok(Place::At(next));
        }
    }

    /// Reads a frame straight into the open grain, and publishes it stripe by stripe.
    fn fill(&mut self, key: GrainKey) -> Result<Option<Stopped>, Failure> {
        let rows = self.format.height();
        for start in (0..rows).step_by(STRIPE_ROWS.into()) {
            let end = start.saturating_add(STRIPE_ROWS).min(rows);
            let octets = usize::from(end - start) * self.format.row_octets() as usize;
            let mut filled = 0;
            while filled < octets {
                let now = self.clock.now();
                let writer = self.producer.writer();
                writer.poll(now);
                let stripe = writer.lines_mut(key, start..end).map_err(|error| Failure::Broker {
                    message: format!("the ring does not take its own lines: {error}"),
                    absent: false,
                })?;
                match self.input.read(&mut stripe[filled..], TURN)? {
                    Read::Octets(octets) => filled += octets,
                    Read::Nothing if self.stop.is_raised() => return Ok(Some(Stopped::Signal)),
                    Read::Nothing => {}
                    Read::End => return Ok(Some(Stopped::InputEnded)),
                }
            }
            self.producer.writer().publish(key, end);
        }
        Ok(None)
    }

    /// Reads a frame for which there is no slot.
    fn discard(&mut self) -> Result<Option<Stopped>, Failure> {
        let mut left = self.format.frame_octets() as usize;
        let mut scratch = vec![0; left.min(1 << 20)];
        while left > 0 {
            let now = self.clock.now();
            self.producer.writer().poll(now);
            let room = left.min(scratch.len());
            match self.input.read(&mut scratch[..room], TURN)? {
                Read::Octets(octets) => left -= octets,
                Read::Nothing if self.stop.is_raised() => return Ok(Some(Stopped::Signal)),
                Read::Nothing => {}
                Read::End => return Ok(Some(Stopped::InputEnded)),
            }
        }
        Ok(None)
    }

    /// Stays for two frames, so that readers finish the last one before the flow ends.
    fn linger(&mut self) {
        let period = Duration::from_nanos(self.format.rate().period_nanos().unsigned_abs());
        let until = self.now_plus((2 * period).clamp(Duration::from_millis(50), Duration::from_secs(1)));
        while self.clock.now() < until {
            let now = self.clock.now();
            self.producer.writer().poll(now);
            thread::sleep(TURN);
        }
    }

    fn now_plus(&self, duration: Duration) -> Tai {
        self.clock.now().plus_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}
