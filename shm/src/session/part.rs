//! One epoch of a producer: its ring, and the thread that lets consumers into it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::error::SessionError;
use super::housekeeper::Housekeeper;
use super::link::Link;
use super::next::Next;
use super::returning::Home;
use super::signals::{Role, Signals};
use super::waking::RingWaker;
use crate::poll::Poll;
use crate::protocol::{BrokerMessage, EncodeError, PodMessage, Refusal, RingRequest, SuccessionToken, Version};
use crate::{Access, FrameWriter, GrainKey, Mailbox, Mapping, Successor};

/// See the module. Dropping it ends the epoch: its consumers hear that the producer is gone.
#[derive(Debug)]
pub(super) struct Part {
    /// Before the writer: nobody is let in any more when its memory goes.
    keeper: Keeper,
    pub(super) writer: FrameWriter,
}

/// The housekeeping thread, which ends with this.
#[derive(Debug)]
pub(super) struct Keeper {
    signals: Arc<Signals>,
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
            (BrokerMessage::Produced { epoch: sealed, token }, _) if sealed == epoch => token,
            (other, _) => return Err(SessionError::unexpected(&other)),
        };
        let poll = Poll::new().map_err(SessionError::Connection)?;
        let role = if ring.succeeds.is_some() { Role::Waiting } else { Role::Written };
        let signals = Arc::new(Signals::new(poll, role, token));
        let home = Home::new(path.to_owned(), RingRequest { succeeds: None, ..ring }, control_fd, data_fd);
        let keeper = Housekeeper::new(link, epoch, (mailbox, waker), Arc::clone(&signals), (home, Arc::clone(next)));
        let keeper = keeper.map_err(SessionError::Connection)?;
        let thread = std::thread::Builder::new().name("flypack-producer".to_owned()).spawn(move || keeper.run())?;
        Ok(Self { keeper: Keeper { signals, thread: Some(thread) }, writer })
    }

    /// See [`crate::Producer::stranded`].
    pub(super) fn stranded(&self) -> Option<Refusal> {
        self.keeper.signals.stranded()
    }

    /// Whether there is a gateway that lets consumers in.
    pub(super) fn has_broker(&self) -> bool {
        self.keeper.signals.has_broker()
    }

    pub(super) fn epoch(&self) -> u128 {
        self.writer.geometry().epoch
    }

    /// What it takes to succeed it.
    ///
    /// # Errors
    /// [`EncodeError`]: a gateway of protocol version 1 made the ring.
    pub(super) fn token(&self) -> Result<SuccessionToken, EncodeError> {
        self.keeper.signals.token().ok_or(EncodeError { what: "a successor", speaks: Version::V1 })
    }
}

impl Part {
    /// Says where this epoch ends and that `successor` follows. What is open here is still written.
    pub(super) fn give_over(&mut self, successor: &Self) {
        successor.keeper.signals.become_role(Role::Written);
        self.writer.conclude(Successor::Epoch(successor.epoch()));
        self.keeper.signals.become_role(Role::Concluded);
    }

    /// Whether a grain is open.
    pub(super) fn has_open_grains(&self) -> bool {
        self.writer.open_grains().next().is_some()
    }

    /// Whether `key` is that of a grain that is open here.
    pub(super) fn has_open(&self, key: GrainKey) -> bool {
        self.writer.open_grains().any(|(_, open)| open == key)
    }

    /// Drops it in a thread: unmapping takes long. Without a thread it is done here.
    pub(super) fn drop_aside(self) {
        let _ = std::thread::Builder::new().name("flypack-old-epoch".to_owned()).spawn(move || drop(self));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signals.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
