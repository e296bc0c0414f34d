//! One connection to the broker: questions and their answers.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use super::error::SessionError;
use crate::layout::ABI;
use crate::protocol::{BrokerMessage, MAX_DESCRIPTORS, MAX_MESSAGE_OCTETS, PodMessage, Version};
use crate::seqpacket::{Received, SeqPacket, Wait};

/// How long an answer may take: longer than the broker itself waits for anybody.
const PATIENCE: Duration = Duration::from_secs(30);

/// A greeted connection.
#[derive(Debug)]
pub(super) struct Link {
    socket: SeqPacket,
    request: u32,
    version: Version,
}

/// A message with its descriptors.
pub(super) type Answer = (BrokerMessage, Vec<OwnedFd>);

impl Link {
    /// Connects and says which versions this SDK speaks.
    pub(super) fn open(path: &Path) -> Result<Self, SessionError> {
        let refused = |source| SessionError::Connect { path: path.to_owned(), source };
        let socket = SeqPacket::connect(path, PATIENCE).map_err(refused)?;
        socket.set_receive_timeout(PATIENCE).map_err(refused)?;
        let mut link = Self { socket, request: 0, version: Version::OLDEST };
        let (min, max) = (Version::OLDEST.number(), Version::NEWEST.number());
        let (answer, _) = link.ask(&PodMessage::Hello { min, max })?;
        match answer {
            BrokerMessage::Welcome { ring_abi: ABI, version } => {
                link.version = Version::of_number(version).ok_or(SessionError::Disorder)?;
                Ok(link)
            }
            BrokerMessage::Welcome { ring_abi, .. } => Err(SessionError::RingAbi { theirs: ring_abi, ours: ABI }),
            other => Err(SessionError::unexpected(&other)),
        }
    }

    /// What both ends speak.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Sends a question and waits for its answer. Answers to earlier questions that came too late are dropped, and
    /// their descriptors closed.
    pub(super) fn ask(&mut self, question: &PodMessage) -> Result<Answer, SessionError> {
        self.request = self.request.wrapping_add(1).max(1);
        self.ask_on(question)
    }

    /// The next question of the same request.
    pub(super) fn ask_on(&mut self, question: &PodMessage) -> Result<Answer, SessionError> {
        match self.socket.send(&question.encode(self.request, self.version)?, &[], Wait::Block) {
            // Closed already: perhaps it said why.
            Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => {}
            Err(errno) => return Err(SessionError::Connection(errno)),
        }
        loop {
            let (request, message, fds) = self.receive()?;
            match message {
                _ if request == self.request => return Ok((message, fds)),
                // About the connection itself.
                BrokerMessage::Refused(refusal) if request == 0 => return Err(refusal.into()),
                _ => {}
            }
        }
    }

    /// Says something that has no answer.
    pub(super) fn say(&self, message: &PodMessage) -> Result<(), Errno> {
        self.say_with(message, 0, &[])
    }

    /// Says something with its descriptors, and does not wait for the answer.
    pub(super) fn say_with(&self, message: &PodMessage, request: u32, fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        // What an old gateway cannot be told is not said to it.
        let Ok(octets) = message.encode(request, self.version) else { return Ok(()) };
        self.socket.send(&octets, fds, Wait::Never)
    }

    /// The socket, for the thread that goes on listening to it.
    pub(super) const fn socket(&self) -> &SeqPacket {
        &self.socket
    }

    fn receive(&self) -> Result<(u32, BrokerMessage, Vec<OwnedFd>), SessionError> {
        let mut reset = false;
        loop {
            match self.receive_now(Wait::Block) {
                // A socket that was closed with our message unread reports that first, and what it said after it.
                Err(SessionError::Connection(Errno::CONNRESET)) if !reset => reset = true,
                Err(SessionError::Connection(Errno::CONNRESET)) => return Err(SessionError::Closed),
                Err(SessionError::Connection(Errno::AGAIN)) => {
                    return Err(SessionError::Silent { waited_ms: PATIENCE.as_millis() as u64 });
                }
                other => return other,
            }
        }
    }

    /// The next message of the broker, with exactly the descriptors that belong to it.
    pub(super) fn receive_now(&self, wait: Wait) -> Result<(u32, BrokerMessage, Vec<OwnedFd>), SessionError> {
        let mut buffer = [0; MAX_MESSAGE_OCTETS];
        let received = self.socket.receive(&mut buffer, MAX_DESCRIPTORS, wait).map_err(SessionError::Connection)?;
        let (octets, fds) = match received {
            Received::Message(octets, fds) => (octets, fds),
            Received::Closed => return Err(SessionError::Closed),
            Received::Overlong => return Err(SessionError::Disorder),
        };
        let (request, message) = BrokerMessage::decode(&buffer[..octets], self.version)?;
        let expected = message.descriptors(self.version);
        if fds.len() != expected {
            return Err(SessionError::Descriptors { expected, got: fds.len() });
        }
        Ok((request, message, fds))
    }
}
