//! Files that are read and written past the page cache, by io_uring, out of and into memory that stays where it is.
//!
//! The one place of `unsafe` in this crate. What the kernel works on is owned by the file until the kernel says that it is
//! done, also when the file is dropped meanwhile.
#![allow(
    unsafe_code,
    reason = "the kernel reads and writes memory behind the compiler's back; every block says why it may"
)]

mod block;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use std::{mem, thread};

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;
use shm::StableBytes;

pub(crate) use block::Block;

/// How long who drops a file waits for what is still under way.
const LAST_WAIT: Duration = Duration::from_secs(4);
/// Between two looks, where the kernel does not wait.
const PAUSE: Duration = Duration::from_millis(1);

/// A file, and the transfers on it that are under way.
pub(crate) struct DirectFile<B: StableBytes> {
    ring: IoUring,
    file: OwnedFd,
    flights: Vec<Option<Flight<B>>>,
    landed: VecDeque<Landed<B>>,
}

/// A transfer that has ended.
pub(crate) struct Landed<B> {
    /// What whoever began it called it.
    pub(crate) tag: u64,
    /// The memory.
    pub(crate) bytes: B,
    /// Whether all of it was transferred.
    pub(crate) outcome: io::Result<()>,
}

struct Flight<B> {
    tag: u64,
    bytes: B,
    way: Way,
    octets: u32,
    done: u32,
    offset: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Read,
    Write,
}

/// Why io_uring cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("io_uring: {cause}; {}", remedy(cause))]
pub(crate) struct RingError {
    cause: io::Error,
}

fn remedy(cause: &io::Error) -> &'static str {
    match Errno::from_io_error(cause) {
        Some(Errno::PERM | Errno::ACCESS) => {
            "allow it: sysctl kernel.io_uring_disabled=0, and in a container a seccomp profile that lets io_uring_setup pass"
        }
        Some(Errno::NOSYS) => "this kernel has none: use Linux 5.11 or later",
        Some(Errno::NOMEM) => "raise the limit of locked memory (LimitMEMLOCK=infinity)",
        _ => "see kernel.io_uring_disabled and the seccomp profile of the container",
    }
}

impl<B: StableBytes> DirectFile<B> {
    /// `file`, opened with `O_DIRECT`, with at most `depth` transfers under way.
    ///
    /// # Errors
    /// [`RingError`].
    pub(crate) fn new(file: OwnedFd, depth: u16) -> Result<Self, RingError> {
        let ring = IoUring::new(u32::from(depth.max(1))).map_err(|cause| RingError { cause })?;
        let flights = (0..depth.max(1)).map(|_| None).collect();
        Ok(Self { ring, file, flights, landed: VecDeque::new() })
    }

    /// The file.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Transfers under way.
    pub(crate) fn flying(&self) -> usize {
        self.flights.iter().flatten().count()
    }

