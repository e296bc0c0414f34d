//! Consumers on tokio: a task that waits for a slice, and no thread.
//!
//! The task is woken by its bell, which is a descriptor, and not by the futex. Every future here can be dropped at any
//! time; nothing is lost, and nobody goes on waking for it.
//!
//! ```no_run
//! use shm::{ConsumerClass, Session, aio::AsyncConsumer};
//!
//! # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::connect("/run/flypack/broker.sock".as_ref())?;
//! let class = ConsumerClass::Leased { k: 2, deadline_nanos: 500_000_000 };
//! let mut consumer = AsyncConsumer::new(session.subscribe(&"cam-1".parse()?, class)?)?;
//! loop {
//!     let grain = consumer.next().await?;
//!     let half = consumer.wait_until(grain.index(), 540).await?;
//!     println!("{}: {} lines so far", grain.index(), half.slices);
//! }
//! # }
//! ```

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use media::GrainIndex;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::grain::{GrainLease, GrainState};
use crate::reader::{FrameReader, ReadError, WaitError};
use crate::session::Consumer;
use crate::wake::{Alarm, Announced, Bell, FRUITLESS_TURNS, LOOK_EVERY, Want};

/// A consumer whose waits are futures.
#[derive(Debug)]
pub struct AsyncConsumer {
    /// The bell of the seat that was slept in last.
    bell: Option<AsyncFd<Arc<Bell>>>,
    consumer: Consumer,
    /// Sleeps that nobody ended.
    #[cfg(test)]
    overslept: u64,
}

impl AsyncConsumer {
    /// To be called within a tokio runtime that drives I/O and time.
    ///
    /// # Errors
    /// What the kernel says of one descriptor more to wait for.
    pub fn new(mut consumer: Consumer) -> io::Result<Self> {
        let bell = consumer.reader().bell().map(register).transpose()?;
        Ok(Self {
            bell,
            consumer,
            #[cfg(test)]
            overslept: 0,
        })
    }

    /// The consumer itself, which finds, leases and follows grains without waiting. It may also take another seat
    /// ([`Consumer::rejoin`], which blocks the thread until it has one): the task is then woken in that.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// The consumer, to wait in threads again.
    #[must_use]
    pub fn into_consumer(self) -> Consumer {
        self.consumer
    }

    /// The next grain that was not passed yet, as soon as it is opened; grains that were left out or are gone already are
    /// passed. Which slices are there says [`GrainLease::state`], or [`Self::wait_until`] when there will be more.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn next(&mut self) -> Result<GrainLease, WaitError> {
        let mut turns = 0_u32;
        loop {
            turns = turns.wrapping_add(1);
            // A producer that shows grains and takes them away must not keep the executor's thread.
            if turns.is_multiple_of(FRUITLESS_TURNS) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let reader = self.consumer.reader();
            let awaited = match reader.next_or_awaited() {
                Ok(index) => match reader.lease(index) {
                    // What was opened is opened for good, unless a producer takes it back.
                    Err(error) if is_passing(&error) || matches!(error, ReadError::NotYet { .. }) => continue,
                    leased => return Ok(leased?),
                },
                Err(awaited) => awaited,
            };
            match self.wait_until(awaited, 0).await {
                Ok(_) => {}
                Err(WaitError::Read(error)) if is_passing(&error) && awaited.0 < GrainIndex::LIMIT => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`FrameReader::wait_until`], without a deadline: put it into a `tokio::time::timeout` for one.
    ///
    /// # Errors
    /// [`WaitError`], but never [`WaitError::TimedOut`].
    pub async fn wait_until(&mut self, index: GrainIndex, slices: u16) -> Result<GrainState, WaitError> {
        let want = FrameReader::want(index, slices)?;
        loop {
            let reader = self.consumer.reader();
            if let Some(state) = reader.look(want)? {
                return Ok(state);
            }
            if reader.producer_gone_at(Instant::now()) {
                return reader.last_look(want);
            }
            self.sleep(want).await;
        }
    }

    /// Until somebody rings; not for long.
    async fn sleep(&mut self, want: Want) {
        self.follow_the_seat();
        let posted = Posted(self.consumer.reader());
        let (announced, longest) = (posted.0.announce(want, Alarm::Bell), posted.0.longest_sleep());
        match (announced, &self.bell) {
            (Announced::Reached, _) => {}
            (Announced::ToWaker, Some(bell)) => match tokio::time::timeout(longest, bell.readable()).await {
                // All is heard at once; whatever comes from here on makes it ready again.
                Ok(Ok(mut ready)) => {
                    posted.0.hear_bell();
                    ready.clear_ready();
                }
                Ok(Err(_)) => tokio::time::sleep(LOOK_EVERY).await,
                Err(_) => {
                    #[cfg(test)]
                    {
                        self.overslept += 1;
                    }
                }
            },
            (Announced::ToNobody | Announced::ToWaker, _) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }

    /// Every seat has a bell of its own, and that of a seat that was left is ready for ever: its other end is closed.
    fn follow_the_seat(&mut self) {
        let bell = self.consumer.reader().bell();
        let is_followed = match (&self.bell, bell) {
            (Some(followed), Some(bell)) => Arc::ptr_eq(followed.get_ref(), bell),
            (followed, bell) => followed.is_none() && bell.is_none(),
        };
        if !is_followed {
            // Where the kernel refuses, the task looks now and then, and asks again.
            self.bell = bell.and_then(|bell| register(bell).ok());
        }
    }
}

fn register(bell: &Arc<Bell>) -> io::Result<AsyncFd<Arc<Bell>>> {
    // SAFETY: a `Bell` has the same open descriptor until it drops, and this holds it.
    let registered = unsafe { AsyncFd::register_with_interest(Arc::clone(bell), Interest::READABLE) };
    Ok(registered?)
}

/// A want that stands. Whoever drops the future takes it back.
struct Posted<'a>(&'a mut FrameReader);

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        self.0.take_back_want();
    }
}

/// Whether there is a later grain to look for.
fn is_passing(error: &ReadError) -> bool {
    matches!(error, ReadError::Gone { .. } | ReadError::Torn { .. })
}
