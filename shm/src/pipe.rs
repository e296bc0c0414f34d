//! Life pipes: a pipe nobody writes to, whose closing says that a process is gone.
//!
//! The kernel closes the write end when its holder dies, whichever way, and the read end hangs up. What a hostile
//! holder writes is never read and never waited for: only the hang-up counts.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// The end that a process holds to say that it lives.
#[derive(Debug)]
pub(crate) struct LifeEnd {
    fd: OwnedFd,
}

/// The end on which another hears that it is gone.
#[derive(Debug)]
pub(crate) struct LifeWatch {
    fd: OwnedFd,
}

/// A new life pipe.
pub(crate) fn life_pipe() -> Result<(LifeEnd, LifeWatch), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // One page instead of sixteen: a user's pages in pipes are limited. Without it the pipe works as well.
    let _ = fcntl_setpipe_size(&write, 4096);
    Ok((LifeEnd { fd: write }, LifeWatch { fd: read }))
}

impl LifeEnd {
    /// The bare descriptor, for whoever keeps it until it has unmapped everything.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Wraps the end that the broker sent.
    pub(crate) const fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl LifeWatch {
    /// Wraps the end that the broker sent.
    pub(crate) const fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Whether every holder of the other end is gone. Does not wait.
    pub(crate) fn is_gone(&self) -> bool {
        let mut ends = [PollFd::new(&self.fd, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut ends, Some(&now)) {
            Ok(_) => ends[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
            Err(_) => false,
        }
    }
}

impl AsFd for LifeEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsFd for LifeWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_close_says_gone() {
        let (end, watch) = life_pipe().unwrap();
        let second = end.fd.try_clone().unwrap();
        assert!(!watch.is_gone());
        drop(end);
        assert!(!watch.is_gone());
        drop(second);
        assert!(watch.is_gone());
    }

    #[test]
    fn writing_into_it_says_nothing() {
        let (end, watch) = life_pipe().unwrap();
        rustix::io::write(&end, b"noise").unwrap();
        assert!(!watch.is_gone());
        drop(end);
        assert!(watch.is_gone());
    }
}
