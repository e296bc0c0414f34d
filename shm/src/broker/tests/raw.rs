//! A connection without manners.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::*;
use crate::protocol::{
    BrokerMessage, MAX_DESCRIPTORS, MAX_MESSAGE_OCTETS, PodMessage, RingRequest, SuccessionToken, Version,
};
use crate::seqpacket::{Received, SeqPacket, Wait};

/// See the module.
pub(super) struct Raw {
    pub(super) socket: SeqPacket,
    pub(super) version: Version,
}

impl Raw {
    pub(super) fn connect(bench: &Bench) -> Self {
        let socket = SeqPacket::connect(&bench.path(), Duration::from_secs(60)).unwrap();
        socket.set_receive_timeout(Duration::from_secs(60)).unwrap();
        Self { socket, version: Version::OLDEST }
    }

    pub(super) fn greeted(bench: &Bench) -> Self {
        let mut raw = Self::connect(bench);
        raw.say(&PodMessage::Hello { min: 1, max: 2 }, 1);
        assert!(matches!(raw.hear(), (1, BrokerMessage::Welcome { version: 2, .. }, _)));
        raw.version = Version::V2;
        raw
    }

    pub(super) fn say(&self, message: &PodMessage, request: u32) {
        self.say_with(message, request, &[]);
    }

    pub(super) fn say_with(&self, message: &PodMessage, request: u32, fds: &[&OwnedFd]) {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
        self.socket.send(&message.encode(request, self.version).unwrap(), &fds, Wait::Block).unwrap();
    }

    pub(super) fn say_octets(&self, octets: &[u8]) {
        self.socket.send(octets, &[], Wait::Block).unwrap();
    }

    pub(super) fn hear_octets(&self) -> (Vec<u8>, Vec<OwnedFd>) {
        let mut buffer = [0; MAX_MESSAGE_OCTETS];
        match self.socket.receive(&mut buffer, MAX_DESCRIPTORS, Wait::Block).unwrap() {
            Received::Message(octets, fds) => (buffer[..octets].to_vec(), fds),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn hear(&self) -> (u32, BrokerMessage, Vec<OwnedFd>) {
        let (octets, fds) = self.hear_octets();
        let (request, message) = BrokerMessage::decode(&octets, self.version).unwrap();
        (request, message, fds)
    }

    pub(super) fn is_closed(&self) -> bool {
        let mut buffer = [0; MAX_MESSAGE_OCTETS];
        loop {
            match self.socket.receive(&mut buffer, MAX_DESCRIPTORS, Wait::Block) {
                Ok(Received::Closed) | Err(Errno::CONNRESET) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// A ring of four slots that was offered and not acknowledged.
    pub(super) fn produce(&self, flow: &str) -> (u128, Vec<OwnedFd>) {
        self.say(&PodMessage::Produce(RingRequest { slots: Some(4), ..RingRequest::new(name(flow), tiny()) }), 2);
        match self.hear() {
            (2, BrokerMessage::Region { geometry }, fds) => (geometry.epoch, fds),
            other => panic!("{other:?}"),
        }
    }

    /// A flow of four slots whose writer nobody polls: its epoch, and what it takes to succeed it.
    pub(super) fn flow(&self, flow: &str) -> (u128, Option<SuccessionToken>) {
        let (epoch, _) = self.produce(flow);
        self.say(&PodMessage::Mapped { epoch }, 2);
        match self.hear() {
            (2, BrokerMessage::Produced { token, .. }, _) => (epoch, token),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn subscribe(&self, flow: &str, class: ConsumerClass, request: u32) {
        self.say(&PodMessage::Subscribe { name: name(flow), class, start: Start::Live }, request);
    }

    pub(super) fn refusal(&self) -> Refusal {
        match self.hear() {
            (_, BrokerMessage::Refused(refusal), _) => refusal,
            other => panic!("{other:?}"),
        }
    }
}
