//! The protection table: what a consumer can do with the descriptors it is given, as root and as anybody.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{FallocateFlags, Mode, OFlags, SealFlags};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Uid;

use super::*;
use crate::fixture;
use crate::fixture::device::{Device, mappings_of};

/// Regions of this machine: plain pages, and hugepages if there are some.
fn regions() -> Vec<Region> {
    let geometry = fixture::geometry(4, 3);
    let plain = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
    match Region::create(geometry, PagePolicy::HugeOnly, &IdentityPlacement) {
        Ok(huge) => vec![plain, huge],
        Err(error) => {
            eprintln!("SKIPPED on hugepages: {error}");
            vec![plain]
        }
    }
}

fn reopened(fd: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path.as_str(), flags | OFlags::CLOEXEC, Mode::empty())
}

/// Maps `fd` shared and gives the mapping back, or the refusal.
fn try_map(fd: &OwnedFd, octets: u64, prot: ProtFlags) -> Result<*mut std::ffi::c_void, Errno> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    unsafe { rustix::mm::mmap(std::ptr::null_mut(), octets as usize, prot, MapFlags::SHARED, fd, 0) }
}

fn unmap(address: *mut std::ffi::c_void, octets: u64) {
    // SAFETY: what `try_map` gave, used by nobody.
    unsafe { rustix::mm::munmap(address, octets as usize) }.unwrap();
}

/// Everything that must be refused on one descriptor, whoever asks.
fn assert_protected(fd: &OwnedFd, octets: u64) {
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let read_write = ProtFlags::READ | ProtFlags::WRITE;
    assert!(try_map(fd, octets, read_write).is_err(), "mapped for writing");
    assert!(rustix::fs::ftruncate(fd, 0).is_err(), "shrunk");
    assert!(rustix::fs::ftruncate(fd, 2 * octets).is_err(), "grown");
    assert!(rustix::fs::fallocate(fd, punch, 0, octets).is_err(), "punched");
    assert!(rustix::io::pwrite(fd, &[1; 64], 0).is_err(), "written");
    assert!(rustix::fs::fcntl_add_seals(fd, SealFlags::WRITE).is_err(), "sealed further");

    let address = try_map(fd, octets, ProtFlags::READ).unwrap();
    let both = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: our own mapping, used by nobody.
    let writable = unsafe { rustix::mm::mprotect(address, octets as usize, both) };
    assert!(writable.is_err(), "made writable");
    // SAFETY: our own mapping, used by nobody.
    let removed = unsafe { rustix::mm::madvise(address, octets as usize, rustix::mm::Advice::LinuxRemove) };
    assert!(removed.is_err(), "punched by madvise");
    unmap(address, octets);
}

#[test]
fn a_consumer_cannot_write_shrink_or_punch() {
    for region in regions() {
        let geometry = *region.geometry();
        let sealed = region.seal().unwrap();
        let fds = sealed.consumer_fds().unwrap();
        for (fd, octets) in [(&fds.control, geometry.control_octets()), (&fds.data, geometry.data_octets())] {
            crate::check_ring_seals(fd.as_fd()).unwrap();
            assert_protected(fd, octets);
            // Root gets a writable descriptor out of /proc, and meets the seals; others do not even get that.
            match reopened(fd, OFlags::RDWR) {
                Ok(writable) => {
                    assert!(rustix::process::geteuid().is_root(), "mode 0400 does not hold");
                    assert_protected(&writable, octets);
                }
                Err(errno) => assert_eq!(errno, Errno::ACCESS),
            }
        }
    }
}

/// The table again as somebody else, when the tests run as root.
#[test]
fn another_user_cannot_reopen_for_writing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: becoming another user needs root; the plain case above ran as one");
        return;
    }
    let region = Region::create(fixture::geometry(4, 3), PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
    let fds = region.seal().unwrap().consumer_fds().unwrap();
    let refused = std::thread::spawn(move || {
        // Only this thread's file-system identity and rights change, and they end with it.
        rustix::thread::set_thread_res_uid(Uid::from_raw(0), Uid::from_raw(65_534), Uid::from_raw(0)).unwrap();
        [&fds.control, &fds.data].map(|fd| reopened(fd, OFlags::RDWR).err())
    });
    assert_eq!(refused.join().unwrap(), [Some(Errno::ACCESS); 2]);
}

#[test]
fn the_producer_keeps_writing_through_its_old_mapping() {
    for region in regions() {
        let (control, _data) = region.map_for_writing().unwrap();
        let sealed = region.seal().unwrap();
        let (seen, _data) = sealed.map_for_reading().unwrap();
        control.store_release(64, 7);
        assert_eq!(seen.load_acquire(64), 7);
    }
}

