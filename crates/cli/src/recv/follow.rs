//! The loop of `recv`: one grain after the other, until something ends it.

use std::thread;
use std::time::{Duration, Instant};

use media::{GrainIndex, Name};
use shm::{Consumer, ConsumerClass, GrainLease, GrainState, ReadError, SeatStatus, Session, SessionError, WaitError};

use super::frame::{self, FrameError};
use super::sink::{Sink, SinkError};
use super::summary::{Stopped, Summary};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::{Failure, pod};

/// How long `recv` may sit on a grain before the writer takes its seat: longer than any disk hiccup.
pub(super) const DEADLINE_NANOS: i64 = 2_000_000_000;
/// How often to look whether it shall end, while it sleeps.
const STOP_EVERY: Duration = Duration::from_millis(50);
/// More slices than any grain has: waits until it is closed.
const CLOSED: u16 = u16::MAX;
/// A leap of the index by more than this is no loss.
const JUMP_SECONDS: u64 = 10;

/// Follows one flow through evictions.
pub(super) struct Follower<'a> {
    session: &'a Session,
    flow: &'a Name,
    class: ConsumerClass,
    consumer: Consumer,
    stop: &'a Stop,
    progress: Progress,
    wants_newest: bool,
    jump_grains: u64,
    summary: Summary,
    /// The grain that was dealt with last, read or not.
    last: Option<GrainIndex>,
    copy: Vec<u8>,
}

