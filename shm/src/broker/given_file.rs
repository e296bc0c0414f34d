//! A memfd that other processes were given, and whether they still have it.
//!
//! The kernel says so by a lease (fcntl(2), `F_SETLEASE`): one for writing is given only to whoever has the file open alone,
//! one for reading only where nobody has it open for writing; what is mapped is open. For that each process gets a file
//! description of its own. The one that a memfd was made with is not counted, so this process may keep that one.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, OFlags};
use rustix::io::Errno;

use crate::{Pages, memfd};

/// See the module.
#[derive(Debug)]
pub(super) struct GivenFile {
    fd: OwnedFd,
    /// `fd` is the one to ask the kernel with.
    asks: bool,
}

impl GivenFile {
    /// `fd`: as the memfd was made, or the only description for reading of it that this process has.
    pub(super) const fn new(fd: OwnedFd) -> Self {
        Self { fd, asks: false }
    }

    /// Whether another process has it open or mapped. What cannot be known now counts as held; on a kernel without
    /// leases on such files nothing does ([`are_accounted`]).
    pub(super) fn is_held(&mut self) -> bool {
        match self.lease(libc::F_WRLCK) {
            Ok(()) | Err(Errno::INVAL) => false,
            Err(_) => true,
        }
    }

    /// Whether another process has it open for writing, or mapped so. Known where [`Self::is_held`].
    pub(super) fn is_held_for_writing(&mut self) -> bool {
        self.lease(libc::F_RDLCK).is_err()
    }

    /// Takes a lease and gives it back.
    fn lease(&mut self, kind: libc::c_int) -> Result<(), Errno> {
        self.prepare()?;
        self.control(libc::F_SETLEASE, kind)?;
        self.control(libc::F_SETLEASE, libc::F_UNLCK)
    }

    fn prepare(&mut self) -> Result<(), Errno> {
        if self.asks {
            return Ok(());
        }
        if rustix::fs::fcntl_getfl(&self.fd)? & OFlags::ACCMODE != OFlags::RDONLY {
            self.fd = memfd::read_only(self.fd.as_fd())?;
        }
        // Whoever opens the file in the instant of a lease has a signal sent. By default it is SIGIO, which ends a
        // process; this one does nothing.
        self.control(F_SETSIG, libc::SIGURG)?;
        self.asks = true;
        Ok(())
    }

    fn control(&self, command: libc::c_int, value: libc::c_int) -> Result<(), Errno> {
        // SAFETY: the descriptor is ours and open; the commands used here take an int and touch no memory.
        let result = unsafe { libc::fcntl(self.fd.as_raw_fd(), command, value) };
        if result == 0 {
            return Ok(());
        }
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

/// `F_SETSIG` of asm-generic/fcntl.h, which libc does not name.
const F_SETSIG: libc::c_int = 10;

/// Whether this kernel tells of files on such pages who has them. Takes no page.
pub(super) fn are_accounted(pages: Pages) -> bool {
    let huge = if pages == Pages::Huge2M { MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB } else { MemfdFlags::empty() };
    let file = rustix::fs::memfd_create("flypack-lease-probe", MemfdFlags::CLOEXEC | huge);
    file.is_ok_and(|fd| GivenFile::new(fd).lease(libc::F_WRLCK).is_ok())
}

#[cfg(test)]
mod tests {
    use rustix::fs::Mode;

    use super::*;

    fn file() -> (GivenFile, OwnedFd) {
        let made = memfd::create("flypack-test", 4096, Pages::Plain).unwrap();
        let theirs = memfd::read_write(made.as_fd()).unwrap();
        (GivenFile::new(made), theirs)
    }

    #[test]
    fn writers_and_readers_are_told_apart() {
        let (mut given, writer) = file();
        let reader = memfd::read_only(writer.as_fd()).unwrap();
        assert!(given.is_held() && given.is_held_for_writing());
        drop(writer);
        assert!(given.is_held() && !given.is_held_for_writing());
        drop(reader);
        assert!(!given.is_held());
    }

    #[test]
    fn who_opens_the_file_in_the_instant_of_a_lease_ends_nobody() {
        let (mut given, theirs) = file();
        drop(theirs);
        given.prepare().unwrap();
        given.control(libc::F_SETLEASE, libc::F_WRLCK).unwrap();
        let path = format!("/proc/self/fd/{}", given.fd.as_raw_fd());
        // The kernel sends the signal before this returns; with SIGIO the test would end here.
        let refused = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::NONBLOCK, Mode::empty());
        assert_eq!(refused.unwrap_err(), Errno::AGAIN);
    }

    #[test]
    fn this_kernel_tells_of_plain_and_of_huge_pages() {
        assert!(are_accounted(Pages::Plain));
        assert!(are_accounted(Pages::Huge2M));
    }
}
