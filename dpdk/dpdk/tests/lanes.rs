//! Ports with several transmit queues, each in the hands of a thread of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;

use std::panic::AssertUnwindSafe;
use std::thread;
use std::time::{Duration, Instant};

use alone::{alone, eal};
use arrayvec::ArrayVec;
use dpdk::eal::Eal;
use dpdk::interrupt::InterruptError;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Features, Port, PortConfig, Reception, Stopped, TxHandle};
use dpdk::sizing::{Demand, Sizing};

const LIMIT: Duration = Duration::from_secs(60);
const LANES: u16 = 4;
/// Of each lane; more than the ring of one holds.
const PACKETS: u32 = 5_000;

fn probe(eal: &Eal, device: &str, tx_queues: u16) -> Port<Stopped> {
    let device = device.parse().unwrap();
    let demand = Demand { packets_per_second: 1_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap().sending_by(&device, tx_queues).unwrap();
    let pool = Mempool::create(eal, &sizing.rx_pool(None)).unwrap();
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    Port::probe_with(eal, config, Features { tx_queues, ..Features::default() }, pool).unwrap()
}

/// Sends so many numbered packets of this lane, whatever the device takes at a time.
fn send(eal: &Eal, lane: u16, tx: &mut TxHandle, sizing: &Sizing) {
    let _registered = eal.register_thread().unwrap();
    let pool = Mempool::create(eal, &sizing.header_pool(None)).unwrap();
    let (mut burst, mut number) = (ArrayVec::<Mbuf, BURST>::new(), 0);
    while number < PACKETS || !burst.is_empty() {
        while number < PACKETS && !burst.is_full() {
            let Some(mut packet) = pool.alloc() else { break };
            let octets = packet.append(60).unwrap();
            octets[..2].copy_from_slice(&lane.to_be_bytes());
            octets[2..6].copy_from_slice(&number.to_be_bytes());
            burst.push(packet);
            number += 1;
        }
        if tx.burst(&mut burst) == 0 {
            thread::yield_now();
        }
    }
}

#[test]
fn what_threads_send_by_queues_of_their_own_arrives_whole_and_in_order() {
    alone("what_threads_send_by_queues_of_their_own_arrives_whole_and_in_order", || {
        let eal = eal(64);
        let _registered = eal.register_thread().unwrap();
        let mut port = probe(&eal, "net_ring", LANES);
        for _ in 0..2 {
            let (mut started, mut queues) = port.start().unwrap();
            assert_eq!((started.tx_queues(), started.rx_queues()), (LANES, 1));
            let mut further = started.further_tx();
            assert!(further.iter().all(|tx| queues.rx.is_of_the_port_of(tx)) && started.further_tx().is_empty());
            let sizing = started.config().sizing;
            let mut next = [0_u32; LANES as usize];
            thread::scope(|scope| {
                for (lane, tx) in (0..).zip([&mut queues.tx].into_iter().chain(&mut further)) {
                    let (eal, sizing) = (&eal, &sizing);
                    scope.spawn(move || send(eal, lane, tx, sizing));
                }
                let (mut burst, deadline) = (ArrayVec::<Mbuf, BURST>::new(), Instant::now() + LIMIT);
                while next.iter().sum::<u32>() < PACKETS * u32::from(LANES) {
                    if queues.rx.burst(&mut burst) == 0 {
                        assert!(Instant::now() < deadline, "of each lane arrived: {next:?}");
                        thread::yield_now();
                    }
                    for packet in burst.drain(..) {
                        let lane = usize::from(u16::from_be_bytes(packet.head()[..2].try_into().unwrap()));
                        let number = u32::from_be_bytes(packet.head()[2..6].try_into().unwrap());
                        assert_eq!(number, next[lane], "lane {lane}");
                        next[lane] += 1;
                    }
                }
            });
            assert_eq!(next, [PACKETS; LANES as usize]);
            let refusal = queues.rx.make_alarm().unwrap_err();
            assert!(matches!(refusal, InterruptError::Unsupported { .. }), "several queues cannot wake: {refusal:?}");
            drop(further);
            port = started.stop(queues).unwrap();
        }
    });
}

#[test]
fn what_waits_on_any_queue_of_a_ring_is_freed_when_it_stops() {
    alone("what_waits_on_any_queue_of_a_ring_is_freed_when_it_stops", || {
        let eal = eal(64);
        let (mut started, mut queues) = probe(&eal, "net_ring", LANES).start().unwrap();
        let pool = Mempool::create(&eal, &started.config().sizing.header_pool(None)).unwrap();
        let mut further = started.further_tx();
        for tx in [&mut queues.tx].into_iter().chain(&mut further) {
            let mut burst = ArrayVec::<Mbuf, BURST>::new();
            assert!(pool.alloc_burst(&mut burst, 20));
            assert_eq!(tx.burst(&mut burst), 20);
        }
        assert_eq!(pool.available(), pool.capacity() - 20 * u32::from(LANES));
        drop(further);
        drop(started.stop(queues).unwrap());
        assert_eq!(pool.available(), pool.capacity());
    });
}

#[test]
fn a_device_has_as_many_queues_as_it_has_and_says_so() {
    alone("a_device_has_as_many_queues_as_it_has_and_says_so", || {
        let eal = eal(192);
        let capture = tempfile::tempdir().unwrap();
        let one = format!("net_pcap:tx={}", capture.path().join("out.pcap").display());
        for (device, most) in [("net_ring", 16), (one.as_str(), 1)] {
            let (mut started, queues) = probe(&eal, device, 17).start().unwrap();
            let further = started.further_tx();
            assert_eq!((started.tx_queues(), further.len()), (most, usize::from(most) - 1), "{device}");
            assert_eq!(started.capabilities().tx_queues_max, most, "{device}");
            drop(further);
            drop(started.stop(queues).unwrap());
        }
    });
}

#[test]
fn a_port_does_not_stop_under_a_further_transmit_queue() {
    alone("a_port_does_not_stop_under_a_further_transmit_queue", || {
        let eal = eal(64);
        let (mut started, queues) = probe(&eal, "net_null", 2).start().unwrap();
        let further = started.further_tx();
        let stopped = std::panic::catch_unwind(AssertUnwindSafe(|| started.stop(queues)));
        assert!(stopped.is_err(), "a port has stopped under a queue");
        drop(further);
    });
}
