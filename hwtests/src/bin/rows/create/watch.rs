//! A consumer that looks for the first grains of a flow, which may not be there yet.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media::Name;
use shm::{Consumer, ConsumerClass, FrameReader, GrainLease, Session};

use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks for something that is not there yet.
const LOOK: Duration = Duration::from_micros(200);

/// See the file's head.
pub(super) struct Watch {
    broker: PathBuf,
    flow: Name,
    began: Instant,
}

impl Watch {
    /// Of a flow of this gateway.
    pub(super) fn of(stage: &Stage, flow: &str) -> Result<Self> {
        Ok(Self { broker: stage.gateway.broker.clone(), flow: flow.parse()?, began: Instant::now() })
    }

    /// When its first packet was there.
    pub(super) fn until_opened(self) -> Result<Instant> {
        let mut consumer = self.subscribe()?;
        self.next(consumer.reader()).map(|(_, opened)| opened)
    }

    /// When the first grain that was whole was opened, and ended.
    pub(super) fn until_whole(self) -> Result<[Instant; 2]> {
        let mut consumer = self.subscribe()?;
        loop {
            let (lease, opened) = self.next(consumer.reader())?;
            if self.ends_whole(&lease)? {
                return Ok([opened, Instant::now()]);
            }
        }
    }

    fn subscribe(&self) -> Result<Consumer> {
        let session = Session::connect(&self.broker)?;
        self.until("the flow", || session.subscribe(&self.flow, ConsumerClass::Lossy).ok())
    }

    /// The next grain there is, and when it was seen.
    fn next(&self, reader: &mut FrameReader) -> Result<(GrainLease, Instant)> {
        self.until("a grain", || {
            let index = reader.next_available()?;
            let opened = Instant::now();
            Some((reader.lease(index).ok()?, opened))
        })
    }

    fn ends_whole(&self, lease: &GrainLease) -> Result<bool> {
        self.until("the end of a grain", || match lease.state() {
            Ok(state) if !state.is_closed() => None,
            Ok(state) => Some(!state.is_partial() && !state.cancelled),
            Err(_) => Some(false),
        })
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
        while self.began.elapsed() < LIMIT {
            match look() {
                Some(found) => return Ok(found),
                None => sleep(LOOK),
            }
        }
        None.with_context(|| format!("{what} of {} did not come in {LIMIT:?}", self.flow))
    }
}
