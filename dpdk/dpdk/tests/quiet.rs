//! On the hot path nothing is allocated, in Rust or in C, and the kernel is not called: from the first packet on.
#![allow(unsafe_code, reason = "malloc is counted, and the kernel told to end whoever calls it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::cell::Cell;
use std::ffi::{c_int, c_ulong, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{hint, thread};

use alone::{alone, eal};
use bench::{Bench, Make, Tx, frame_to};
use dpdk::tx::DpdkTxBuf;
use media::Tai;
use netio::injection::{InjectionConfig, injection};
use netio::{BURST, Burst, LeaseWatch, OwnedBytes, Path, PathId, RxQueue, TxFull, TxQueue};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// What the C library calls its own allocator; below stand the names that everybody else calls.
// SAFETY: glibc exports these, with the signatures of the functions below.
unsafe extern "C" {
    fn __libc_malloc(octets: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, octets: usize) -> *mut c_void;
    fn __libc_realloc(at: *mut c_void, octets: usize) -> *mut c_void;
    fn __libc_free(at: *mut c_void);
}

fn count() {
    CALLS.set(CALLS.get() + 1);
}

// SAFETY: the name is the C library's, and so is the behaviour: the call is counted and passed on.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(octets: usize) -> *mut c_void {
    count();
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_malloc(octets) }
}

// SAFETY: the name is the C library's, and so is the behaviour: the call is counted and passed on.
#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(number: usize, octets: usize) -> *mut c_void {
    count();
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_calloc(number, octets) }
}

// SAFETY: the name is the C library's, and so is the behaviour: the call is counted and passed on.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(at: *mut c_void, octets: usize) -> *mut c_void {
    count();
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_realloc(at, octets) }
}

// SAFETY: the name is the C library's, and so is the behaviour: the call is counted and passed on.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(at: *mut c_void) {
    count();
    // SAFETY: the caller's promise is passed on.
    unsafe { __libc_free(at) }
}

/// One instruction of a seccomp filter, and the filter.
#[repr(C)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

#[repr(C)]
struct Filter {
    instructions: u16,
    first: *const Instruction,
}

// SAFETY: prctl(2) takes a number and up to four more.
unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
}

/// From now on any system call of this thread ends the process with SIGSYS.
fn call_the_kernel_no_more() {
    const PR_SET_SECCOMP: c_int = 22;
    const PR_SET_NO_NEW_PRIVS: c_int = 38;
    const SECCOMP_MODE_FILTER: c_ulong = 2;
    const BPF_RETURN_CONSTANT: u16 = 0x06;
    const KILL_PROCESS: u32 = 0x8000_0000;
    let kill = [Instruction { code: BPF_RETURN_CONSTANT, if_true: 0, if_false: 0, value: KILL_PROCESS }];
    let filter = Filter { instructions: 1, first: kill.as_ptr() };
    let (one, none): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: both calls take plain numbers and, the second, a filter that is read during the call.
    unsafe {
        assert_eq!(prctl(PR_SET_NO_NEW_PRIVS, one, none, none, none), 0);
        assert_eq!(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const filter), 0);
    }
}

/// Runs `work`, which calls [`Quiet::begin`] when all is made and [`Quiet::end`] at last, on a thread of its own; returns
/// how often the allocator was called in between.
fn quietly(work: impl FnOnce(&Quiet) + Send + 'static) -> u64 {
    let quiet: &'static Quiet = Box::leak(Box::default());
    let worker = thread::spawn(move || work(quiet));
    while !quiet.is_done.load(Ordering::Acquire) && !worker.is_finished() {
        thread::yield_now();
    }
    assert!(!worker.is_finished(), "it failed before it began");
    quiet.calls.load(Ordering::Relaxed)
}

#[derive(Default)]
struct Quiet {
    calls: AtomicU64,
    is_done: AtomicBool,
}

impl Quiet {
    fn begin(&self) {
        call_the_kernel_no_more();
        self.calls.store(CALLS.get(), Ordering::Relaxed);
    }

    /// The thread stays until the process ends: it could not end by itself without the kernel.
    fn end(&self) -> ! {
        self.calls.store(CALLS.get() - self.calls.load(Ordering::Relaxed), Ordering::Relaxed);
        // Pairs with the load in `quietly`.
        self.is_done.store(true, Ordering::Release);
        loop {
            hint::spin_loop();
        }
    }
}

const GRAINS: usize = 300;

/// Leases that free nothing when they drop: that would be their owner's doing. The watches keep their memory.
fn leases() -> (Vec<OwnedBytes>, Vec<LeaseWatch>) {
    let leases: Vec<_> = (0..GRAINS).map(|_| OwnedBytes::new(vec![7; 1_000 * BURST])).collect();
    let watches = leases.iter().map(OwnedBytes::watch).collect();
    (leases, watches)
}

