//! A consumer: a reader of somebody else's ring.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use media::Name;

use super::Session;
use super::error::SessionError;
use super::options::SubscribeOptions;
use crate::WakeMode;
use crate::pipe::LifeWatch;
use crate::protocol::{BrokerMessage, Refusal};
use crate::wake::{Bell, Waiting};
use crate::{
    Access, ConsumerClass, EpochEnd, FrameReader, LeasePage, Mapping, ReaderParts, SeatStatus, Start, check_ring_seals,
};

/// How long the gateway may take to hear that a seat was given back, or that a name stands for another epoch: the writer
/// sees or does it, and says so.
const GIVEN_BACK: Duration = Duration::from_secs(1);

/// How soon to ask again meanwhile.
const AGAIN: Duration = Duration::from_millis(5);

/// One seat in a ring. It comes free when this and every lease taken from its reader have dropped, or the process
/// is gone.
#[derive(Debug)]
pub struct Consumer {
    reader: FrameReader,
    /// What was subscribed to, and how.
    name: Name,
    options: SubscribeOptions,
}

impl Consumer {
    /// From the broker's answer to a subscription.
    pub(super) fn attach(
        answer: &BrokerMessage,
        fds: Vec<OwnedFd>,
        name: &Name,
        options: SubscribeOptions,
    ) -> Result<Self, SessionError> {
        let BrokerMessage::Subscribed { geometry, trust, consumer, nonce, wake, .. } = *answer else {
            return Err(SessionError::unexpected(answer));
        };
        let got = fds.len();
        let mut fds = fds.into_iter();
        let (Some(control), Some(data), Some(page), Some(life), Some(producer)) =
            (fds.next(), fds.next(), fds.next(), fds.next(), fds.next())
        else {
            return Err(SessionError::Descriptors { expected: 5, got });
        };
        if let Some(expected) = options.expect.filter(|expected| *expected != geometry.format) {
            return Err(SessionError::Format { expected, found: geometry.format });
        }
        check_ring_seals(control.as_fd())?;
        check_ring_seals(data.as_fd())?;
        let parts = ReaderParts {
            geometry,
            control: Mapping::map(control.as_fd(), geometry.control_octets(), Access::ReadOnly)?,
            data: Mapping::map(data.as_fd(), geometry.data_octets(), Access::ReadOnly)?.into(),
            lease: LeasePage::map_received(&page, Access::ReadWrite)?,
            consumer,
            class: options.class,
            nonce,
            trust,
            life: Some(life),
        };
        let mut reader = FrameReader::new(parts)?;
        // There is no bell from a gateway of protocol version 1.
        let bell = fds.next().map(Bell::from_fd);
        reader.wait_with(Waiting::new(&geometry, wake, bell, Some(LifeWatch::from_fd(producer))));
        Ok(Self { reader, name: name.clone(), options })
    }

    /// The flow's name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The class that this consumer is of.
    #[must_use]
    pub const fn class(&self) -> ConsumerClass {
        self.options.class
    }

    /// Takes a new seat in the same flow, as it was subscribed to: after an eviction, or when the producer has gone
    /// and the flow is back. The old seat's slots go back to the writer once its last lease has dropped; as long as
    /// one is out, a ring that is full has no room for the new one beside it.
    ///
    /// Where the epoch has ended, and this consumer was not evicted, the new seat begins with the oldest grains of the next
    /// one that its class may have: what was written there meanwhile is read.
    ///
    /// # Errors
    /// [`SessionError`]; the consumer then is where it was and may be asked to rejoin again. What an eviction left in its
    /// reach is passed, if it held none of it.
    pub fn rejoin(&mut self, session: &Session) -> Result<(), SessionError> {
        let mut options = self.options_for_next();
        // Fails where there is nothing to acknowledge, or leases are out: the seat then ends when they have dropped.
        let given_back = self.reader.acknowledge_eviction().is_ok();
        let patience = Instant::now() + GIVEN_BACK;
        loop {
            let joined = session.subscribe_with(&self.name, options);
            if Instant::now() < patience && self.is_too_early(&joined, given_back) {
                drop(joined);
                std::thread::sleep(AGAIN);
                continue;
            }
            // It is produced by an older SDK by now, or served by an older gateway.
            let is_older = matches!(joined, Err(SessionError::Encode(_) | SessionError::Refused(Refusal::LiveOnly)));
            if is_older && options != self.options {
                options = self.options;
                continue;
            }
            let mut joined = Self { options: self.options, ..joined? };
            joined.pass_what_ended(&self.reader);
            *self = joined;
            return Ok(());
        }
    }

    /// Whether the gateway answered before it heard of what this consumer knows: that its seat was given back, or that its
    /// epoch has ended and which one follows. The ring tells so at once, the writer's messages come after.
    fn is_too_early(&self, joined: &Result<Self, SessionError>, given_back: bool) -> bool {
        let goes_on = self.reader.conclusion().is_some_and(|end| end.successor.is_some());
        match joined {
            Ok(seat) => goes_on && seat.reader.geometry().epoch == self.reader.geometry().epoch,
            Err(SessionError::Refused(Refusal::FlowEnded)) => goes_on,
            Err(SessionError::Refused(refusal)) => (given_back || goes_on) && refusal.is_for_want_of_room(),
            Err(_) => false,
        }
    }

    /// How to subscribe to the epoch that follows.
    fn options_for_next(&self) -> SubscribeOptions {
        let evicted = matches!(self.reader.status(), SeatStatus::Evicted { .. });
        match self.reader.conclusion() {
            Some(_) if !evicted => SubscribeOptions { start: Start::Oldest, ..self.options },
            _ => self.options,
        }
    }

    /// The gateway may not have heard yet that the epoch has ended: then this is another seat in it, for nothing that was
    /// not read before.
    fn pass_what_ended(&mut self, before: &FrameReader) {
        let ended = before.conclusion().filter(|_| before.geometry().epoch == self.reader.geometry().epoch);
        if let Some(EpochEnd { end, .. }) = ended {
            self.reader.skip_to(end);
        }
    }

    /// Finds, leases and follows grains.
    pub fn reader(&mut self) -> &mut FrameReader {
        &mut self.reader
    }

    /// Who wakes this consumer when what it waits for is there.
    #[must_use]
    pub fn wake_mode(&self) -> WakeMode {
        self.reader.wake_mode()
    }

    /// Whether the producer is gone: nothing new will come. What is leased stays readable. A system call.
    #[must_use]
    pub fn producer_gone(&self) -> bool {
        self.reader.producer_gone()
    }
}
