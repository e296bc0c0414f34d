//! Received packets given back together: each buffer to its own pool, once, and what somebody else holds not at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use bench::{Bench, GROUP, Make, Raw, Rx, frame_to, octets, receive};
use dpdk::eal::Eal;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::{Mempool, MempoolConfig, Sharing};
use dpdk::port::TxHandle;
use dpdk::rx::DpdkRx;
use media::ManualClock;
use netio::{PacketBuf, RxQueue};

/// Pools with buffers of different lengths, so that each buffer tells whose it is.
const ROOMS: [u16; 4] = [128, 256, 384, 512];

fn pools(eal: &Eal) -> [Mempool; 4] {
    ROOMS.map(|data_octets| {
        let config = MempoolConfig { mbufs: 255, data_octets, cache: 32, sharing: Sharing::OneWorker, numa: None };
        Mempool::create(eal, &config).unwrap()
    })
}

fn open(eal: &Eal) -> (Bench, TxHandle, Rx) {
    let (mut bench, Raw { queues, rx_end, .. }) = Bench::raw(eal, Make::default());
    bench.path(GROUP);
    let clock = ManualClock::default();
    let rx = DpdkRx::new(queues.rx, &bench.station, &bench.capabilities, rx_end, bench.counters.clone(), clock);
    (bench, queues.tx, rx)
}

/// A frame whose headers and two pieces of payload are in buffers of three pools, another three for each `turn`.
fn packet(pools: &[Mempool; 4], turn: usize) -> Mbuf {
    let frame = frame_to(GROUP, &[turn as u8; 100]);
    let (headers, payload) = frame.split_at(frame.len() - 100);
    let mut chain: Option<Mbuf> = None;
    for (at, piece) in [headers, &payload[..60], &payload[60..]].into_iter().enumerate() {
        let mut next = pools[(turn + at) % pools.len()].alloc().unwrap();
        next.append(piece.len() as u16).unwrap().copy_from_slice(piece);
        match &mut chain {
            Some(chain) => chain.chain(next).unwrap(),
            None => chain = Some(next),
        }
    }
    chain.unwrap()
}

/// Takes all buffers of each pool: there is each of its own, and no other.
fn assert_whole(pools: &[Mempool; 4]) {
    for (pool, room) in pools.iter().zip(ROOMS) {
        let mut all: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(all.len(), pool.capacity() as usize);
        assert!(all.iter_mut().all(|mbuf| mbuf.append(room).is_some() && mbuf.append(1).is_none()), "of {room} octets");
        all.sort_by_key(|mbuf| mbuf.as_ptr().addr());
        assert!(all.windows(2).all(|pair| pair[0].as_ptr() != pair[1].as_ptr()), "none is there twice");
    }
}

#[test]
fn every_buffer_comes_back_to_its_own_pool() {
    alone("every_buffer_comes_back_to_its_own_pool", || {
        let eal = eal(64);
        let (_bench, mut tx, mut rx) = open(&eal);
        let pools = pools(&eal);
        for count in [1, 2, 3, BURST, BURST, 7] {
            let mut sent: ArrayVec<Mbuf, BURST> = (0..count).map(|turn| packet(&pools, turn / 2)).collect();
            assert_eq!(tx.burst(&mut sent), count);
            let mut received = receive(&mut rx);
            assert_eq!(received.len(), count);
            rx.take_back(&mut received);
            assert!(received.is_empty());
        }
        assert_whole(&pools);
    });
}

#[test]
fn what_is_held_elsewhere_stays() {
    alone("what_is_held_elsewhere_stays", || {
        let eal = eal(64);
        let (_bench, mut tx, mut rx) = open(&eal);
        let pools = pools(&eal);
        let mut sent: ArrayVec<Mbuf, BURST> = (0..8).map(|turn| packet(&pools, turn)).collect();
        assert_eq!(tx.burst(&mut sent), 8);
        let mut received = receive(&mut rx);
        let held: Vec<_> = received.iter().skip(3).step_by(2).map(PacketBuf::again).collect();
        rx.take_back(&mut received);
        let out: u32 = pools.iter().map(|pool| pool.capacity() - pool.available()).sum();
        assert_eq!((held.len(), out), (3, 9), "three packets of three buffers");
        // New packets do not get their memory.
        let mut sent: ArrayVec<Mbuf, BURST> = (20..40).map(|turn| packet(&pools, turn)).collect();
        assert_eq!(tx.burst(&mut sent), 20);
        let mut received = receive(&mut rx);
        rx.take_back(&mut received);
        let turns = [3, 5, 7];
        assert!(held.iter().zip(turns).all(|(packet, turn)| octets(packet) == [turn; 100]));
        drop(held);
        assert_whole(&pools);
    });
}