/// One grain of a burst on each path, and one packet that is announced and never sent.
fn grain(
    tx: &mut Tx,
    (paths, waiting): (&[PathId], PathId),
    burst: &mut Burst<DpdkTxBuf>,
    lease: OwnedBytes,
    mut turn: impl FnMut(&mut Tx),
) {
    let Ok(payload) = tx.attach(lease, (paths.len() * BURST) as u32 + 1) else { panic!("every slot was reaped") };
    assert_eq!(tx.gather(waiting, &[0; 12], &payload, 0..1).err(), Some(TxFull::Unresolved));
    for path in paths {
        for n in 0..BURST as u32 {
            let Ok(packet) = tx.gather(*path, &[n as u8; 20], &payload, n * 1_000..(n + 1) * 1_000) else {
                panic!("there are buffers")
            };
            assert!(burst.push(packet).is_ok());
        }
        tx.tx_burst(burst);
        assert!(burst.is_empty());
        turn(tx);
    }
    tx.cancel(payload, 1);
    tx.reap();
}

/// Two paths to groups, and one whose neighbour never answers.
fn open(bench: &mut Bench, tx: &mut Tx) -> (Vec<PathId>, PathId) {
    let groups = ["239.1.2.3:5004", "[ff3e::8000:1]:5004"];
    bench.host.publish(groups.iter().map(|group| group.parse().unwrap()).collect());
    let mut open = |to: &str| tx.open_path(&Path::to(to.parse().unwrap())).unwrap();
    (groups.map(&mut open).to_vec(), open("192.0.2.9:5004"))
}

#[test]
fn over_a_ring() {
    alone("over_a_ring", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let (paths, waiting) = open(&mut bench, &mut tx);
        let (mut leases, watches) = leases();
        let frames: Vec<_> = (0..200).map(|_| bench.host.send(&frame_to("239.1.2.3:5006", &[1; 50]))).collect();
        assert!(frames.iter().all(|sent| *sent));
        let counters = std::sync::Arc::clone(&bench.counters);
        let calls = quietly(move |quiet| {
            let _lcore = eal.register_thread().unwrap();
            let (mut burst, mut received, mut relayed) = (Burst::new(), Burst::new(), Burst::new());
            quiet.begin();
            for lease in leases.drain(..) {
                grain(&mut tx, (&paths, waiting), &mut burst, lease, |tx| {
                    rx.rx_burst(&mut received);
                    for packet in received.iter().take(3) {
                        for skip in [12, 12, 20] {
                            let Ok(packet) = tx.forward(paths[0], &[9; 12], packet, skip) else {
                                panic!("there are buffers")
                            };
                            assert!(relayed.push(packet).is_ok());
                        }
                    }
                    assert_eq!(tx.tx_burst(&mut relayed), 9);
                    received.clear();
                    while rx.rx_burst(&mut received) > 0 {
                        received.clear();
                    }
                    received.clear();
                });
            }
            quiet.end();
        });
        assert_eq!(calls, 0, "calls of the allocator");
        let media = counters.tx.media_packets.value();
        assert_eq!(media, (GRAINS * 2 * (BURST + 9)) as u64);
        assert_eq!((counters.rx.media_packets.value(), counters.tx.host_frames.value()), (media, 200));
        assert!(counters.rx.host_frames.value() > 0 && watches.iter().all(|watch| !watch.is_held()));
    });
}

#[test]
fn into_nothing() {
    alone("into_nothing", || {
        let eal = eal(64);
        let make = Make { device: "net_null", ..Make::default() };
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, make);
        let (paths, waiting) = open(&mut bench, &mut tx);
        let (mut leases, watches) = leases();
        let counters = std::sync::Arc::clone(&bench.counters);
        let calls = quietly(move |quiet| {
            let _lcore = eal.register_thread().unwrap();
            let (mut burst, mut received) = (Burst::new(), Burst::new());
            quiet.begin();
            for lease in leases.drain(..) {
                grain(&mut tx, (&paths, waiting), &mut burst, lease, |_| assert_eq!(rx.rx_burst(&mut received), 0));
            }
            quiet.end();
        });
        assert_eq!(calls, 0, "calls of the allocator");
        assert_eq!(counters.tx.media_packets.value(), (GRAINS * 2 * BURST) as u64);
        assert!(watches.iter().all(|watch| !watch.is_held()));
    });
}

#[test]
fn with_frames_that_are_injected() {
    alone("with_frames_that_are_injected", || {
        let eal = eal(64);
        let (mut bench, _tx, rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        bench.path("239.1.2.3:5004");
        let (tap, end) = injection();
        let mut rx = rx.injected_by(end);
        let ring = tap.start(InjectionConfig { frames: 1_000, frame_octets: 1_518 }).unwrap();
        let frame = frame_to("239.1.2.3:5004", &[1; 1_200]);
        assert!((0..1_000).all(|_| ring.put(Tai::EPOCH, &frame)));
        let calls = quietly(move |quiet| {
            let _lcore = eal.register_thread().unwrap();
            let mut received = Burst::new();
            quiet.begin();
            while !ring.is_empty() {
                rx.rx_burst(&mut received);
                received.clear();
            }
            quiet.end();
        });
        assert_eq!((calls, bench.counters.rx.media_packets.value()), (0, 1_000), "calls of the allocator, packets");
    });
}
