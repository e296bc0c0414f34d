//! Lease pages (C): 4 KiB per consumer, written by that consumer, read once and clamped by the writer.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use crate::atomics::{Ordering, fence};
use crate::layout::{LEASE_PAGE_OCTETS, LeaseWords};
use crate::mapping::{Access, MapError, Mapping};
use crate::memfd::{self, LEASE_SEALS};
use crate::pages::Pages;
use crate::seed::sound;

const CURSOR: usize = offset_of!(LeaseWords, cursor);
const ACK: usize = offset_of!(LeaseWords, ack);
const WANT: usize = offset_of!(LeaseWords, want);

/// The memfd of one lease page, as the broker makes it.
///
/// Sealed against any change of size. The consumer's descriptor stays writable, so the producer's read-only
/// one is a courtesy: the writer trusts nothing in the page, whoever wrote it.
#[derive(Debug)]
pub struct LeasePage {
    fd: OwnedFd,
    /// A description of the consumer's own: so it is known whether it still has the page.
    consumer: OwnedFd,
}

impl LeasePage {
    /// Octets of a lease page.
    pub const OCTETS: u64 = LEASE_PAGE_OCTETS as u64;

    /// A new page, zeroed, faulted in and sealed.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn create() -> Result<Self, Errno> {
        let fd = memfd::create("flypack-lease", Self::OCTETS, Pages::Plain)?;
        memfd::allocate(fd.as_fd(), Self::OCTETS)?;
        rustix::fs::fcntl_add_seals(&fd, LEASE_SEALS)?;
        let consumer = memfd::read_write(fd.as_fd())?;
        memfd::make_read_only(fd.as_fd())?;
        Ok(Self { fd, consumer })
    }

    /// The read-write descriptor for the consumer.
    ///
    /// # Errors
    /// What duplicating it says.
    pub fn consumer_fd(&self) -> Result<OwnedFd, Errno> {
        memfd::duplicate(&self.consumer)
    }

    /// A read-only descriptor for the producer.
    ///
    /// # Errors
    /// What opening it says.
    pub fn producer_fd(&self) -> Result<OwnedFd, Errno> {
        memfd::read_only(self.fd.as_fd())
    }

    /// The page mapped in this process.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn map(&self, access: Access) -> Result<Mapping, MapError> {
        Mapping::map(self.fd.as_fd(), Self::OCTETS, access)
    }

    /// What [`Self::into_fd`] gives, while the page is still needed: the same open description.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn keep_fd(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// The page given up: the descriptor that it was made with, to tell who else has it.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Maps a received descriptor of a lease page, if it is sealed as one must be.
    ///
    /// # Errors
    /// [`MapError`]; `EPERM` when the seals are wrong.
    pub fn map_received(fd: &OwnedFd, access: Access) -> Result<Mapping, MapError> {
        memfd::check_seals(fd.as_fd(), LEASE_SEALS).map_err(|_| MapError::Kernel(Errno::PERM))?;
        Mapping::map(fd.as_fd(), Self::OCTETS, access)
    }
}

/// The consumer's cursor as the writer reads it: any value at all.
pub(crate) fn cursor(page: &Mapping) -> u64 {
    // Pairs with raise_cursor: the consumer's reads are over.
    sound!(page.load_acquire(CURSOR), unless CursorReadRelaxed => page.load(CURSOR))
}

/// Moves the consumer's cursor up to `index`; never back.
pub(crate) fn raise_cursor(page: &Mapping, index: u64) {
    // Pairs with cursor.
    sound!(page.raise_release(CURSOR, index), unless CursorRaisedRelaxed => page.raise_relaxed(CURSOR, index));
}

/// The eviction that the consumer acknowledges, as the writer reads it: any value at all.
pub(crate) fn acknowledged(page: &Mapping) -> u64 {
    // Pairs with acknowledge: the consumer's reads are over.
    sound!(page.load_acquire(ACK), unless AcknowledgementReadRelaxed => page.load(ACK))
}

/// Acknowledges the eviction of the membership `nonce`.
pub(crate) fn acknowledge(page: &Mapping, nonce: u64) {
    // Pairs with acknowledged.
    sound!(page.store_release(ACK, nonce), unless AcknowledgedRelaxed => page.store(ACK, nonce));
}

/// Posts what the consumer is about to sleep for.
pub(crate) fn post_want(page: &Mapping, word: u64) {
    page.store(WANT, word);
    // Dekker: pairs with the fence between a waker's publishing and its look at `wanted`. What is looked at from here on
    // was published before the waker looked, or the waker sees this.
    sound!(fence(Ordering::SeqCst), unless WantUnfenced);
}

/// The consumer is awake.
pub(crate) fn take_back_want(page: &Mapping) {
    sound!(page.store(WANT, 0), unless WantLeft);
}

/// What the consumer sleeps for, as a waker reads it: any value at all.
pub(crate) fn wanted(page: &Mapping) -> u64 {
    page.load(WANT) // ordered by the fences that post_want pairs with
}
