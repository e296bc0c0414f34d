//! The ways to wait for grains: looking again and again, asleep in a thread, asleep in a task.

use std::time::{Duration, Instant};

use hwtests::Dice;
use shm::aio::AsyncConsumer;
use shm::{Consumer, FrameReader, GrainLease, GrainState, ReadError, SeatStatus, WaitError};
use tokio::runtime::{Builder, Runtime};

/// Between two looks of one who does not sleep.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// A consumer, and how it waits.
pub(crate) enum Seat {
    Looking(Consumer),
    Asleep(Consumer),
    Task(Box<AsyncConsumer>, Runtime),
}

impl Seat {
    pub(crate) fn by_chance(consumer: Consumer, dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self::Looking(consumer),
            1 => Self::Asleep(consumer),
            _ => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                let context = runtime.enter();
                let consumer = Box::new(AsyncConsumer::new(consumer).unwrap());
                drop(context);
                Self::Task(consumer, runtime)
            }
        }
    }

    pub(crate) fn way(&self) -> &'static str {
        match self {
            Self::Looking(_) => "looking",
            Self::Asleep(_) => "asleep",
            Self::Task(..) => "in a task",
        }
    }

    pub(crate) fn into_consumer(self) -> Consumer {
        match self {
            Self::Looking(consumer) | Self::Asleep(consumer) => consumer,
            Self::Task(consumer, _) => consumer.into_consumer(),
        }
    }

    pub(crate) fn reader(&mut self) -> &mut FrameReader {
        match self {
            Self::Looking(consumer) | Self::Asleep(consumer) => consumer.reader(),
            Self::Task(consumer, _) => consumer.consumer().reader(),
        }
    }

    /// The next grain; none when it does not come in time.
    pub(crate) fn next(&mut self, time: Duration) -> Result<Option<GrainLease>, WaitError> {
        match self {
            Self::Looking(consumer) => look_for_next(consumer, Instant::now() + time),
            Self::Asleep(consumer) => in_time(consumer.next(Instant::now() + time)),
            Self::Task(consumer, runtime) => {
                let next = runtime.block_on(async { tokio::time::timeout(time, consumer.next()).await });
                next.ok().transpose()
            }
        }
    }

    /// What becomes of a leased grain; none when it is not so far in time.
    pub(crate) fn wait(
        &mut self,
        lease: &GrainLease,
        lines: u16,
        time: Duration,
    ) -> Result<Option<GrainState>, WaitError> {
        match self {
            Self::Looking(consumer) => look_for_lines(consumer, lease, lines, Instant::now() + time),
            Self::Asleep(consumer) => in_time(consumer.wait(lease, lines, Instant::now() + time)),
            Self::Task(consumer, runtime) => {
                let waiting = consumer.wait_until(lease.index(), lines);
                runtime.block_on(async { tokio::time::timeout(time, waiting).await }).ok().transpose()
            }
        }
    }
}

fn in_time<T>(waited: Result<T, WaitError>) -> Result<Option<T>, WaitError> {
    match waited {
        Err(WaitError::TimedOut { .. }) => Ok(None),
        waited => waited.map(Some),
    }
}

fn look_for_next(consumer: &mut Consumer, until: Instant) -> Result<Option<GrainLease>, WaitError> {
    loop {
        // Before the look: afterwards nothing comes any more.
        let is_gone = consumer.producer_gone();
        let reader = consumer.reader();
        let (is_over, status) = (reader.conclusion().is_some(), reader.status());
        let found = reader.next_available().or_else(|| is_over.then(|| reader.next_index()));
        if let Some(index) = found {
            match reader.lease(index) {
                Err(ReadError::NotYet { .. }) => {}
                leased => return Ok(Some(leased?)),
            }
        }
        match status {
            SeatStatus::Evicted { hi } if found.is_none() => return Err(ReadError::Evicted { hi }.into()),
            _ if is_gone && found.is_none() => {
                return Err(WaitError::ProducerGone { index: reader.next_index() });
            }
            _ => {}
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn look_for_lines(
    consumer: &Consumer,
    lease: &GrainLease,
    lines: u16,
    until: Instant,
) -> Result<Option<GrainState>, WaitError> {
    loop {
        let is_gone = consumer.producer_gone();
        let state = lease.state()?;
        if state.is_closed() || state.slices >= lines {
            return Ok(Some(state));
        }
        if is_gone {
            return Err(WaitError::ProducerGone { index: lease.index() });
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
