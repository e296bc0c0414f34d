//! A producer: a ring of this pod's own, and the thread that lets consumers into it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::error::SessionError;
use super::housekeeper::Housekeeper;
use super::link::Link;
use super::waking::RingWaker;
use crate::poll::Poll;
use crate::protocol::{BrokerMessage, PodMessage, RingRequest};
use crate::{Access, FrameWriter, Mailbox, Mapping};

/// A flow that this process produces. Dropping it ends the flow: its consumers hear that the producer is gone.
///
/// The thread that has the writer must call [`FrameWriter::poll`] or [`FrameWriter::open`] often, also while no
/// grain comes: consumers are let in and looked after there.
#[derive(Debug)]
pub struct Producer {
    writer: FrameWriter,
    signals: Arc<Signals>,
    housekeeper: Option<JoinHandle<()>>,
}

/// Between a producer and its housekeeping thread.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) poll: Poll,
    pub(super) stopping: AtomicBool,
    pub(super) broker_gone: AtomicBool,
}

impl Producer {
    /// The producer's half of the sealing dance: asks for a ring, maps it, says so, and hears that it is sealed.
    pub(super) fn start(mut link: Link, ring: RingRequest) -> Result<Self, SessionError> {
        let wake = ring.wake;
        let (answer, fds) = link.ask(&PodMessage::Produce(ring))?;
        let BrokerMessage::Region { geometry } = answer else { return Err(SessionError::unexpected(&answer)) };
        let got = fds.len();
        let Ok([control, data]) = <[OwnedFd; 2]>::try_from(fds) else {
            return Err(SessionError::Descriptors { expected: 2, got });
        };
        let map_control = || Mapping::map(control.as_fd(), geometry.control_octets(), Access::ReadWrite);
        // The second one is the waker's. All are mapped before the ring is sealed.
        let (control, waking) = (map_control()?, map_control()?);
        let data = Mapping::map(data.as_fd(), geometry.data_octets(), Access::ReadWrite)?;
        let epoch = geometry.epoch;
        let mailbox = Arc::new(Mailbox::new());
        // Before the flow exists: a consumer finds the header written.
        let mut writer = FrameWriter::new(geometry, control, data, Arc::clone(&mailbox))?;
        let waker = RingWaker::start(wake, &mut writer, waking)?;
        match link.ask_on(&PodMessage::Mapped { epoch })? {
            (BrokerMessage::Produced { epoch: sealed }, _) if sealed == epoch => {}
            (other, _) => return Err(SessionError::unexpected(&other)),
        }
        let poll = Poll::new().map_err(SessionError::Connection)?;
        let signals = Signals { poll, stopping: AtomicBool::new(false), broker_gone: AtomicBool::new(false) };
        let signals = Arc::new(signals);
        let keeper = Housekeeper::new(link, epoch, mailbox, waker, Arc::clone(&signals));
        let keeper = keeper.map_err(SessionError::Connection)?;
        let thread = std::thread::Builder::new().name("flypack-producer".to_owned()).spawn(move || keeper.run())?;
        Ok(Self { writer, signals, housekeeper: Some(thread) })
    }

    /// Opens, writes and commits grains.
    pub fn writer(&mut self) -> &mut FrameWriter {
        &mut self.writer
    }

    /// Whether the gateway's broker is gone. Consumers that are in go on reading; nobody new comes.
    #[must_use]
    pub fn broker_gone(&self) -> bool {
        self.signals.broker_gone.load(Ordering::Relaxed)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in Housekeeper::run.
        self.signals.stopping.store(true, Ordering::Release);
        self.signals.poll.wake();
        if let Some(thread) = self.housekeeper.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
