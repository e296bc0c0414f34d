//! A producer that punches holes into its ring before the seal, while nobody has a hugepage left to fill them with: the
//! flow is refused with the kernel's reason, and the next one is made when there are pages again.
//!
//! Needs root, to reserve hugepages. Takes all that are free for an instant.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::os::fd::OwnedFd;

use hwtests::{Scratch, Stranger, Sysctl, take_turn};
use media::{Depth, Rate, Sampling, VideoFormat};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use rustix::io::Errno;
use shm::protocol::{BrokerMessage, PodMessage, RingRequest};
use shm::{Broker, BrokerConfig, Geometry, PagePolicy, Refusal};

const PAGE_OCTETS: u64 = 2 << 20;

/// Every hugepage that is free.
fn take_all() -> OwnedFd {
    let taken =
        memfd_create("flypack-taken", MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB).unwrap();
    let filled = |page: &u64| fallocate(&taken, FallocateFlags::empty(), page * PAGE_OCTETS, PAGE_OCTETS).is_ok();
    assert!((0..).take_while(filled).count() > 0, "the ring's pages are free");
    taken
}

/// A ring that is offered.
fn produce(stranger: &Stranger) -> (Geometry, Vec<OwnedFd>) {
    let picture = VideoFormat::new(320, 180, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap();
    let ring = RingRequest { slots: Some(2), ..RingRequest::new("gfx".parse().unwrap(), picture) };
    stranger.say(&PodMessage::Produce(ring)).unwrap();
    match stranger.hear().unwrap() {
        (BrokerMessage::Region { geometry }, fds) => (geometry, fds),
        other => panic!("{other:?}"),
    }
}

#[test]
fn holes_that_no_hugepage_is_left_for_refuse_the_flow() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: reserving hugepages needs root");
        return;
    }
    let _turn = take_turn();
    let _pages = Sysctl::free_hugepages(8).unwrap();
    let scratch = Scratch::create().unwrap();
    let mut config = BrokerConfig::new(scratch.path().join("broker.sock"));
    config.page_policy = PagePolicy::HugeOnly;
    let socket = config.socket.clone();
    let broker = Broker::start(config, |_| {}).unwrap();
    let stranger = Stranger::greeted(&socket).unwrap();
    let (geometry, fds) = produce(&stranger);
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&fds[1], punch, 0, geometry.data_octets()).unwrap();
    let taken = take_all();
    stranger.say(&PodMessage::Mapped { epoch: geometry.epoch }).unwrap();
    let (answer, _) = stranger.hear().unwrap();
    let errno = Errno::NOSPC.raw_os_error().unsigned_abs();
    let refused = Refusal::Memory { octets: geometry.data_octets(), errno };
    assert_eq!(answer, BrokerMessage::Refused(refused));
    assert!(broker.flows().is_empty());
    drop((taken, fds));
    let (geometry, _fds) = produce(&stranger);
    stranger.say(&PodMessage::Mapped { epoch: geometry.epoch }).unwrap();
    let (answer, _) = stranger.hear().unwrap();
    assert!(matches!(answer, BrokerMessage::Produced { epoch, .. } if epoch == geometry.epoch), "{answer:?}");
}
