//! The counters of system calls and allocations see what there is to see, of the thread under test only.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hwtests::interpose::{self, Interposer};
use hwtests::isolated::{self, Isolated};
use hwtests::syscalls;

/// Runs `work` beside a thread that makes system calls and allocates without end, and counts its rounds.
fn beside_a_busy_thread<T>(work: impl FnOnce(&AtomicU64) -> T) -> T {
    let (rounds, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                black_box(Box::new(rustix::process::getppid()));
                rounds.fetch_add(1, Ordering::Release);
            }
        });
        wait_for_rounds(&rounds);
        let done = work(&rounds);
        stop.store(true, Ordering::Relaxed);
        done
    })
}

/// Without system calls or allocations of this thread's.
fn wait_for_rounds(rounds: &AtomicU64) {
    let enough = rounds.load(Ordering::Acquire) + 10;
    while rounds.load(Ordering::Acquire) < enough {
        std::hint::spin_loop();
    }
}

fn cannot_trace() -> bool {
    let reason = syscalls::unavailable();
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: system calls cannot be traced here: {reason}");
    }
    reason.is_some()
}

#[test]
fn a_body_without_system_calls_shows_none() {
    const TEST: &str = "a_body_without_system_calls_shows_none";
    if isolated::is_inside(TEST) {
        beside_a_busy_thread(|rounds| syscalls::between(|| wait_for_rounds(rounds)));
        return;
    }
    if !cannot_trace() {
        assert_eq!(syscalls::traced(Isolated::new(TEST)).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn every_system_call_of_the_thread_is_seen() {
    const TEST: &str = "every_system_call_of_the_thread_is_seen";
    if isolated::is_inside(TEST) {
        beside_a_busy_thread(|rounds| {
            syscalls::between(|| wait_for_rounds(rounds));
            syscalls::between(rustix::process::getpgrp);
            syscalls::between(|| drop(black_box(std::fs::metadata("/flypack/is/not/there"))));
        });
        return;
    }
    if !cannot_trace() {
        let calls = syscalls::traced(Isolated::new(TEST)).unwrap();
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(calls[0].starts_with("getpgid(") || calls[0].starts_with("getpgrp("), "{calls:?}");
        assert!(calls[1].contains("/flypack/is/not/there"), "{calls:?}");
    }
}

#[test]
fn a_body_without_markers_is_an_error() {
    const TEST: &str = "a_body_without_markers_is_an_error";
    if isolated::is_inside(TEST) {
        return;
    }
    if !cannot_trace() {
        let error = syscalls::traced(Isolated::new(TEST)).unwrap_err().to_string();
        assert!(error.contains("no thread came to a marker"), "{error}");
    }
}

#[test]
fn a_body_without_allocations_shows_none() {
    const TEST: &str = "a_body_without_allocations_shows_none";
    if isolated::is_inside(TEST) {
        let (_, allocations) = beside_a_busy_thread(|rounds| interpose::between(|| wait_for_rounds(rounds)).unwrap());
        assert_eq!(allocations.to_string(), "no allocation");
        return;
    }
    Interposer::build().unwrap().preload(Isolated::new(TEST)).run().unwrap();
}

#[test]
fn every_allocation_of_the_thread_is_seen() {
    const TEST: &str = "every_allocation_of_the_thread_is_seen";
    if isolated::is_inside(TEST) {
        #[repr(align(4096))]
        struct Page(u8);
        let work = || {
            let mut list = black_box(Vec::<u64>::with_capacity(10)); // malloc
            list.extend(0..10);
            list.reserve_exact(90); // realloc
            drop(black_box(list)); // free
            drop(black_box(vec![0_u8; 100])); // calloc, free
            assert_eq!(black_box(Box::new(Page(1))).0, 1); // posix_memalign, free
        };
        let (_, allocations) = beside_a_busy_thread(|rounds| {
            let work = || {
                work();
                wait_for_rounds(rounds);
            };
            interpose::between(work).unwrap()
        });
        assert_eq!(allocations.to_string(), "1 aligned, 1 calloc, 3 free, 1 malloc, 1 realloc");
        assert_eq!((allocations.of("free"), allocations.of("mmap"), allocations.total()), (3, 0, 7));
        // It maps the program's symbols.
        let trace = || drop(black_box(std::backtrace::Backtrace::force_capture().to_string()));
        let (_, allocations) = interpose::between(trace).unwrap();
        assert!(allocations.of("mmap") > 0 && allocations.of("malloc") > 0, "{allocations}");
        return;
    }
    Interposer::build().unwrap().preload(Isolated::new(TEST)).run().unwrap();
}

#[test]
fn without_the_library_nothing_is_claimed() {
    let error = interpose::between(|| ()).unwrap_err().to_string();
    assert!(error.contains("nobody counts here"), "{error}");
}
