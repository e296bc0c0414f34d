//! Ports that read registered memory only, as cards do: what is registered is referenced, what is not is copied.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unsafe_code, reason = "memory is mapped, and chains are looked into")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::ptr::NonNull;
use std::sync::Arc;

use alone::{alone, eal};
use bench::{Bench, Make};
use dpdk::eal::{Eal, EalConfig, IovaMode, Memory};
use dpdk::extmem::Registration;
use dpdk::tx::{DpdkTxBuf, Reads};
use netio::{BURST, Burst, OwnedBytes, PacketBuf, RxQueue, StableBytes, TxQueue};
use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};

const PAGE: usize = 4_096;
const PAGES: usize = 64;
const GROUPS: [&str; 2] = ["239.1.2.3:5004", "[ff3e::8000:1]:5004"];
const MAKE: Make = Make {
    device: "net_ring",
    gathers: true,
    has_room: false,
    vlan: None,
    payloads: 4,
    packets_per_second: 10_000,
    reads: Reads::Registered,
};

/// Locked ordinary pages, most of which lie apart physically.
struct Pages {
    start: NonNull<u8>,
    /// Dropped before the memory is unmapped.
    registration: Option<Registration>,
}

// SAFETY: the mapping belongs to the value, whichever thread it is on.
unsafe impl Send for Pages {}
// SAFETY: the octets are written before the value is shared, and read only from then on.
unsafe impl Sync for Pages {}

impl Pages {
    fn new() -> Self {
        // SAFETY: a fresh mapping, of no address that anybody uses.
        let start = unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
            let start = mmap_anonymous(std::ptr::null_mut(), PAGES * PAGE, ProtFlags::READ | ProtFlags::WRITE, flags);
            start.unwrap().cast::<u8>()
        };
        for n in 0..PAGES * PAGE {
            // SAFETY: within the mapping.
            unsafe { start.add(n).write(octet(n)) };
        }
        // SAFETY: the mapping is ours.
        unsafe { mlock(start.cast(), PAGES * PAGE).unwrap() };
        Self { start: NonNull::new(start).unwrap(), registration: None }
    }

    fn registered(eal: &Eal) -> Self {
        let mut pages = Self::new();
        // SAFETY: mapped, locked, and unmapped only after the registration has dropped.
        let registration = unsafe { Registration::new(eal, pages.start, PAGES * PAGE, PAGE) };
        pages.registration = Some(registration.unwrap());
        pages
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.registration = None;
        // SAFETY: the mapping is ours, and nobody refers to it any more.
        unsafe { munmap(self.start.as_ptr().cast(), PAGES * PAGE).unwrap() };
    }
}

/// A lease over all pages.
struct Lease(Arc<Pages>);

// SAFETY: the Arc keeps the mapping, which does not move.
unsafe impl StableBytes for Lease {
    fn as_ptr(&self) -> *const u8 {
        self.0.start.as_ptr()
    }

    fn octets(&self) -> usize {
        PAGES * PAGE
    }
}

fn octet(n: usize) -> u8 {
    (n * 31 + n / PAGE) as u8
}

fn octets(packet: &impl PacketBuf) -> Vec<u8> {
    packet.segments().flatten().copied().collect()
}

/// Sends 1,200 octets from each of `starts`, checks that they arrive, and returns the segments' addresses as the device
/// was told, and as the process has them.
fn pass<L: StableBytes>(eal: &Eal, lease: L, starts: &[u32]) -> Vec<Vec<(usize, u64, usize)>> {
    let (mut bench, mut tx, mut rx) = Bench::open::<L>(eal, MAKE);
    let paths = GROUPS.map(|group| {
        let path = bench.path(group);
        tx.open_path(&path).unwrap()
    });
    bench.host.publish(GROUPS.iter().map(|group| group.parse().unwrap()).collect());
    let count = 2 * starts.len();
    let Ok(payload) = tx.attach(lease, count as u32) else { panic!("there is room") };
    let mut all = Vec::new();
    for part in starts.chunks(BURST / 2) {
        let mut burst = Burst::<DpdkTxBuf>::new();
        for start in part {
            for path in paths {
                burst.push(tx.gather(path, &[1; 20], &payload, *start..start + 1_200).unwrap()).unwrap();
            }
        }
        all.extend(burst.iter().map(segments));
        let sent = burst.len();
        assert_eq!(tx.tx_burst(&mut burst), sent);
        let mut received = Burst::new();
        assert_eq!(rx.rx_burst(&mut received), sent);
        for (n, packet) in received.iter().enumerate() {
            let start = part[n / 2] as usize;
            let expected: Vec<u8> = [1; 20].into_iter().chain((start..start + 1_200).map(octet)).collect();
            assert_eq!(octets(packet), expected, "from {start}");
        }
    }
    assert_eq!(bench.counters.rx.udp_checksum_doubtful.value(), 0);
    drop(payload);
    tx.reap();
    assert_eq!(tx.leases_held(), 0);
    let copied = tx.counters().octets_copied_by_us;
    assert_eq!(copied, bench.counters.tx.octets_copied_by_us.value());
    let is_referenced =
        all[0].iter().any(|(_, _, octets)| *octets == 1_200) || bench.counters.tx.copied_packets.value() == 0;
    assert_eq!(copied, if is_referenced { 0 } else { 1_200 * count as u64 });
    all
}

