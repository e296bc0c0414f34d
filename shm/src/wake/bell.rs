//! Bells: the socket pair between a consumer and its waker.
//!
//! The consumer rings to be looked after, the waker rings to wake it. An octet says nothing but that it came; nobody ever
//! waits for the other to read, as a full socket means that the other has enough to hear. When an end closes, the other
//! hears that too. An eventfd would not do: whoever has it can fill it, and block the other's write.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use crate::passing;
use crate::pipe::LifeWatch;

/// One end.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
}

/// What an end has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    Rung,
    /// The other end is closed.
    HungUp,
}

/// What became of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// An octet is there to be heard, this one or one before.
    Queued,
    /// The kernel had no memory for it: nobody will hear anything.
    NotNow,
    /// The other end is closed.
    HungUp,
}

impl Rung {
    const fn of(sent: Result<usize, Errno>) -> Self {
        match sent {
            // Again: the queue is full, for it has been rung and not listened to.
            Ok(_) | Err(Errno::AGAIN) => Self::Queued,
            Err(Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => Self::NotNow,
            Err(_) => Self::HungUp,
        }
    }
}

/// What the kernel queues each way; it takes the least that it can.
const QUEUE_OCTETS: usize = 1;
/// Octets taken at once: more than are ever queued.
const OCTETS_A_TURN: usize = 64;

/// A consumer's end and its waker's.
pub(crate) fn bell_pair() -> Result<(Bell, Bell), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (consumer, waker) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    for end in [&consumer, &waker] {
        set_socket_send_buffer_size(end, QUEUE_OCTETS)?;
    }
    // A consumer may send descriptors along, and who receives the octet closes them.
    passing::refuse(&waker);
    Ok((Bell { fd: consumer }, Bell { fd: waker }))
}

impl Bell {
    /// Wraps the end that the broker sent.
    pub(crate) const fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Rings, and never waits.
    pub(crate) fn ring(&self) -> Rung {
        Rung::of(send(&self.fd, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    /// Sleeps until there is something to hear, or who lives on the other side is gone, at most `limit`. May end early.
    pub(crate) fn sleep(&self, other_side: Option<&LifeWatch>, limit: Duration) {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let bell = PollFd::new(self, PollFlags::IN);
        // Rung, hung up, interrupted or late: whoever sleeps looks for itself.
        let _ = match other_side {
            Some(life) => poll(&mut [bell, PollFd::new(life, PollFlags::empty())], Some(&limit)),
            None => poll(&mut [bell], Some(&limit)),
        };
    }

    /// Takes what was rung, a bounded part of it, and never waits.
    pub(crate) fn hear(&self) -> Heard {
        let mut octets = [0; OCTETS_A_TURN];
        match recv(&self.fd, &mut octets, RecvFlags::DONTWAIT) {
            Ok((0, _)) => Heard::HungUp,
            Ok(_) => Heard::Rung,
            Err(Errno::AGAIN | Errno::INTR) => Heard::Nothing,
            Err(_) => Heard::HungUp,
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seqpacket::{SeqPacket, Wait};

    #[test]
    fn a_ring_is_heard_once_and_a_hang_up_always() {
        let (consumer, waker) = bell_pair().unwrap();
        assert_eq!(waker.hear(), Heard::Nothing);
        assert_eq!([consumer.ring(), consumer.ring()], [Rung::Queued; 2]);
        assert_eq!((waker.hear(), waker.hear()), (Heard::Rung, Heard::Nothing));
        assert_eq!(waker.ring(), Rung::Queued);
        drop(waker);
        assert_eq!((consumer.hear(), consumer.hear(), consumer.hear()), (Heard::Rung, Heard::HungUp, Heard::HungUp));
        assert_eq!(consumer.ring(), Rung::HungUp);
    }

    #[test]
    fn an_octet_without_memory_is_not_rung() {
        assert_eq!(Rung::of(Err(Errno::AGAIN)), Rung::Queued);
        for errno in [Errno::INTR, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(Rung::of(Err(errno)), Rung::NotNow);
        }
    }

    #[test]
    fn ringing_one_who_does_not_listen_never_waits() {
        let (consumer, waker) = bell_pair().unwrap();
        // The consumer may make its end a blocking one, and as large as it likes: the waker does not care.
        rustix::io::ioctl_fionbio(&consumer, false).unwrap();
        rustix::io::ioctl_fionbio(&waker, false).unwrap();
        for _ in 0..100_000 {
            assert_eq!(waker.ring(), Rung::Queued);
        }
        assert_eq!((consumer.hear(), consumer.hear()), (Heard::Rung, Heard::Nothing), "the queue is short");
    }

    #[test]
    fn no_descriptor_enters_the_waker() {
        let (consumer, waker) = bell_pair().unwrap();
        let consumer = SeqPacket::from_fd(consumer.fd);
        let file = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
        match consumer.send(&[1], &[file.as_fd()], Wait::Never) {
            Err(Errno::PERM) => assert_eq!(waker.hear(), Heard::Nothing),
            // A kernel before 6.16: it is dropped as the octet is heard.
            sent => assert_eq!((sent, waker.hear()), (Ok(()), Heard::Rung)),
        }
    }
}