#[test]
fn holes_that_a_producer_punched_are_filled_by_the_seal() {
    for region in regions() {
        let octets = region.geometry().data_octets();
        let producer = region.producer_fds().unwrap();
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&producer.data, punch, 0, octets).unwrap();
        assert_eq!(rustix::fs::fstat(&producer.data).unwrap().st_blocks, 0);
        let sealed = region.seal().unwrap();
        let blocks = rustix::fs::fstat(&sealed.fds.data).unwrap().st_blocks;
        assert_eq!(u64::try_from(blocks).unwrap() * 512, octets);
    }
}

#[test]
fn a_producer_that_sealed_first_is_refused() {
    for (seals, on_control) in [(SealFlags::SEAL, true), (SealFlags::SEAL, false), (SealFlags::WRITE, true)] {
        let region = Region::create(fixture::geometry(4, 3), PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let producer = region.producer_fds().unwrap();
        let fd = if on_control { &producer.control } else { &producer.data };
        rustix::fs::fcntl_add_seals(fd, seals).unwrap();
        let error = region.seal().unwrap_err();
        assert!(matches!(error, RegionError::Seal(_) | RegionError::Seals(_)), "{seals:?}: {error}");
    }
}

#[test]
fn a_descriptor_that_is_too_small_or_unsealed_is_refused() {
    let region = Region::create(fixture::geometry(4, 3), PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
    let fds = region.producer_fds().unwrap();
    assert!(matches!(crate::check_ring_seals(fds.data.as_fd()), Err(SealError::Seals { .. })));
    let octets = region.geometry().data_octets();
    let error = Mapping::map(fds.data.as_fd(), octets + 1, Access::ReadOnly).unwrap_err();
    assert_eq!(error, MapError::Short { octets, wanted: octets + 1 });
    assert!(matches!(Mapping::map(fds.data.as_fd(), 0, Access::ReadOnly), Err(MapError::Size(0))));
    let (read, _write) = rustix::pipe::pipe().unwrap();
    assert!(matches!(crate::check_ring_seals(read.as_fd()), Err(SealError::Kernel(_))));
}

#[test]
fn missing_hugepages_are_reported_or_refused() {
    match Region::create(fixture::geometry(4, 3), PagePolicy::HugeOnly, &IdentityPlacement) {
        Ok(region) => assert_eq!(region.geometry().pages, Pages::Huge2M),
        Err(RegionError::NoHugepages { pages_wanted, .. }) => assert_eq!(pages_wanted, 1),
        Err(error) => panic!("{error}"),
    }
    let region = Region::create(fixture::geometry(4, 3), PagePolicy::Prefer, &IdentityPlacement).unwrap();
    match region.fallback() {
        Some(fallback) => {
            assert_eq!(region.geometry().pages, Pages::Plain);
            assert!(fallback.to_string().contains("nr_hugepages"), "{fallback}");
        }
        None => assert_eq!(region.geometry().pages, Pages::Huge2M),
    }
}

/// Hooks that write down when they were called.
#[derive(Default)]
struct Diary(std::cell::RefCell<Vec<(&'static str, i64)>>, bool);

impl PlacementHooks for Diary {
    fn place(&self, data: BorrowedFd<'_>, octets: u64) -> io::Result<()> {
        assert!(octets > 0);
        self.0.borrow_mut().push(("place", rustix::fs::fstat(data)?.st_blocks));
        if self.1 { Err(io::Error::other("no such node")) } else { Ok(()) }
    }

    fn map_for_dma(&self, data: &Mapping, _: Pages) -> io::Result<Option<Box<dyn DmaMapping>>> {
        data.store_release(0, 5); // writable during the call
        self.0.borrow_mut().push(("map", 0));
        Ok(None)
    }
}

#[test]
fn devices_leave_a_region_before_its_memory_goes() {
    for sealed in [false, true] {
        let device = Device::default();
        let region = Region::create(fixture::geometry(4, 3), PagePolicy::PlainOnly, &device).unwrap();
        assert!(region.view.is_mapped_for_dma());
        if sealed {
            drop(region.seal().unwrap());
        } else {
            drop(region);
        }
        let left = device.left();
        assert!(left.len() == 1 && left[0].mapped, "{left:?}");
        assert!(mappings_of(device.inodes()[0]).is_empty());
    }
}

#[test]
fn hooks_are_called_in_the_order_of_creation() {
    let hooks = Diary::default();
    let geometry = fixture::geometry(4, 3);
    let region = Region::create(geometry, PagePolicy::PlainOnly, &hooks).unwrap();
    assert_eq!(*hooks.0.borrow(), [("place", 0), ("map", 0)], "placed before any page exists");
    assert_eq!(region.view.mapping().load(0), 5);
    let refusing = Diary(std::cell::RefCell::default(), true);
    let error = Region::create(geometry, PagePolicy::Prefer, &refusing).unwrap_err();
    assert!(matches!(error, RegionError::Placement(_)), "{error}");
}
