//! A `SOCK_SEQPACKET` Unix socket that carries messages and descriptors.
//!
//! A datagram is whole or it is an error; descriptors arrive close-on-exec, and those that nobody takes are closed. A
//! send never blocks unless it was asked to, and never raises SIGPIPE.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, recvmsg, sendmsg, socket_with,
};

use crate::protocol::{MAX_DESCRIPTORS, MAX_MESSAGE_OCTETS};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct SeqPacket {
    fd: OwnedFd,
}

/// What a receive brought.
#[derive(Debug)]
pub(crate) enum Received {
    /// A whole datagram in the first octets of the buffer, with its descriptors.
    Message(usize, Vec<OwnedFd>),
    /// The peer has closed its end.
    Closed,
    /// A datagram longer than any message, or with more descriptors than were allowed. All were closed.
    Overlong,
}

/// A buffer that holds any message.
pub(crate) type MessageBuffer = [u8; MAX_MESSAGE_OCTETS];

/// Whether a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until the socket's time-out.
    Block,
    /// Never: `WouldBlock` instead.
    Never,
}

impl SeqPacket {
    /// A new, unconnected socket.
    pub(crate) fn unbound(extra: SocketFlags) -> Result<OwnedFd, Errno> {
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | extra, None)
    }

    /// Connects to the socket at `path`; gives up when its backlog stays full for `timeout`.
    pub(crate) fn connect(path: &Path, timeout: Duration) -> Result<Self, Errno> {
        let fd = Self::unbound(SocketFlags::empty())?;
        set_socket_timeout(&fd, Timeout::Send, Some(timeout))?;
        rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
        Ok(Self { fd })
    }

    /// Wraps a connected socket.
    pub(crate) const fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Bounds what the kernel queues for a peer that does not read.
    pub(crate) fn limit_send_queue(&self, octets: usize) -> Result<(), Errno> {
        set_socket_send_buffer_size(&self.fd, octets)
    }

    /// How long a blocking receive waits before it fails with `WouldBlock`.
    pub(crate) fn set_receive_timeout(&self, timeout: Duration) -> Result<(), Errno> {
        set_socket_timeout(&self.fd, Timeout::Recv, Some(timeout))
    }

    /// Sends one datagram with its descriptors: all of it or none.
    pub(crate) fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>], wait: Wait) -> Result<(), Errno> {
        debug_assert!(descriptors.len() <= MAX_DESCRIPTORS, "no message carries so many descriptors");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Errno::MSGSIZE);
        }
        let flags = SendFlags::NOSIGNAL | if wait == Wait::Never { SendFlags::DONTWAIT } else { SendFlags::empty() };
        loop {
            match sendmsg(&self.fd, &[IoSlice::new(message)], &mut control, flags) {
                Err(Errno::INTR) => {}
                Ok(octets) if octets == message.len() => return Ok(()),
                Ok(_) => return Err(Errno::MSGSIZE),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the next datagram brings descriptors. Looks without taking it, so none is closed here; never waits.
    pub(crate) fn next_brings_descriptors(&self) -> Result<bool, Errno> {
        let mut control = RecvAncillaryBuffer::new(&mut []);
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let got =
            rustix::io::retry_on_intr(|| recvmsg(&self.fd, &mut [IoSliceMut::new(&mut [0; 1])], &mut control, flags))?;
        // There is no room for descriptors, so this says that there are some.
        Ok(got.flags.contains(ReturnFlags::CTRUNC))
    }

    /// Receives one datagram with at most `allowed` descriptors (at most [`MAX_DESCRIPTORS`]). Where none is allowed
    /// the kernel drops them unseen: none ever enters this process. Dropping them may wait ([`crate::passing`]).
    pub(crate) fn receive(&self, buffer: &mut MessageBuffer, allowed: usize, wait: Wait) -> Result<Received, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let room = if allowed == 0 { 0 } else { space.len() };
        let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
        let flags =
            RecvFlags::CMSG_CLOEXEC | if wait == Wait::Never { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
        let got = loop {
            match recvmsg(&self.fd, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = message {
                descriptors.extend(passed);
            }
        }
        if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || descriptors.len() > allowed {
            return Ok(Received::Overlong);
        }
        // Protocol messages are never empty, so 0 octets is the end of the connection.
        Ok(if got.bytes == 0 { Received::Closed } else { Received::Message(got.bytes, descriptors) })
    }
}

impl AsFd for SeqPacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (SeqPacket, SeqPacket) {
        let (a, b) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        (SeqPacket::from_fd(a), SeqPacket::from_fd(b))
    }

    fn buffer() -> MessageBuffer {
        [0; MAX_MESSAGE_OCTETS]
    }

    #[test]
    fn descriptors_arrive_close_on_exec() {
        let (a, b) = pair();
        let file = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
        a.send(b"hello", &[file.as_fd(), file.as_fd()], Wait::Never).unwrap();
        let mut into = buffer();
        let Received::Message(5, descriptors) = b.receive(&mut into, 2, Wait::Never).unwrap() else { panic!() };
        assert_eq!(&into[..5], b"hello");
        assert_eq!(descriptors.len(), 2);
        for fd in &descriptors {
            assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn surplus_descriptors_are_closed() {
        let (a, b) = pair();
        let (pipe_read, pipe_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        for allowed in 0..3 {
            a.send(b"x", &[pipe_write.as_fd(), pipe_write.as_fd(), pipe_write.as_fd()], Wait::Never).unwrap();
            assert!(matches!(b.receive(&mut buffer(), allowed, Wait::Never).unwrap(), Received::Overlong));
        }
        drop(pipe_write);
        // With every write end closed the pipe is at its end instead of empty.
        assert_eq!(rustix::io::read(&pipe_read, &mut [0_u8; 1]), Ok(0));
    }

    #[test]
    fn a_full_socket_fails_instead_of_waiting() {
        let (a, _b) = pair();
        a.limit_send_queue(4096).unwrap();
        let full = (0..10_000).find_map(|_| a.send(&[7; 512], &[], Wait::Never).err());
        assert_eq!(full, Some(Errno::AGAIN));
    }

    #[test]
    fn overlong_datagrams_and_closed_peers_are_told_apart() {
        let (a, b) = pair();
        a.send(&[1; MAX_MESSAGE_OCTETS + 1], &[], Wait::Never).unwrap();
        assert!(matches!(b.receive(&mut buffer(), 0, Wait::Never).unwrap(), Received::Overlong));
        a.send(&[1; MAX_MESSAGE_OCTETS], &[], Wait::Never).unwrap();
        assert!(matches!(b.receive(&mut buffer(), 0, Wait::Never).unwrap(), Received::Message(MAX_MESSAGE_OCTETS, _)));
        assert_eq!(b.receive(&mut buffer(), 0, Wait::Never).unwrap_err(), Errno::AGAIN);
        drop(a);
        assert!(matches!(b.receive(&mut buffer(), 0, Wait::Never).unwrap(), Received::Closed));
    }
}
