//! Ports without a wire: net_ring and net_null, through their whole life.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;

use std::panic::AssertUnwindSafe;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use dpdk::eal::Eal;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, PortQueues, Reception, Stopped};
use dpdk::sizing::{Demand, Sizing};

const DEMAND: Demand = Demand { packets_per_second: 10_000, hold_ms: 1, mtu: 1_500, streams: 1 };

fn port(eal: &Eal, device: &str) -> (Port<Stopped>, Mempool) {
    let device = device.parse().unwrap();
    let sizing = Sizing::new(&device, DEMAND).unwrap();
    let pool = Mempool::create(eal, &sizing.rx_pool(None)).unwrap();
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    (Port::probe(eal, config, pool.clone()).unwrap(), pool)
}

/// A packet of two buffers with these octets in each.
fn chained(pool: &Mempool, first: &[u8], second: &[u8]) -> Mbuf {
    let mut head = pool.alloc().unwrap();
    head.append(u16::try_from(first.len()).unwrap()).unwrap().copy_from_slice(first);
    let mut tail = pool.alloc().unwrap();
    tail.append(u16::try_from(second.len()).unwrap()).unwrap().copy_from_slice(second);
    head.chain(tail).unwrap();
    head
}

#[test]
fn a_ring_gives_back_what_is_sent_over_two_restarts() {
    alone("a_ring_gives_back_what_is_sent_over_two_restarts", || {
        let eal = eal(64);
        let (mut port, pool) = port(&eal, "net_ring");
        let tx_pool = Mempool::create(&eal, &port.config().sizing.header_pool(None)).unwrap();
        let registered = eal.register_thread().unwrap();
        assert!(port.capabilities().gathers);
        for round in 0..3_u8 {
            let (started, mut queues) = port.start().unwrap();
            assert!(started.link().up);
            let mut burst = ArrayVec::<Mbuf, BURST>::new();
            burst.push(chained(&tx_pool, &[round; 60], &[round + 100; 200]));
            burst.push(chained(&tx_pool, &[1; 42], &[2; 7]));
            assert_eq!(queues.tx.burst(&mut burst), 2);
            assert!(burst.is_empty());
            assert_eq!(queues.rx.burst(&mut burst), 2);
            let octets: Vec<u8> = burst[0].segments().flatten().copied().collect();
            assert_eq!(octets, [[round; 60].as_slice(), &[round + 100; 200]].concat());
            assert_eq!((burst[0].octets(), burst[0].segment_count(), burst[1].octets()), (260, 2, 49));
            // Each round passes four packets, two of them when it stops.
            let stats = started.stats();
            assert_eq!((stats.tx_packets, stats.rx_packets), (4 * u64::from(round) + 2, 4 * u64::from(round) + 2));
            assert!(started.xstats().iter().any(|(name, value)| name == "rx_good_packets" && *value > 0));
            // What is still in the ring when the port stops is freed.
            assert_eq!(queues.tx.burst(&mut burst), 2);
            port = started.stop(queues).unwrap();
            assert_eq!(tx_pool.available(), tx_pool.capacity());
        }
        drop(port);
        drop(registered);
        assert_eq!(pool.available(), pool.capacity());
        // No thread keeps any for itself, EAL's own neither: one that has no cache gets them all.
        assert_eq!(std::iter::from_fn(|| tx_pool.alloc()).collect::<Vec<Mbuf>>().len(), tx_pool.capacity() as usize);
    });
}

#[test]
fn queues_hold_their_device_and_the_last_of_them_frees_what_is_in_it() {
    alone("queues_hold_their_device_and_the_last_of_them_frees_what_is_in_it", || {
        let eal = eal(64);
        let (port, pool) = port(&eal, "net_ring");
        let (port, queues) = port.start().unwrap();
        let PortQueues { mut rx, mut tx } = queues;
        drop(port);
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        assert!(pool.alloc_burst(&mut burst, 8));
        assert_eq!(tx.burst(&mut burst), 8);
        drop(tx);
        burst.push(pool.alloc().unwrap());
        assert_eq!(rx.burst(&mut burst), 8);
        assert!(burst.len() == 9 && pool.available() == pool.capacity() - 9);
        drop(burst);
        drop(rx);
        let (port, queues) = self::port(&eal, "net_ring").0.start().unwrap();
        let PortQueues { rx, mut tx } = queues;
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        assert!(pool.alloc_burst(&mut burst, 8));
        assert_eq!(tx.burst(&mut burst), 8);
        drop((port, tx, rx));
        assert_eq!(pool.available(), pool.capacity());
    });
}

#[test]
fn queues_of_another_port_are_our_own_mistake() {
    alone("queues_of_another_port_are_our_own_mistake", || {
        let eal = eal(64);
        let (one, _one_queues) = port(&eal, "net_null").0.start().unwrap();
        let (_two, two_queues) = port(&eal, "net_null").0.start().unwrap();
        let mistake = std::panic::catch_unwind(AssertUnwindSafe(|| drop(one.stop(two_queues))));
        let text = *mistake.unwrap_err().downcast::<&str>().unwrap();
        assert!(text.contains("those of another port"), "{text}");
    });
}

#[test]
fn null_takes_everything_and_receives_nothing() {
    alone("null_takes_everything_and_receives_nothing", || {
        let eal = eal(64);
        let (port, pool) = port(&eal, "net_null");
        let (port, mut queues) = port.start().unwrap();
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        assert!(pool.alloc_burst(&mut burst, BURST));
        assert_eq!(pool.available(), pool.capacity() - 32);
        assert_eq!(queues.tx.burst(&mut burst), BURST);
        assert_eq!(queues.rx.burst(&mut burst), 0);
        assert_eq!(pool.available(), pool.capacity());
        assert_eq!(queues.tx.cleanup(), dpdk::port::Cleanup::Unsupported);
        assert_eq!(port.stats().tx_packets, 32);
    });
}
