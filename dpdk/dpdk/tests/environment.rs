//! The environment: once per process, on its own thread, and a refusal that says what to do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;

use alone::{alone, eal};
use dpdk::eal::{Eal, EalConfig, EalError, Memory};
use dpdk::iommu::NoIommu;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::sched_getaffinity;

#[test]
fn a_second_start_is_refused_and_the_first_goes_on() {
    alone("a_second_start_is_refused_and_the_first_goes_on", || {
        let first = eal(32);
        let second = Eal::start(&EalConfig::new(Memory::NoHuge { mib: 32 })).unwrap_err();
        assert!(matches!(second, EalError::AlreadyStarted), "{second}");
        assert!(second.to_string().contains("restart the program"));
        assert_eq!(first.run(|| 7), 7);
        assert!(first.version().starts_with("DPDK "), "{}", first.version());
        assert!(!first.addresses_are_physical());
    });
}

#[test]
fn the_mask_of_cpus_is_kept_and_threads_become_lcores() {
    alone("the_mask_of_cpus_is_kept_and_threads_become_lcores", || {
        let before = sched_getaffinity(None).unwrap();
        let eal = eal(32);
        assert!(eal.run(|| sched_getaffinity(None).unwrap()) == before);
        assert!(sched_getaffinity(None).unwrap() == before);
        let registered = eal.register_thread().unwrap();
        assert!(sched_getaffinity(None).unwrap() == before);
        assert!(matches!(eal.register_thread(), Err(EalError::AlreadyAnLcore)));
        let asked = eal.clone();
        assert!(eal.run(move || matches!(asked.register_thread(), Err(EalError::AlreadyAnLcore))));
        drop(registered);
        // EAL has 128 lcores, one of them its own; what a thread gives back is there for the next one.
        for _ in 0..300 {
            drop(eal.register_thread().unwrap());
        }
    });
}

#[test]
fn threads_beyond_the_lcores_are_refused() {
    alone("threads_beyond_the_lcores_are_refused", || {
        let eal = eal(32);
        let barrier = std::sync::Barrier::new(128);
        let refused = std::thread::scope(|scope| {
            let body = || {
                let outcome = eal.register_thread();
                // All hold theirs at once.
                barrier.wait();
                usize::from(matches!(outcome, Err(EalError::TooManyThreads { .. })))
            };
            let threads: Vec<_> = (0..128).map(|_| scope.spawn(body)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        // 127 beside EAL's own thread.
        assert_eq!(refused, 1);
    });
}

#[test]
fn missing_hugepages_are_told_before_eal_starts_so_that_it_still_can() {
    alone("missing_hugepages_are_told_before_eal_starts_so_that_it_still_can", || {
        let refusal = Eal::start(&EalConfig::new(Memory::Huge { mib: u32::MAX })).unwrap_err();
        assert!(matches!(refusal, EalError::NoHugepages { .. } | EalError::TooFewHugepages { .. }), "{refusal}");
        assert!(refusal.to_string().contains("vm.nr_hugepages"), "{refusal}");
        eal(32);
    });
}

#[test]
fn what_eal_itself_refuses_comes_back_as_an_error() {
    alone("what_eal_itself_refuses_comes_back_as_an_error", || {
        // No address space for what is asked: EAL finds that out by itself.
        let limit = Rlimit { current: Some(1 << 30), maximum: Some(1 << 30) };
        setrlimit(Resource::As, limit).unwrap();
        let refusal = Eal::start(&EalConfig::new(Memory::NoHuge { mib: 2_048 })).unwrap_err();
        assert!(matches!(&refusal, EalError::Failed { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains("ask for less"), "{refusal}");
        // EAL has been begun and cannot be again.
        let small = EalConfig::new(Memory::NoHuge { mib: 32 });
        assert!(matches!(Eal::start(&small), Err(EalError::AlreadyStarted)));
    });
}

#[test]
fn the_gate_for_an_iommu_opens_for_absent_devices_only() {
    // The kernel of this machine has no such device; what is refused is tested on a copy of sysfs.
    let check = dpdk::iommu::check("/sys".as_ref(), &["ffff:ff:1f.7".parse().unwrap()]);
    assert_eq!(check, Ok::<(), NoIommu>(()));
}
