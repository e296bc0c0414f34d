//! Nothing on the hot path allocates, from the first call on: neither on the kernel backend nor on the worker's side of
//! an exchange, which frees nothing either.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use std::iter;
use std::sync::Arc;

use media::ManualClock;
use netio::exchange::{ExchangeConfig, MediaTable, NeighbourCell, Offer, exchange};
use netio::{
    BURST, Burst, KernelRx, KernelRxConfig, KernelTx, KernelTxConfig, OwnedBytes, PacketBuf, Path, RxQueue, TxQueue,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

#[allow(unsafe_code, reason = "a test allocator")]
// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local cell that needs no
// allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the contract of GlobalAlloc.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller keeps the contract of GlobalAlloc.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        FREES.set(FREES.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    // SAFETY: the caller keeps the contract of GlobalAlloc.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, octets) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const GRAINS: usize = 200;

#[test]
fn attach_gather_send_receive_forward_cancel_and_reap_allocate_nothing() {
    let rx_config = KernelRxConfig::of("127.0.0.1:0".parse().expect("an address"));
    let mut rx = KernelRx::open(&rx_config, ManualClock::default()).expect("the loopback");
    let mut tx = KernelTx::new(KernelTxConfig { payloads: 4, ..KernelTxConfig::default() });
    let path = tx.open_path(&Path::to(rx.local_addr())).expect("the loopback");
    let leases: Vec<OwnedBytes> = (0..GRAINS).map(|_| OwnedBytes::new(vec![7; 1200 * BURST])).collect();
    let (mut burst, mut arrived) = (Burst::new(), Burst::new());
    let (mut received, mut octets, mut forwarded) = (0, 0, 0);

    let before = ALLOCATIONS.get();
    for (grain, lease) in leases.into_iter().enumerate() {
        let Ok(payload) = tx.attach(lease, BURST as u32 + 1) else { panic!("every slot was reaped") };
        for n in 0..BURST as u32 {
            // Sizes change now and then, so that messages are merged and not merged.
            let end = (n + 1) * 1200 - u32::from(n % 7 == 0 && grain % 2 == 0);
            let Ok(packet) = tx.gather(path, &[n as u8; 20], &payload, n * 1200..end) else { panic!("in range") };
            assert!(burst.push(packet).is_ok());
        }
        tx.cancel(payload, 1);
        tx.tx_burst(&mut burst);
        assert!(burst.is_empty());
        tx.reap();
        while rx.rx_burst(&mut arrived) > 0 {
            received += arrived.len();
            if grain % 8 == 0 && arrived.as_slice()[0].octets() > 1200 {
                let Ok(packet) = tx.forward(path, &[9; 20], &arrived.as_slice()[0], 100) else { panic!("long enough") };
                assert!(burst.push(packet).is_ok());
                tx.tx_burst(&mut burst);
                forwarded += 1;
            }
            octets += arrived.drain().map(|packet| packet.octets()).sum::<usize>();
        }
    }
    let after = ALLOCATIONS.get();

    assert_eq!(after - before, 0, "allocations on the hot path");
    assert!(received >= GRAINS * BURST / 2 && octets > received * 1200, "{received} packets: the test shows nothing");
    assert!(before > 0 && forwarded > 0, "the allocator counts, and packets were sent on");
}

/// One exchange whose ends are used in turn; only what the worker does is counted.
#[test]
fn the_workers_side_of_an_exchange_allocates_and_frees_nothing() {
    let (mut rx, mut tx, mut host) = exchange(ExchangeConfig { frames: 4, frame_octets: 128, requests: 4 });
    let cell = Arc::new(NeighbourCell::new());
    let frame = [1; 100];
    let (mut allocations, mut frees, mut taken) = (0, 0, 0);
    for turn in 0..100_u16 {
        let destinations = (0..turn).map(|port| ([239, 0, 0, 1], port).into());
        host.publish(destinations.collect::<MediaTable>());
        while host.send(&frame) {}

        let before = (ALLOCATIONS.get(), FREES.get());
        assert_eq!(rx.media().len(), usize::from(turn));
        while rx.offer([frame.as_slice(), &frame[..20]].into_iter()) == Offer::Taken {
            taken += 1;
        }
        assert_eq!(rx.offer(iter::repeat_n(frame.as_slice(), 2)), Offer::Full);
        while let Some(frame) = tx.next() {
            taken += frame.len() / frame.len();
        }
        while tx.resolve([192, 0, 2, 1].into(), Arc::clone(&cell)) {}
        allocations += ALLOCATIONS.get() - before.0;
        frees += FREES.get() - before.1;

        while host.receive().is_some() {}
        while host.request().is_some() {}
    }
    assert_eq!((allocations, frees), (0, 0), "on the worker's side");
    assert!(taken == 800 && FREES.get() > 0, "{taken} frames: the test shows nothing");
}
