//! Where an idle worker sleeps until something happens.
//!
//! A [`Bed`] is an epoll: in it are the [`Alarm`]s of the queues, which turn readable as packets arrive, and one
//! [`Doorbell`], by which other threads end the sleep. All alarms are edge-triggered: what is slept on was polled dry just
//! before, so the next packet is an edge, and a device's interrupt need not be read.
//!
//! Sleeping is a system call, and so is ringing: neither belongs into a turn that has something to do.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Alarms taken from the kernel at once; which ones they are does not matter.
const ALARMS: usize = 64;

/// What turns readable as packets arrive.
#[derive(Clone, Copy, Debug)]
pub struct Alarm<'a>(pub BorrowedFd<'a>);

/// Ends the sleep in one bed, or keeps it from beginning. Rings are not counted.
#[derive(Debug)]
pub struct Doorbell(OwnedFd);

impl Doorbell {
    /// # Errors
    /// What the kernel says of one descriptor more.
    pub fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Rings. Never waits.
    pub fn ring(&self) {
        // Full means that nobody has slept for 2⁶⁴ rings: it rings already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// What one worker sleeps on.
#[derive(Debug)]
pub struct Bed {
    epoll: OwnedFd,
    bell: Arc<Doorbell>,
}

impl Bed {
    /// A bed in which `bell` is heard, and nothing else.
    ///
    /// # Errors
    /// What the kernel says of one descriptor more.
    pub fn new(bell: Arc<Doorbell>) -> io::Result<Self> {
        let epoll = made(&bell)?;
        Ok(Self { epoll, bell })
    }

    /// Forgets all alarms.
    ///
    /// # Errors
    /// As [`Self::new`]; the alarms are then still there.
    pub fn clear(&mut self) -> io::Result<()> {
        self.epoll = made(&self.bell)?;
        Ok(())
    }

    /// Wakes by `alarm` from now on, until its descriptor closes or [`Self::clear`].
    ///
    /// # Errors
    /// What the kernel says; the alarm is not heard then.
    pub fn set(&self, alarm: Alarm<'_>) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, alarm.0, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?)
    }

    /// Sleeps until an alarm or the bell, at most `limit`; returns whether one of them rang. May end early.
    pub fn sleep(&self, limit: Duration) -> bool {
        // By poll, whose limit is in nanoseconds; that of epoll is in milliseconds.
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        if !matches!(poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&limit)), Ok(1)) {
            return false;
        }
        let none = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        // Heard once, these alarms ring again at the next packet only. Whoever slept looks at every queue.
        let _ = epoll::wait(&self.epoll, &mut [none; ALARMS], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        true
    }
}

fn made(bell: &Doorbell) -> io::Result<OwnedFd> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &bell.0, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
    Ok(epoll)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;

    /// Longer than any test may take: a sleep that nobody ends hangs, and is not mistaken for one that was ended.
    const LONG: Duration = Duration::from_secs(1_000);

    #[test]
    fn a_ring_ends_the_sleep_and_one_before_it_keeps_it_from_beginning() {
        let bell = Doorbell::new().unwrap();
        let bed = Bed::new(Arc::clone(&bell)).unwrap();
        bell.ring();
        bell.ring();
        assert!(bed.sleep(LONG));
        // Both rings were heard by the first sleep.
        assert!(!bed.sleep(Duration::ZERO));
        let ringing = thread::spawn(move || bell.ring());
        assert!(bed.sleep(LONG));
        ringing.join().unwrap();
    }

    #[test]
    fn each_packet_is_an_alarm_as_long_as_it_is_set() {
        let mut bed = Bed::new(Doorbell::new().unwrap()).unwrap();
        let (heard, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        bed.set(Alarm(heard.as_fd())).unwrap();
        for octet in 0..3 {
            far.send_to(&[octet], heard.local_addr().unwrap()).unwrap();
            assert!(bed.sleep(LONG));
            // Nothing is taken out of the queue: the next packet is an edge all the same.
        }
        assert!(bed.set(Alarm(heard.as_fd())).is_err(), "it is set already");
        bed.clear().unwrap();
        assert!(bed.set(Alarm(heard.as_fd())).is_ok());
    }
}
