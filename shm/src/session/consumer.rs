//! A consumer: a reader of somebody else's ring.

use std::os::fd::{AsFd, OwnedFd};

use super::error::SessionError;
use crate::WakeMode;
use crate::pipe::LifeWatch;
use crate::protocol::BrokerMessage;
use crate::wake::{Bell, Waiting};
use crate::{Access, ConsumerClass, FrameReader, LeasePage, Mapping, ReaderParts, check_ring_seals};

/// One seat in a ring. It comes free when this and every lease taken from its reader have dropped, or the process
/// is gone.
#[derive(Debug)]
pub struct Consumer {
    reader: FrameReader,
}

impl Consumer {
    /// From the broker's answer to a subscription.
    pub(super) fn attach(
        answer: &BrokerMessage,
        fds: Vec<OwnedFd>,
        class: ConsumerClass,
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
        check_ring_seals(control.as_fd())?;
        check_ring_seals(data.as_fd())?;
        let parts = ReaderParts {
            geometry,
            control: Mapping::map(control.as_fd(), geometry.control_octets(), Access::ReadOnly)?,
            data: Mapping::map(data.as_fd(), geometry.data_octets(), Access::ReadOnly)?.into(),
            lease: LeasePage::map_received(&page, Access::ReadWrite)?,
            consumer,
            class,
            nonce,
            trust,
            life: Some(life),
        };
        let mut reader = FrameReader::new(parts)?;
        // There is no bell from a gateway of protocol version 1.
        let bell = fds.next().map(Bell::from_fd);
        reader.wait_with(Waiting::new(&geometry, wake, bell, Some(LifeWatch::from_fd(producer))));
        Ok(Self { reader })
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