    /// Whether another one may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.flights.iter().any(Option::is_none)
    }

    /// Begins to write the first `octets` octets of `bytes` at `offset`. Gives them back where there is no room.
    pub(crate) fn write(&mut self, tag: u64, bytes: B, octets: u32, offset: u64) -> Result<(), B> {
        self.begin(Flight { tag, bytes, way: Way::Write, octets, done: 0, offset })
    }

    fn begin(&mut self, flight: Flight<B>) -> Result<(), B> {
        assert!(flight.octets as usize <= flight.bytes.octets(), "a transfer of more octets than there are");
        let Some(place) = self.flights.iter().position(Option::is_none) else { return Err(flight.bytes) };
        self.flights[place] = Some(flight);
        self.submit(place);
        Ok(())
    }

    /// Hands the kernel what is left of a transfer; where it does not take it, the transfer has ended.
    fn submit(&mut self, place: usize) {
        let Some(flight) = &self.flights[place] else { return };
        let (left, offset) = (flight.octets - flight.done, flight.offset + u64::from(flight.done));
        // SAFETY: `done` never exceeds `octets`, which `begin` checked against the memory.
        let address = unsafe { flight.bytes.as_ptr().add(flight.done as usize) };
        let file = Fd(self.file.as_raw_fd());
        let entry = match flight.way {
            Way::Write => opcode::Write::new(file, address, left).offset(offset).build(),
            Way::Read => opcode::Read::new(file, address.cast_mut(), left).offset(offset).build(),
        };
        if let Err(cause) = self.push(&entry.user_data(place as u64)) {
            self.land(place, Err(cause));
        }
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: file and memory of the entry belong to `self`: the memory stays where it is and is kept until its completion
        // was seen (StableBytes; `land`, `drop`). It is read only, or it is a block that nobody else has a reference to.
        unsafe { self.ring.submission().push(entry) }.map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        loop {
            match self.ring.submit() {
                Ok(_) => return Ok(()),
                Err(error) if is_passing(&error) => self.take_completions(),
                // The entry stays in the queue, and goes with the next one: its memory stays too.
                Err(error) => {
                    tracing::warn!("io_uring does not take a transfer now: {error}");
                    return Ok(());
                }
            }
        }
    }

    /// Waits until a transfer ends, for `limit` and no less; not at all where none is under way.
    pub(crate) fn wait(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            self.take_completions();
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.landed.is_empty() || self.flying() == 0 || left.is_zero() {
                return;
            }
            let timeout = Timespec::new().sec(left.as_secs()).nsec(left.subsec_nanos());
            let waited = self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout));
            // A signal, or the end of the time, is looked at above. One that does not wait at all must not turn for ever.
            if waited.is_err_and(|error| !is_interruption(&error)) {
                thread::sleep(left.min(PAUSE));
            }
        }
    }

    /// A transfer that has ended.
    pub(crate) fn landed(&mut self) -> Option<Landed<B>> {
        self.take_completions();
        self.landed.pop_front()
    }

    fn take_completions(&mut self) {
        while let Some(entry) = self.next_completion() {
            self.complete(entry.user_data() as usize, entry.result());
        }
    }

    fn next_completion(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    fn complete(&mut self, place: usize, result: i32) {
        let Some(flight) = self.flights.get_mut(place).and_then(Option::as_mut) else { return };
        match u32::try_from(result) {
            Ok(0) => self.land(place, Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(octets) => {
                flight.done = flight.octets.min(flight.done.saturating_add(octets));
                if flight.done == flight.octets { self.land(place, Ok(())) } else { self.submit(place) }
            }
            Err(_) => {
                let cause = io::Error::from_raw_os_error(-result);
                if is_passing(&cause) { self.submit(place) } else { self.land(place, Err(cause)) }
            }
        }
    }

    fn land(&mut self, place: usize, outcome: io::Result<()>) {
        if let Some(Flight { tag, bytes, .. }) = self.flights[place].take() {
            self.landed.push_back(Landed { tag, bytes, outcome });
        }
    }
}

impl DirectFile<Block> {
    /// Begins to read `octets` octets at `offset` into `block`. Gives it back where there is no room.
    pub(crate) fn read(&mut self, tag: u64, block: Block, octets: u32, offset: u64) -> Result<(), Block> {
        self.begin(Flight { tag, bytes: block, way: Way::Read, octets, done: 0, offset })
    }
}

fn is_interruption(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INTR | Errno::TIME))
}

fn is_passing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INTR | Errno::AGAIN | Errno::BUSY))
}

/// Memory is given back when the kernel is done with it, or never.
impl<B: StableBytes> Drop for DirectFile<B> {
    fn drop(&mut self) {
        let deadline = Instant::now() + LAST_WAIT;
        while self.flying() > 0 && Instant::now() < deadline {
            self.wait(deadline.saturating_duration_since(Instant::now()));
            self.landed.clear();
        }
        let left = self.flights.iter_mut().filter_map(Option::take);
        left.for_each(|flight| {
            tracing::error!(
                "the disk has not answered for {} s: the memory of a transfer is kept for good",
                LAST_WAIT.as_secs()
            );
            mem::forget(flight);
        });
    }
}

#[cfg(test)]
mod tests;
