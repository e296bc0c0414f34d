//! External memory: registered once, counted, and given back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]
#![allow(unsafe_code, reason = "memory is mapped and promised to stay")]

#[path = "process/alone.rs"]
mod alone;

use std::ptr::NonNull;

use alone::{alone, eal};
use dpdk::eal::Eal;
use dpdk::extmem::{ExternalMemoryError, IovaRun, Registration};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

const PAGE: usize = 4_096;
const REGION: usize = 16 * PAGE;

/// Pages that stay mapped until the process ends.
fn pages(octets: usize) -> NonNull<u8> {
    // SAFETY: a new mapping where the kernel likes.
    let address =
        unsafe { mmap_anonymous(std::ptr::null_mut(), octets, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    NonNull::new(address.unwrap().cast()).unwrap()
}

fn register(eal: &Eal, address: NonNull<u8>) -> Result<Registration, ExternalMemoryError> {
    // SAFETY: the pages stay mapped until the process ends.
    unsafe { Registration::new(eal, address, REGION, PAGE) }
}

#[test]
fn regions_are_registered_until_eal_is_full_and_given_back() {
    alone("regions_are_registered_until_eal_is_full_and_given_back", || {
        let eal = eal(32);
        let mut held = Vec::new();
        let refusal = loop {
            match register(&eal, pages(REGION)) {
                Ok(registration) => held.push(registration),
                Err(refusal) => break refusal,
            }
        };
        println!("{} regions were registered", held.len());
        assert_eq!(refusal, ExternalMemoryError::Full { registered: held.len() });
        assert!((100..128).contains(&held.len()), "{}", held.len());
        assert_eq!(Registration::living(), held.len());
        held.pop();
        held.push(register(&eal, pages(REGION)).unwrap());
        held.clear();
        assert_eq!(Registration::living(), 0);
    });
}

#[test]
fn a_region_is_registered_once_and_whole() {
    alone("a_region_is_registered_once_and_whole", || {
        let eal = eal(32);
        let address = pages(2 * REGION);
        let registration = register(&eal, address).unwrap();
        assert_eq!(register(&eal, address).unwrap_err(), ExternalMemoryError::Overlap);
        // Virtual addresses: one run, whatever the pages are.
        let start = address.as_ptr() as u64;
        assert_eq!(registration.iova(100, REGION - 100), IovaRun { iova: start + 100, octets: REGION - 100 });
        drop(registration);
        drop(register(&eal, address).unwrap());
        // SAFETY: the pages stay mapped until the process ends; they are refused for their alignment.
        let unaligned = unsafe { Registration::new(&eal, address, REGION - 1, PAGE) };
        assert!(matches!(unaligned, Err(ExternalMemoryError::Unaligned { .. })));
        assert_eq!(Registration::living(), 0);
    });
}