/// Behind the header: address, what the device calls it, octets.
fn segments(packet: &DpdkTxBuf) -> Vec<(usize, u64, usize)> {
    let mut found = Vec::new();
    let mut next = packet.mbuf().as_ptr();
    while !next.is_null() {
        // SAFETY: the chain is whole as long as the packet.
        unsafe {
            let address = (*next).buf_addr.addr() + usize::from((*next).data_off);
            found.push((address, (*next).buf_iova + u64::from((*next).data_off), usize::from((*next).data_len)));
            next = (*next).next;
        }
    }
    found.split_off(1)
}

fn every_page() -> Vec<u32> {
    (0..PAGES as u32 - 1).flat_map(|page| [page * 4_096, page * 4_096 + 3_000, page * 4_096 + 4_095]).collect()
}

#[test]
fn what_is_not_registered_is_copied_exactly() {
    alone("what_is_not_registered_is_copied_exactly", || {
        let eal = eal(64);
        let lease = OwnedBytes::new((0..PAGES * PAGE).map(octet).collect());
        let inside = lease.as_ptr().addr()..lease.as_ptr().addr() + lease.octets();
        for segments in pass(&eal, lease, &every_page()) {
            assert!(segments.iter().all(|(address, ..)| !inside.contains(address)), "a card never sees it");
        }
    });
}

#[test]
fn what_is_registered_is_referenced() {
    alone("what_is_registered_is_referenced", || {
        let eal = eal(64);
        let pages = Arc::new(Pages::registered(&eal));
        let start = pages.start.as_ptr().addr();
        let starts = every_page();
        for (n, segments) in pass(&eal, Lease(pages), &starts).iter().enumerate() {
            let address = start + starts[n / 2] as usize;
            assert_eq!(*segments, [(address, address as u64, 1_200)], "one piece in VA mode");
        }
        assert_eq!(Registration::living(), 0, "the last lease has let it go");
    });
}

/// PA mode: a packet that crosses pages which lie apart is told to the device in two pieces.
#[test]
fn pages_that_lie_apart_are_told_apart() {
    alone("pages_that_lie_apart_are_told_apart", || {
        let memory = Memory::Huge { mib: 64 };
        let config = EalConfig { iova: IovaMode::Pa, ..EalConfig::new(memory) };
        let eal = match Eal::start(&config) {
            Ok(eal) => eal,
            Err(error) => {
                eprintln!("SKIPPED: PA mode needs root and 32 free hugepages of 2 MiB: {error}");
                return;
            }
        };
        assert!(eal.addresses_are_physical());
        let pages = Arc::new(Pages::registered(&eal));
        let start = pages.start.as_ptr().addr();
        let physical = |page: usize| {
            let pages = pages.registration.as_ref().unwrap();
            pages.iova(page * PAGE, PAGE).iova
        };
        let apart = (1..PAGES).filter(|page| physical(page - 1) + PAGE as u64 != physical(*page)).count();
        let starts = every_page();
        let mut split = 0;
        for (n, segments) in pass(&eal, Lease(Arc::clone(&pages)), &starts).iter().enumerate() {
            let first = starts[n / 2] as usize;
            split += usize::from(segments.len() > 1);
            let mut next = first;
            for &(address, iova, octets) in segments {
                assert_eq!(address, start + next);
                for at in [next, next + octets - 1] {
                    assert_eq!(iova + (at - next) as u64, physical(at / PAGE) + (at % PAGE) as u64);
                }
                next += octets;
            }
            assert_eq!(next, first + 1_200);
        }
        // Two starts of each page cross its end, on two paths.
        assert_eq!(split, 4 * apart);
        assert!(apart > 0, "all pages happened to be neighbours: the test shows nothing");
    });
}
