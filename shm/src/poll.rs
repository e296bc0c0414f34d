//! The epoll of a housekeeping thread: what each wake-up is about.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// What a wake-up is about. Numbers are never used twice, so a late event of something closed finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Another thread has something to tell.
    Wake,
    /// Somebody connects.
    Listener,
    /// A connection is readable or closed.
    Connection(u64),
    /// A consumer's life pipe hung up.
    Consumer(u64),
    /// The life pipe of a producer hung up.
    Producer(u64),
    /// A consumer rang its bell, or closed it.
    Bell(u64),
}

/// Most events taken from the kernel at once.
pub(crate) const EVENTS: usize = 64;

impl Token {
    const fn encode(self) -> u64 {
        match self {
            Self::Wake => 0,
            Self::Listener => 1,
            Self::Connection(id) => id << 3 | 2,
            Self::Consumer(id) => id << 3 | 3,
            Self::Producer(id) => id << 3 | 4,
            Self::Bell(id) => id << 3 | 5,
        }
    }

    const fn decode(data: u64) -> Self {
        let id = data >> 3;
        match data & 7 {
            1 => Self::Listener,
            2 => Self::Connection(id),
            3 => Self::Consumer(id),
            4 => Self::Producer(id),
            5 => Self::Bell(id),
            _ => Self::Wake,
        }
    }
}

/// An epoll object with an eventfd by which other threads wake it.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
    wake: OwnedFd,
}

impl Poll {
    pub(crate) fn new() -> Result<Self, Errno> {
        let poll = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        };
        epoll::add(&poll.epoll, &poll.wake, EventData::new_u64(Token::Wake.encode()), EventFlags::IN)?;
        Ok(poll)
    }

    /// Wakes the waiting thread.
    pub(crate) fn wake(&self) {
        // Full means that it is awake already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Reports when `fd` is readable or hung up.
    pub(crate) fn watch_input(&self, fd: impl AsFd, token: Token) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token.encode()), EventFlags::IN | EventFlags::RDHUP)
    }

    /// Reports when `fd` hangs up, whatever is written into it.
    pub(crate) fn watch_hang_up(&self, fd: impl AsFd, token: Token) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token.encode()), EventFlags::empty())
    }

    /// Reports nothing about `fd` any more. Call before closing it.
    pub(crate) fn forget(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits for events, at most `timeout`, and hands them out.
    pub(crate) fn wait(&self, timeout: Option<Duration>, tokens: &mut Vec<Token>) -> Result<(), Errno> {
        let empty = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = [empty; EVENTS];
        let timeout = timeout.and_then(|limit| Timespec::try_from(limit).ok());
        let count = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno),
        };
        tokens.clear();
        tokens.extend(events[..count].iter().map(|event| Token::decode(event.data.u64())));
        if tokens.contains(&Token::Wake) {
            let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::life_pipe;

    #[test]
    fn tokens_round_trip() {
        let few = [Token::Wake, Token::Listener, Token::Connection(7), Token::Consumer(0)];
        for token in few.into_iter().chain([Token::Producer(1 << 60), Token::Bell(3)]) {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }

    #[test]
    fn only_the_hang_up_of_a_life_pipe_wakes() {
        let poll = Poll::new().unwrap();
        let (end, watch) = life_pipe().unwrap();
        poll.watch_hang_up(&watch, Token::Consumer(9)).unwrap();
        let mut tokens = Vec::new();
        rustix::io::write(&end, b"noise").unwrap();
        poll.wait(Some(Duration::ZERO), &mut tokens).unwrap();
        assert_eq!(tokens, []);
        drop(end);
        poll.wait(None, &mut tokens).unwrap();
        assert_eq!(tokens, [Token::Consumer(9)]);
        poll.forget(&watch);
        poll.wake();
        poll.wait(None, &mut tokens).unwrap();
        assert_eq!(tokens, [Token::Wake]);
    }
}
