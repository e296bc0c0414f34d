//! A connection to the broker that keeps to nothing: messages, descriptors and octets as the test likes.

use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg, sendmsg, socket_with,
};
use shm::protocol::{BrokerMessage, MAX_DESCRIPTORS, MAX_MESSAGE_OCTETS, PodMessage, Version};

/// How long it waits for an answer before it does something else.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Stranger(OwnedFd);

impl Stranger {
    /// Connects. Whether the broker wants it shows when it is greeted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn connect(path: &Path) -> Result<Self, Errno> {
        let fd = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&fd, Timeout::Send, Some(PATIENCE))?;
        set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
        connect(&fd, &SocketAddrUnix::new(path)?)?;
        Ok(Self(fd))
    }

    /// Connects, and speaks the newest version from then on.
    ///
    /// # Errors
    /// What the kernel says; `CONNREFUSED` if the broker refuses.
    pub fn greeted(path: &Path) -> Result<Self, Errno> {
        let stranger = Self::connect(path)?;
        let hello = PodMessage::Hello { min: 1, max: 2 }.encode(1, Version::OLDEST).map_err(|_| Errno::INVAL)?;
        stranger.send(&hello, &[])?;
        let mut buffer = [0; MAX_MESSAGE_OCTETS];
        let (octets, _) = stranger.receive(&mut buffer)?;
        match BrokerMessage::decode(&buffer[..octets], Version::OLDEST) {
            Ok((_, BrokerMessage::Welcome { .. })) => Ok(stranger),
            _ => Err(Errno::CONNREFUSED),
        }
    }

    /// Sends a message, and never waits.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn say(&self, message: &PodMessage) -> Result<(), Errno> {
        self.send(&message.encode(2, Version::NEWEST).map_err(|_| Errno::INVAL)?, &[])
    }

    /// Sends octets and descriptors, and never waits.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&self, octets: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Errno::MSGSIZE);
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.0, &[IoSlice::new(octets)], &mut control, flags).map(drop)
    }

    /// The next message and all that it brings.
    ///
    /// # Errors
    /// What the kernel says; `CONNRESET` when the broker has closed, `BADMSG` for what is no message.
    pub fn hear(&self) -> Result<(BrokerMessage, Vec<OwnedFd>), Errno> {
        let mut buffer = [0; MAX_MESSAGE_OCTETS];
        let (octets, fds) = self.receive(&mut buffer)?;
        let (_, message) = BrokerMessage::decode(&buffer[..octets], Version::NEWEST).map_err(|_| Errno::BADMSG)?;
        Ok((message, fds))
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(&self.0, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = message {
                fds.extend(passed);
            }
        }
        if got.bytes == 0 { Err(Errno::CONNRESET) } else { Ok((got.bytes, fds)) }
    }
}

/// A socket with unsent octets that lingers for an hour, so that who closes it last waits that long; and its reader, whose
/// end is the end of that.
///
/// # Errors
/// What the kernel says.
pub fn lingering() -> std::io::Result<(OwnedFd, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut socket = TcpStream::connect(listener.local_addr()?)?;
    let (reader, _) = listener.accept()?;
    socket.set_nonblocking(true)?;
    while socket.write(&[0; 1 << 16]).is_ok() {}
    socket.set_nonblocking(false)?;
    set_socket_linger(&socket, Some(Duration::from_secs(3600)))?;
    Ok((socket.into(), reader))
}

/// The same descriptor twice: as many as a message may bring.
#[must_use]
pub fn both(fd: &OwnedFd) -> [BorrowedFd<'_>; 2] {
    [fd.as_fd(), fd.as_fd()]
}