/// How waiting for a grain ended.
enum Waited {
    Complete,
    Cancelled,
    Torn,
    Stopped(Stopped),
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        session: &'a Session,
        flow: &'a Name,
        class: ConsumerClass,
        mut consumer: Consumer,
        stop: &'a Stop,
        printer: Printer,
    ) -> Self {
        let rate = consumer.reader().geometry().format.rate();
        Self {
            session,
            flow,
            class,
            consumer,
            stop,
            progress: Progress::new(printer, "received"),
            wants_newest: false,
            jump_grains: JUMP_SECONDS * u64::from(rate.num().div_ceil(rate.den())),
            summary: Summary::default(),
            last: None,
            copy: Vec::new(),
        }
    }

    /// Goes on with the newest grain each time.
    pub(super) fn follow_newest(&mut self) {
        self.wants_newest = true;
    }

    /// Writes frames to `sink` until there are `frames`, or something else ends it.
    pub(super) fn run(mut self, sink: &mut Sink, frames: Option<u64>) -> Result<Summary, Failure> {
        self.summary.stopped = loop {
            if frames.is_some_and(|frames| self.summary.frames_received >= frames) {
                break Stopped::Frames;
            }
            if self.stop.is_raised() {
                break Stopped::Signal;
            }
            let summary = &self.summary;
            self.progress.update(summary.frames_received, frames, || {
                let Summary { frames_lost, frames_partial, evictions, .. } = summary;
                format!(", {frames_lost} lost, {frames_partial} partial, {evictions} evictions")
            });
            let ended = match self.next_index() {
                Some(index) => self.take(index, sink)?,
                None => self.idle()?,
            };
            if let Some(stopped) = ended {
                break stopped;
            }
        };
        Ok(self.summary)
    }

    fn next_index(&mut self) -> Option<GrainIndex> {
        let reader = self.consumer.reader();
        let next = reader.next_available()?;
        if !self.wants_newest {
            return Some(next);
        }
        let newest = reader.newest()?.max(next);
        reader.skip_to(newest);
        let passed = newest.0 - next.0;
        if passed > 0 {
            if passed <= self.jump_grains {
                self.summary.frames_skipped += passed;
            }
            // What was passed on purpose is not lost: the count of losses goes on from here.
            self.last = self.last.map(|_| GrainIndex(newest.0 - 1));
        }
        Some(newest)
    }

    fn take(&mut self, index: GrainIndex, sink: &mut Sink) -> Result<Option<Stopped>, Failure> {
        let lease = match self.consumer.reader().lease(index) {
            Ok(lease) => lease,
            Err(ReadError::Evicted { .. }) => return self.rejoin(),
            Err(ReadError::Gone { .. } | ReadError::Torn { .. }) => {
                // Counted by the gap that it leaves.
                return Ok(None);
            }
            Err(_) => {
                thread::sleep(pod::REST);
                return Ok(None);
            }
        };
        self.count_gap(index);
        match self.wait(&lease) {
            Waited::Complete => self.write(&lease, sink),
            Waited::Cancelled => {
                self.summary.frames_cancelled += 1;
                Ok(None)
            }
            Waited::Torn => {
                self.summary.frames_torn += 1;
                Ok(None)
            }
            Waited::Stopped(stopped) => Ok(Some(stopped)),
        }
    }

    /// Counts the grains between the last one and `index`.
    fn count_gap(&mut self, index: GrainIndex) {
        let gap = self.last.map_or(0, |last| index.0.saturating_sub(last.0 + 1));
        if gap > self.jump_grains {
            self.summary.index_jumps += 1;
        } else {
            self.summary.frames_lost += gap;
        }
        self.last = Some(index);
    }

    fn wait(&mut self, lease: &GrainLease) -> Waited {
        loop {
            match lease.state() {
                Ok(GrainState { cancelled: true, .. }) => return Waited::Cancelled,
                Ok(GrainState { complete: true, .. }) => return Waited::Complete,
                Ok(_) => {}
                Err(_) => return Waited::Torn,
            }
            if self.stop.is_raised() {
                return Waited::Stopped(Stopped::Signal);
            }
            let deadline = Instant::now() + STOP_EVERY;
            match self.consumer.reader().wait_until(lease.index(), CLOSED, deadline) {
                Ok(_) | Err(WaitError::TimedOut { .. }) => {}
                Err(WaitError::ProducerGone { .. }) => {
                    self.summary.frames_cancelled += 1;
                    return Waited::Stopped(Stopped::ProducerGone);
                }
                // The lease has the last word.
                Err(WaitError::Read(_)) => thread::sleep(pod::REST),
            }
        }
    }

    fn write(&mut self, lease: &GrainLease, sink: &mut Sink) -> Result<Option<Stopped>, Failure> {
        let reader = self.consumer.reader();
        let lost: Vec<u16> = reader.lost_lines(&lease.grain()).collect();
        let rows = reader.geometry().slices;
        match frame::write(lease, rows, &lost, &mut self.copy, sink, &mut self.summary) {
            Ok(()) => {}
            Err(FrameError::Torn) => {
                self.summary.frames_torn += 1;
                return Ok(None);
            }
            Err(FrameError::Sink(SinkError::Closed)) => return Ok(Some(Stopped::OutputClosed)),
            Err(FrameError::Sink(SinkError::Abandoned)) => return Ok(Some(Stopped::Signal)),
            Err(FrameError::Sink(SinkError::Failed(failure))) => return Err(failure),
        }
        self.summary.frames_received += 1;
        self.summary.frames_partial += u64::from(!lost.is_empty());
        self.summary.lines_lost += lost.len() as u64;
        self.summary.first_index.get_or_insert(lease.index().0);
        self.summary.last_index = Some(lease.index().0);
        Ok(None)
    }

    /// Nothing to read: perhaps because there never will be.
    fn idle(&mut self) -> Result<Option<Stopped>, Failure> {
        if matches!(self.consumer.reader().status(), SeatStatus::Evicted { .. }) {
            return self.rejoin();
        }
        match self.consumer.reader().wait_next(Instant::now() + STOP_EVERY) {
            // What was opened before it went was found above.
            Err(WaitError::ProducerGone { .. }) => Ok(Some(Stopped::ProducerGone)),
            Err(WaitError::Read(ReadError::Evicted { .. })) => self.rejoin(),
            Err(WaitError::Read(ReadError::EpochEnded { successor: Some(_), .. })) => self.take_a_seat(),
            Ok(_) | Err(WaitError::TimedOut { .. }) => Ok(None),
            // Nothing will come; soon its producer goes.
            Err(WaitError::Read(_)) => {
                thread::sleep(pod::REST);
                Ok(None)
            }
        }
    }

    /// Gives the slots back and takes a new seat.
    fn rejoin(&mut self) -> Result<Option<Stopped>, Failure> {
        self.summary.evictions += 1;
        // Every lease has dropped, so this can only fail if the writer has forgotten us already.
        let _ = self.consumer.reader().acknowledge_eviction();
        self.take_a_seat()
    }

    /// In the ring that the flow's name leads to now. What the sink was opened for ends with another format.
    fn take_a_seat(&mut self) -> Result<Option<Stopped>, Failure> {
        let format = self.consumer.reader().geometry().format;
        match self.session.subscribe(self.flow, self.class) {
            Ok(mut consumer) => {
                let fits = consumer.reader().geometry().format == format;
                self.consumer = consumer;
                Ok((!fits).then_some(Stopped::ProducerGone))
            }
            Err(SessionError::Refused(shm::Refusal::NoSuchFlow))
            | Err(SessionError::Closed | SessionError::Connection(_)) => Ok(Some(Stopped::ProducerGone)),
            Err(error) => Err(pod::broker_failure(&error)),
        }
    }
}
