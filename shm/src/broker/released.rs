//! Memory of pods' rings that are no flows any more, until it is known that nobody has it.
//!
//! Sealed memory cannot be taken back: whoever has mapped it keeps it, and it stays charged to this process. So a ring
//! counts against its user until the kernel says that no other process has a descriptor or a mapping of it. It says so
//! by a lease (fcntl(2), `F_SETLEASE`): one for writing is only given to whoever has the file open alone. For that each
//! process gets a file description of its own ([`crate::Region::producer_fds`]).

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::state::State;
use crate::memfd;

/// How soon to look again.
const HELD: Duration = Duration::from_millis(500);

/// A ring that was, or that was never sealed.
#[derive(Debug)]
pub(super) struct Remainder {
    /// Whose it was.
    pub(super) uid: u32,
    /// What it takes.
    pub(super) octets: u64,
    /// The only read-only description of the data that this process has.
    data: OwnedFd,
}

impl Remainder {
    /// Of the data region `data`, which nobody in this process opens again.
    pub(super) fn new(uid: u32, octets: u64, data: &OwnedFd) -> Option<Self> {
        use std::os::fd::AsFd;
        // Without a descriptor nothing can be known; then it is forgotten, as if it were released.
        Some(Self { uid, octets, data: memfd::read_only(data.as_fd()).ok()? })
    }

    /// Whether another process has it open or mapped.
    fn is_held(&self) -> bool {
        let fd = self.data.as_raw_fd();
        // SAFETY: the descriptor is ours and open; the call changes nothing but the file's leases.
        let taken = unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) };
        if taken == 0 {
            // SAFETY: as above; gives the lease back.
            unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
            return false;
        }
        // Anything but "somebody else has it" means that this kernel has no leases on such files.
        std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
    }
}

impl State {
    /// Forgets what nobody has any more.
    pub(super) fn collect_released(&mut self) {
        self.remainders.retain(Remainder::is_held);
    }

    pub(super) fn patience_for_released(&self) -> Option<Duration> {
        (!self.remainders.is_empty()).then_some(HELD)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::{Access, IdentityPlacement, Mapping, PagePolicy, Region, fixture};

    #[test]
    fn memory_is_held_until_the_last_descriptor_and_mapping_is_gone() {
        let region = Region::create(fixture::geometry(4, 3), PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let octets = region.geometry().data_octets();
        let producer = region.producer_fds().unwrap();
        let written = Mapping::map(producer.data.as_fd(), octets, Access::ReadWrite).unwrap();
        let ring = region.seal().unwrap();
        let consumer = ring.consumer_fds().unwrap();
        let read = Mapping::map(consumer.data.as_fd(), octets, Access::ReadOnly).unwrap();
        let (view, data) = ring.into_remains();
        let remainder = Remainder::new(7, octets, &data).unwrap();
        drop((view, data));
        assert!(remainder.is_held());
        drop(producer);
        assert!(remainder.is_held());
        drop(written);
        assert!(remainder.is_held(), "a consumer has it");
        drop(consumer);
        assert!(remainder.is_held(), "mapped is enough");
        drop(read);
        assert!(!remainder.is_held());
    }
}
