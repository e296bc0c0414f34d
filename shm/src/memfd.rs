//! Memfds and their seals: what keeps a consumer from writing, shrinking or punching a ring.
//!
//! A read-only descriptor alone protects nothing: it reopens read-write through `/proc/self/fd`. The
//! seals do, also against root.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::pages::Pages;

/// From birth: nobody changes the size, so no access is ever SIGBUS.
pub(crate) const BIRTH_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);
/// Of a ring that consumers may have: nobody gets a new way to write, and that is final.
pub(crate) const RING_SEALS: SealFlags = BIRTH_SEALS.union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);
/// Of a lease page: its consumer keeps writing.
pub(crate) const LEASE_SEALS: SealFlags = BIRTH_SEALS.union(SealFlags::SEAL);

/// `F_SEAL_EXEC` (Linux 6.3): the kernel may add it by itself (`vm.memfd_noexec`); it does no harm.
const SEAL_EXEC: SealFlags = SealFlags::from_bits_retain(0x20);

/// Why a descriptor is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Seals are missing, or there are some that nobody here set.
    #[error("the memfd has seals {actual:#x} instead of {expected:#x}")]
    Seals {
        /// `F_GET_SEALS` of the descriptor.
        actual: u32,
        /// What it should be.
        expected: u32,
    },
    /// Not a memfd, or the kernel refused.
    #[error("seals of the descriptor cannot be read: {0}")]
    Kernel(#[from] Errno),
}

/// Whether `fd` carries the seals of a ring that consumers may map: for whoever receives one.
///
/// # Errors
/// [`SealError`].
pub fn check_ring_seals(fd: BorrowedFd<'_>) -> Result<(), SealError> {
    check_seals(fd, RING_SEALS)
}

pub(crate) fn check_seals(fd: BorrowedFd<'_>, expected: SealFlags) -> Result<(), SealError> {
    let actual = rustix::fs::fcntl_get_seals(fd)?;
    if actual.difference(SEAL_EXEC) == expected {
        Ok(())
    } else {
        Err(SealError::Seals { actual: actual.bits(), expected: expected.bits() })
    }
}

/// A second, read-only descriptor of the same memfd.
///
/// # Errors
/// What opening it through `/proc` says.
pub fn read_only(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    retry_on_intr(|| rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))
}

/// A second description of the same memfd, for reading and writing; before it is made read-only.
pub(crate) fn read_write(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    retry_on_intr(|| rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()))
}

/// A memfd of `octets` octets that can neither shrink nor grow; not yet faulted in.
pub(crate) fn create(name: &str, octets: u64, pages: Pages) -> Result<OwnedFd, Errno> {
    let mut flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    if pages == Pages::Huge2M {
        flags |= MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    }
    let fd = rustix::fs::memfd_create(name, flags)?;
    rustix::fs::ftruncate(&fd, octets)?;
    rustix::fs::fcntl_add_seals(&fd, BIRTH_SEALS)?;
    Ok(fd)
}

/// Faults every page in (again): a hole would be SIGBUS for a consumer without a hugetlb limit of its own.
pub(crate) fn allocate(fd: BorrowedFd<'_>, octets: u64) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::fallocate(fd, FallocateFlags::empty(), 0, octets))
}

/// Owner may read; nobody may open it for writing again (root can, and meets the seal).
pub(crate) fn make_read_only(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::fchmod(fd, Mode::RUSR)
}

/// Duplicates a descriptor, close-on-exec.
pub(crate) fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), 3)
}
