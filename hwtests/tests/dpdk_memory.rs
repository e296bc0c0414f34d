//! DPDK on hugepages: how many regions can be registered, and what devices call them in PA mode. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::os::fd::AsFd;
use std::sync::Arc;

use dpdk::eal::{Eal, EalConfig, IovaMode, Memory};
use dpdk::extmem::{DmaPlacement, ExternalMemoryError, Registration};
use hwtests::isolated::{self, Isolated};
use hwtests::{Sysctl, take_turn};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, ftruncate, memfd_create};
use shm::{Access, Mapping, Pages, PlacementHooks};

const HUGE: usize = 2 << 20;
const PAGES: usize = 8;
const SMALL: usize = 65_536;

/// Runs `body` in a process of its own, with hugepages for EAL (64 MiB) and for `PAGES` pages of ours.
fn with_hugepages(test: &str, body: impl FnOnce()) {
    if isolated::is_inside(test) {
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root reserves hugepages");
        return;
    }
    let _turn = take_turn();
    let _pages = Sysctl::free_hugepages(32 + PAGES as u64).unwrap();
    print!("{}", Isolated::new(test).run().unwrap());
}

/// Memory of its own file, which has its pages.
fn mapping(octets: usize, pages: Pages) -> Arc<Mapping> {
    let flags = if pages == Pages::Huge2M { MemfdFlags::HUGETLB } else { MemfdFlags::empty() };
    let file = memfd_create("fp-test", flags | MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, octets as u64).unwrap();
    fallocate(&file, FallocateFlags::empty(), 0, octets as u64).unwrap();
    Arc::new(Mapping::map(file.as_fd(), octets as u64, Access::ReadWrite).unwrap())
}

#[test]
fn regions_beside_hugepages_are_about_120_and_the_next_is_left_to_the_cpu() {
    with_hugepages("regions_beside_hugepages_are_about_120_and_the_next_is_left_to_the_cpu", || {
        let eal = Eal::start(&EalConfig::new(Memory::Huge { mib: 64 })).unwrap();
        let register = || Registration::of_mapping(&eal, mapping(SMALL, Pages::Plain), Pages::Plain);
        let mut held: Vec<Registration> = std::iter::from_fn(|| register().ok()).collect();
        println!("{} regions were registered", held.len());
        assert!((115..128).contains(&held.len()), "{}", held.len());
        let refusal = register().unwrap_err();
        assert_eq!(refusal, ExternalMemoryError::Full { registered: held.len() });
        assert!(refusal.to_string().contains(&format!("{} regions are registered", held.len())), "{refusal}");
        let placement = DmaPlacement::new(&eal, SMALL as u64);
        let region = mapping(SMALL, Pages::Plain);
        assert!(placement.map_for_dma(&region, Pages::Plain).unwrap().is_none());
        assert_eq!(placement.left_to_cpu(), 1);
        // Where one is given back, the next has room.
        held.pop();
        let given = placement.map_for_dma(&region, Pages::Plain).unwrap();
        assert!(given.is_some());
        let small = mapping(SMALL - 1, Pages::Plain);
        assert!(placement.map_for_dma(&small, Pages::Plain).unwrap().is_none());
        assert_eq!((placement.left_to_cpu(), Registration::living()), (1, held.len() + 1));
        drop((given, held));
        assert_eq!(Registration::living(), 0);
    });
}

#[test]
fn physical_addresses_are_told_page_by_page() {
    with_hugepages("physical_addresses_are_told_page_by_page", || {
        let config = EalConfig { iova: IovaMode::Pa, ..EalConfig::new(Memory::Huge { mib: 64 }) };
        let eal = Eal::start(&config).unwrap();
        assert!(eal.addresses_are_physical());
        let registration = Registration::of_mapping(&eal, mapping(PAGES * HUGE, Pages::Huge2M), Pages::Huge2M).unwrap();
        let mut offset = 0;
        while offset < PAGES * HUGE {
            let run = registration.iova(offset, PAGES * HUGE - offset);
            println!("{:#x}: {} MiB", run.iova, run.octets >> 20);
            assert!(run.iova.is_multiple_of(HUGE as u64) && run.octets.is_multiple_of(HUGE) && run.octets > 0);
            assert_ne!(run.iova, (registration.address() + offset) as u64);
            let inside = registration.iova(offset + 5_000, 1_200);
            assert_eq!((inside.iova, inside.octets), (run.iova + 5_000, 1_200));
            offset += run.octets;
        }
        assert_eq!(offset, PAGES * HUGE);
        let plain = Registration::of_mapping(&eal, mapping(SMALL, Pages::Plain), Pages::Plain);
        assert_eq!(plain.unwrap_err(), ExternalMemoryError::PagesMove);
    });
}
