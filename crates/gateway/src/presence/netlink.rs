//! The kernel's routing sockets: requests that are answered, and notices of what has changed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// The kernel never writes a longer datagram of answers.
const DATAGRAM_OCTETS: usize = 32_768;

/// What one datagram of the kernel holds, or why there is none.
type Datagram = io::Result<Vec<NetlinkMessage<RouteNetlinkMessage>>>;

/// Asks the kernel, one request at a time.
pub(super) struct Requests {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    /// A socket in the network namespace of this thread.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; DATAGRAM_OCTETS] })
    }

    /// Has the kernel change something.
    pub(super) fn change(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.exchange(request, flags | NLM_F_ACK).map(drop)
    }

    /// All objects of the kind that is asked for.
    pub(super) fn list(&mut self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.exchange(request, NLM_F_DUMP)
    }

    /// Sends a request and reads until its end or its acknowledgement.
    fn exchange(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.socket.send(&octets, 0)?;
        let mut answers = Vec::new();
        loop {
            for message in receive(&self.socket, &mut self.buffer)? {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    // An error without a code is the acknowledgement.
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// Hears what the kernel changes.
pub(super) struct Notices {
    socket: Socket,
    buffer: Vec<u8>,
}

/// What came of looking for notices.
pub(super) enum Heard {
    /// These, perhaps none.
    Notices(Vec<RouteNetlinkMessage>),
    /// There are none now.
    Nothing,
    /// Some were lost: what matters is to be asked for again.
    Lost,
}

impl Notices {
    /// Hears the multicast `groups` (RTNLGRP_…) of this thread's network namespace.
    pub(super) fn open(groups: &[u32]) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        for group in groups {
            socket.add_membership(*group)?;
        }
        Ok(Self { socket, buffer: vec![0; DATAGRAM_OCTETS] })
    }

    /// One datagram of notices. Whatever fails counts as lost: asking again mends it.
    pub(super) fn hear(&mut self) -> Heard {
        match receive(&self.socket, &mut self.buffer) {
            Ok(messages) => Heard::Notices(messages.into_iter().filter_map(inner).collect()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(error) => {
                tracing::debug!("notices of the kernel were lost: {error}");
                Heard::Lost
            }
        }
    }
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn inner(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<RouteNetlinkMessage> {
    if let NetlinkPayload::InnerMessage(message) = message.payload { Some(message) } else { None }
}

fn receive(socket: &Socket, buffer: &mut [u8]) -> Datagram {
    let octets = socket.recv(&mut &mut buffer[..], 0)?;
    // A datagram that did not fit is cut at the buffer's end, and its last message is left out below.
    Ok(messages(&buffer[..octets.min(buffer.len())]))
}

/// The messages of a datagram. What this library does not understand is left out: the kernel grows new attributes.
fn messages<I: NetlinkDeserializable>(mut datagram: &[u8]) -> Vec<NetlinkMessage<I>> {
    let mut messages = Vec::new();
    while let Some(length) = datagram.first_chunk().map(|length| u32::from_ne_bytes(*length) as usize) {
        let Some(message) = datagram.get(..length).filter(|message| message.len() >= 16) else { break };
        messages.extend(NetlinkMessage::deserialize(message).ok());
        // RFC 3549 §2.3.2: messages begin at multiples of four octets.
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::LinkMessage;

    use super::*;

    #[test]
    fn datagrams_that_are_cut_anywhere_are_read_as_far_as_they_are_whole() {
        let mut message = NetlinkMessage::new(
            NetlinkHeader::default(),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::GetLink(LinkMessage::default())),
        );
        message.finalize();
        let mut one = vec![0; message.buffer_len()];
        message.serialize(&mut one);
        let two = [&one[..], &one[..]].concat();
        for octets in 0..=two.len() {
            let whole = messages::<RouteNetlinkMessage>(&two[..octets]).len();
            assert_eq!(whole, octets / one.len(), "{octets} octets");
        }
        let mut endless = two.clone();
        endless[..4].fill(0);
        assert!(messages::<RouteNetlinkMessage>(&endless).is_empty());
    }

    #[test]
    fn the_kernel_lists_its_loopback() {
        let mut requests = Requests::open().unwrap();
        let links = requests.list(RouteNetlinkMessage::GetLink(LinkMessage::default())).unwrap();
        assert!(!links.is_empty());
    }
}
