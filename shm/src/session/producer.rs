//! A producer: a flow of this pod's own, epoch after epoch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use media::{FlowFormat, Tai};

use super::error::SessionError;
use super::next::{Fit, Next};
use super::part::Part;
use crate::protocol::{Refusal, RingRequest};
use crate::{FrameWriter, GrainKey, WriteError};

/// A flow that this process produces. Dropping it ends the flow: its consumers hear that the producer is gone.
///
/// The thread that has the writer must call [`FrameWriter::poll`] or [`FrameWriter::open`] often, also while no
/// grain comes: consumers are let in and looked after there.
///
/// It goes on without a gateway. To one that was restarted it brings its ring, and goes over to a successor of that
/// if the gateway wants one: [`Self::open`] opens the next grain there, while those that are open end where they are;
/// [`Self::writer`] goes over at the first call that finds no grain open.
#[derive(Debug)]
pub struct Producer {
    part: Part,
    /// The epoch before, while grains are open there.
    ending: Option<Part>,
    next: Arc<Next>,
    path: PathBuf,
    request: RingRequest,
}

impl Producer {
    /// Asks the gateway at `path` for the ring.
    pub(super) fn start(path: &Path, request: RingRequest) -> Result<Self, SessionError> {
        let next = Arc::new(Next::default());
        let part = Part::make(path, request.clone(), &next)?;
        Ok(Self { part, ending: None, next, path: path.to_owned(), request })
    }

    /// Opens, writes and commits grains. Take it anew for each grain: it may be that of another epoch, but not while a
    /// grain is open in it. Whoever always has one open opens it by [`Self::open`].
    pub fn writer(&mut self) -> &mut FrameWriter {
        self.let_go();
        if self.next.is_ready() && !self.part.has_open_grains() {
            self.follow();
        }
        &mut self.part.writer
    }

    /// The writer in which grain `key` is open: that of the epoch before, if it was opened there.
    ///
    /// # Errors
    /// [`WriteError::NotOpen`] when it has ended.
    pub fn writer_of(&mut self, key: GrainKey) -> Result<&mut FrameWriter, WriteError> {
        let parts = std::iter::once(&mut self.part).chain(self.ending.as_mut());
        let mut having = parts.filter(|part| part.has_open(key));
        having.next().map(|part| &mut part.writer).ok_or(WriteError::NotOpen { index: key.index() })
    }

    /// The writer for a new grain: goes over to a successor, also where grains are open. They end where they are.
    pub(super) fn writer_of_next(&mut self) -> &mut FrameWriter {
        self.let_go();
        if self.next.is_ready() {
            self.follow();
        }
        &mut self.part.writer
    }

    /// Looks after the consumers at `now`, also those of the epoch before.
    pub(super) fn poll_at(&mut self, now: Tai) {
        self.writer().poll(now);
        if let Some(ending) = &mut self.ending {
            ending.writer.poll(now);
        }
    }

    /// Goes on in a new epoch of another format, or of the same after the clock was stepped back: the next grain, of any
    /// index, is its first. Returns when the old epoch is concluded; `slots`: none takes the gateway's default. Takes as
    /// long as the new ring's memory takes to be made.
    ///
    /// # Errors
    /// [`SessionError::GrainOpen`] while a grain is open; [`SessionError::Refused`] with what would work. The old epoch
    /// goes on then.
    pub fn succeed(&mut self, format: impl Into<FlowFormat>, slots: Option<u16>) -> Result<(), SessionError> {
        self.let_go();
        let mut open = std::iter::once(&self.part).chain(&self.ending).flat_map(|part| part.writer.open_grains());
        if let Some((index, _)) = open.next() {
            return Err(SessionError::GrainOpen { index });
        }
        drop(open);
        // What the gateway asked for is of the old format. One that is still being made is never gone over to.
        self.next.take(self.part.epoch()).into_iter().for_each(|(part, _)| part.drop_aside());
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
        self.part.stranded()
    }

    /// Goes over to the successor that waits, unless the epoch before has not ended yet.
    fn follow(&mut self) {
        if self.ending.is_some() {
            return;
        }
        match self.next.take(self.part.epoch()) {
            Some((part, Fit::Will)) => self.go_over(part),
            Some((part, Fit::WillNot)) => part.drop_aside(),
            None => {}
        }
    }

    /// Says where the old epoch ends, and ends it as soon as no grain is open there. What it holds stays readable to those
    /// who have it.
    fn go_over(&mut self, part: Part) {
        self.part.give_over(&part);
        self.ending = Some(std::mem::replace(&mut self.part, part));
        self.let_go();
    }

    /// Ends the epoch before once its last grain has ended.
    fn let_go(&mut self) {
        self.ending.take_if(|part| !part.has_open_grains()).into_iter().for_each(Part::drop_aside);
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.next.close();
    }
}
