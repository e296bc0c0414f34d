//! A producer: a flow of this pod's own, epoch after epoch.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use media::FlowFormat;

use super::error::SessionError;
use super::part::{Next, Part};
use crate::poll::Poll;
use crate::protocol::{Refusal, RingRequest, SuccessionToken};
use crate::{FrameWriter, Successor};

/// A flow that this process produces. Dropping it ends the flow: its consumers hear that the producer is gone.
///
/// The thread that has the writer must call [`FrameWriter::poll`] or [`FrameWriter::open`] often, also while no
/// grain comes: consumers are let in and looked after there.
///
/// It goes on without a gateway. To one that was restarted it brings its ring, and goes over to a successor of that
/// between two grains if the gateway wants one: in [`Self::writer`], at the first call that finds no grain open.
#[derive(Debug)]
pub struct Producer {
    part: Part,
    next: Arc<Next>,
    path: PathBuf,
    request: RingRequest,
}

/// Between a producer and its housekeeping thread.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) poll: Poll,
    pub(super) stopping: AtomicBool,
    pub(super) broker_gone: AtomicBool,
    /// What it takes to succeed the epoch; none from a gateway of protocol version 1.
    pub(super) token: Mutex<Option<SuccessionToken>>,
    /// What a gateway that was found said to the ring that it was brought.
    pub(super) stranded: Mutex<Option<Refusal>>,
}

impl Signals {
    pub(super) fn strand(&self, refusal: Option<Refusal>) {
        *self.stranded.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

impl Producer {
    /// Asks the gateway at `path` for the ring.
    pub(super) fn start(path: &Path, request: RingRequest) -> Result<Self, SessionError> {
        let next = Arc::new(Next::default());
        let part = Part::make(path, request.clone(), &next)?;
        Ok(Self { part, next, path: path.to_owned(), request })
    }

    /// Opens, writes and commits grains. Take it anew for each grain: it may be that of another epoch.
    pub fn writer(&mut self) -> &mut FrameWriter {
        if self.next.is_ready() && self.part.writer.open_grains().next().is_none() {
            // Without a gateway the consumers could not follow.
            self.next.take_if(Part::has_broker).into_iter().for_each(|part| self.go_over(part));
        }
        &mut self.part.writer
    }

    /// Goes on in a new epoch of another format, or of the same after the clock was stepped back: the next grain, of any
    /// index, is its first. Returns when the old epoch is concluded; `slots`: none takes the gateway's default. Takes as
    /// long as the new ring's memory takes to be made.
    ///
    /// # Errors
    /// [`SessionError::GrainOpen`] while a grain is open; [`SessionError::Refused`] with what would work. The old epoch
    /// goes on then.
    pub fn succeed(&mut self, format: impl Into<FlowFormat>, slots: Option<u16>) -> Result<(), SessionError> {
        if let Some((index, _)) = self.part.writer.open_grains().next() {
            return Err(SessionError::GrainOpen { index });
        }
        // A successor that waits has the flow's name already: it is that which is succeeded.
        let _ = self.writer();
        let request = RingRequest { format: format.into(), slots, ..self.request.clone() };
        let ring = RingRequest { succeeds: Some(self.part.token()?), ..request.clone() };
        let part = Part::make(&self.path, ring, &self.next)?;
        self.go_over(part);
        self.request = request;
        Ok(())
    }

    /// The epoch that is written now.
    #[must_use]
    pub fn epoch(&self) -> u128 {
        self.part.epoch()
    }

    /// Whether the gateway's broker is gone. Consumers that are in go on reading; nobody new comes.
    #[must_use]
    pub fn broker_gone(&self) -> bool {
        !self.part.has_broker()
    }

    /// Why the gateway that came after an earlier one has not taken this flow over. None while one has it, or none has
    /// been found.
    #[must_use]
    pub fn stranded(&self) -> Option<Refusal> {
        *self.part.keeper.signals.stranded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the old epoch ends, and ends it. What it holds stays readable to those who have it.
    fn go_over(&mut self, part: Part) {
        self.part.writer.conclude(Successor::Epoch(part.epoch()));
        let old = std::mem::replace(&mut self.part, part);
        // Unmapping takes long; without a thread it is done here.
        let _ = std::thread::Builder::new().name("flypack-old-epoch".to_owned()).spawn(move || drop(old));
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.next.close();
    }
}
