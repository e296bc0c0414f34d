//! Memory of pods' rings that are no flows any more, until it is known that nobody has it.
//!
//! Sealed memory cannot be taken back: whoever has mapped it keeps it, and it stays charged to this process. So a ring
//! counts against its user until the kernel says that no other process has a descriptor or a mapping of it. It says so
//! by a lease ([`super::given_file`]). For that each process gets a file description of its own
//! ([`crate::Region::producer_fds`]).

use std::time::Duration;

use super::given_file::GivenFile;
use super::left_page::LeftPage;
use super::state::State;
use crate::region::RegionFds;
use crate::view::DataView;

/// How soon to look again.
const HELD: Duration = Duration::from_millis(500);

/// A ring that was, or that never was one.
#[derive(Debug)]
pub(super) struct Remainder {
    /// Whose it was.
    pub(super) uid: u32,
    /// What it takes.
    pub(super) octets: u64,
    files: [GivenFile; 2],
}

impl Remainder {
    /// Of a region which nobody in this process opens again.
    pub(super) fn new(uid: u32, octets: u64, fds: RegionFds) -> Self {
        Self { uid, octets, files: [fds.data, fds.control].map(GivenFile::new) }
    }

    /// Whether another process has any of it open or mapped.
    fn is_held(&mut self) -> bool {
        self.files.iter_mut().any(GivenFile::is_held)
    }
}

impl State {
    /// Counts a pod's region that is no flow until nobody has it any more, and unmaps it.
    pub(super) fn put_aside(&mut self, uid: u32, octets: u64, (view, fds): (DataView, RegionFds)) {
        self.remainders.push(Remainder::new(uid, octets, fds));
        self.retire(view);
    }

    /// Forgets what nobody has any more.
    pub(super) fn collect_released(&mut self) {
        self.remainders.retain_mut(Remainder::is_held);
        self.left_pages.retain_mut(LeftPage::is_held);
    }

    pub(super) fn patience_for_released(&self) -> Option<Duration> {
        (!self.remainders.is_empty() || !self.left_pages.is_empty()).then_some(HELD)
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
        let (view, fds) = ring.into_remains();
        let mut remainder = Remainder::new(7, octets, fds);
        drop(view);
        assert!(remainder.is_held());
        drop(producer);
        assert!(remainder.is_held());
        drop(written);
        assert!(remainder.is_held(), "a consumer has it");
        let RegionFds { control, data } = consumer;
        drop(data);
        assert!(remainder.is_held(), "mapped is enough");
        drop(read);
        assert!(remainder.is_held(), "the control region is enough");
        drop(control);
        assert!(!remainder.is_held());
    }
}
