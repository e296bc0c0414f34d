//! One epoch of a producer: its ring, and the thread that lets consumers into it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::error::SessionError;
use super::housekeeper::Housekeeper;
use super::link::Link;
use super::producer::Signals;
use super::returning::Home;
use super::waking::RingWaker;
use crate::poll::Poll;
use crate::protocol::{BrokerMessage, EncodeError, PodMessage, RingRequest, SuccessionToken, Version};
use crate::{Access, FrameWriter, Mailbox, Mapping};

/// See the module. Dropping it ends the epoch: its consumers hear that the producer is gone.
#[derive(Debug)]
pub(super) struct Part {
    /// Before the writer: nobody is let in any more when its memory goes.
    pub(super) keeper: Keeper,
    pub(super) writer: FrameWriter,
}

/// The housekeeping thread, which ends with this.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

impl Part {
    /// The producer's half of the sealing dance: asks for a ring, maps it, says so, and hears that it is sealed.
    pub(super) fn make(path: &Path, ring: RingRequest, next: &Arc<Next>) -> Result<Self, SessionError> {
        let mut link = Link::open(path)?;
        let (answer, fds) = link.ask(&PodMessage::Produce(ring.clone()))?;
        let BrokerMessage::Region { geometry } = answer else { return Err(SessionError::unexpected(&answer)) };
        let got = fds.len();
        let Ok([control_fd, data_fd]) = <[OwnedFd; 2]>::try_from(fds) else {
            return Err(SessionError::Descriptors { expected: 2, got });
        };
        let map_control = || Mapping::map(control_fd.as_fd(), geometry.control_octets(), Access::ReadWrite);
        // The second one is the waker's. All are mapped before the ring is sealed.
        let (control, waking) = (map_control()?, map_control()?);
        let data = Mapping::map(data_fd.as_fd(), geometry.data_octets(), Access::ReadWrite)?;
        let epoch = geometry.epoch;
        let mailbox = Arc::new(Mailbox::new());
        // Before the flow exists: a consumer finds the header written.
        let mut writer = FrameWriter::new(geometry, control, data, Arc::clone(&mailbox))?;
        let waker = RingWaker::start(ring.wake, &mut writer, waking)?;
        let token = match link.ask_on(&PodMessage::Mapped { epoch })? {
            (BrokerMessage::Produced { epoch: sealed, token }, _) if sealed == epoch => Mutex::new(token),
            (other, _) => return Err(SessionError::unexpected(&other)),
        };
        let poll = Poll::new().map_err(SessionError::Connection)?;
        let (stopping, broker_gone) = (AtomicBool::new(false), AtomicBool::new(false));
        let signals = Arc::new(Signals { poll, stopping, broker_gone, token, stranded: Mutex::new(None) });
        let home = Home::new(path.to_owned(), RingRequest { succeeds: None, ..ring }, control_fd, data_fd);
        let keeper = Housekeeper::new(link, epoch, (mailbox, waker), Arc::clone(&signals), (home, Arc::clone(next)));
        let keeper = keeper.map_err(SessionError::Connection)?;
        let thread = std::thread::Builder::new().name("flypack-producer".to_owned()).spawn(move || keeper.run())?;
        Ok(Self { keeper: Keeper { signals, thread: Some(thread) }, writer })
    }

    /// Whether there is a gateway that lets consumers in.
    pub(super) fn has_broker(&self) -> bool {
        !self.keeper.signals.broker_gone.load(Ordering::Relaxed)
    }

    pub(super) fn epoch(&self) -> u128 {
        self.writer.geometry().epoch
    }

    /// What it takes to succeed it.
    ///
    /// # Errors
    /// [`EncodeError`]: a gateway of protocol version 1 made the ring.
    pub(super) fn token(&self) -> Result<SuccessionToken, EncodeError> {
        let token = *self.keeper.signals.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.ok_or(EncodeError { what: "a successor", speaks: Version::V1 })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in Housekeeper::run.
        self.signals.stopping.store(true, Ordering::Release);
        self.signals.poll.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Where the successor of a ring that was brought back waits for the writer to go over to it.
#[derive(Debug, Default)]
pub(super) struct Next {
    ready: AtomicBool,
    part: Mutex<Waiting>,
}

#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nothing,
    For(Box<Part>),
    /// The producer has dropped.
    Closed,
}

impl Next {
    /// Makes the successor of the epoch that `token` is of, in a thread: the memory takes its time. If it cannot be made, the producer stays
    /// with what it has.
    pub(super) fn prepare(self: &Arc<Self>, token: SuccessionToken, home: &Home) {
        let (next, path) = (Arc::clone(self), home.path.clone());
        let ring = RingRequest { succeeds: Some(token), ..home.request.clone() };
        let make = move || {
            if let Ok(part) = Part::make(&path, ring, &next) {
                next.offer(part);
            }
        };
        let _ = std::thread::Builder::new().name("flypack-successor".to_owned()).spawn(make);
    }

    fn offer(&self, part: Part) {
        let mut waiting = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*waiting, Waiting::Closed) {
            return;
        }
        *waiting = Waiting::For(Box::new(part));
        // Release: pairs with the Acquire in Next::is_ready.
        self.ready.store(true, Ordering::Release);
    }

    /// Whether there is a successor.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) // pairs with Next::offer
    }

    /// The successor, if there is one that will do.
    pub(super) fn take_if(&self, will_do: impl FnOnce(&Part) -> bool) -> Option<Part> {
        let mut waiting = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*waiting, Waiting::For(part) if will_do(part)) {
            return None;
        }
        self.ready.store(false, Ordering::Relaxed);
        match std::mem::take(&mut *waiting) {
            Waiting::For(part) => Some(*part),
            Waiting::Nothing | Waiting::Closed => None,
        }
    }

    /// Nobody will take any more.
    pub(super) fn close(&self) {
        let left = std::mem::replace(&mut *self.part.lock().unwrap_or_else(PoisonError::into_inner), Waiting::Closed);
        drop(left);
    }
}
