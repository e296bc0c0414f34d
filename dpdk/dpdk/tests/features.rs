//! Flow rules, launch times, times of arrival and receive interrupts, as far as devices without hardware have them, and how
//! they are refused where they have not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use dpdk::device::Device;
use dpdk::eal::Eal;
use dpdk::flow::{Datagrams, FlowRuleError};
use dpdk::interrupt::InterruptError;
use dpdk::launch::LaunchTimes;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Features, Port, PortConfig, PortError, Reception, RxPools, Stopped, Wish};
use dpdk::sizing::{Demand, Sizing};
use dpdk::timestamp::{RxTimestamps, TimestampError};

const DEMAND: Demand = Demand { packets_per_second: 1_000, hold_ms: 1, mtu: 1_500, streams: 1 };

fn probe(eal: &Eal, device: &str, features: Features) -> Result<Port<Stopped>, PortError> {
    let device = device.parse().unwrap();
    let sizing = Sizing::new(&device, DEMAND).unwrap();
    let pool = Mempool::create(eal, &sizing.rx_pool(None)).unwrap();
    Port::probe_with(eal, PortConfig { device, sizing, reception: Reception::Multicast }, features, pool)
}

#[test]
fn a_device_without_flow_rules_refuses_them_in_words() {
    alone("a_device_without_flow_rules_refuses_them_in_words", || {
        let eal = eal(64);
        let (port, _queues) = probe(&eal, "net_null", Features::default()).unwrap().start().unwrap();
        for (destination, vlan) in [("239.1.2.3:5004", None), ("[ff3e::8000:1]:5004", Some(7))] {
            let datagrams = Datagrams { destination: destination.parse().unwrap(), vlan };
            let refusal = port.steer(datagrams, 0).unwrap_err();
            assert!(matches!(refusal, FlowRuleError::Refused { errno, .. } if errno > 0), "{refusal:?}");
            let words = refusal.to_string();
            println!("{words}");
            assert!(words.contains(destination) && words.contains("not implemented"), "{words}");
            let refusal = port.steer(datagrams, 1).unwrap_err();
            assert!(matches!(refusal, FlowRuleError::NoQueue { queue: 1, queues: 1, .. }), "{refusal:?}");
        }
    });
}

#[test]
fn what_a_device_does_not_have_is_refused_and_not_left_out() {
    alone("what_a_device_does_not_have_is_refused_and_not_left_out", || {
        let eal = eal(64);
        let none = Features::default();
        for (features, named) in [
            (Features { rx_timestamps: Wish::Needed, ..none }, "times of arrival"),
            (Features { launch_time: Wish::Needed, ..none }, "launch times"),
        ] {
            let refusal = probe(&eal, "net_null", features).unwrap_err();
            assert!(matches!(refusal, PortError::Feature { feature, .. } if feature == named), "{refusal:?}");
            assert!(refusal.to_string().contains(named), "{refusal}");
        }
        for asked in [0, 17] {
            let refusal = probe(&eal, "net_ring", Features { rx_queues: asked, ..none }).unwrap_err();
            assert!(matches!(refusal, PortError::RxQueues { asked: found, .. } if found == asked), "{refusal:?}");
        }
        let refusal = probe(&eal, "net_null", Features { is_isolated: true, ..none }).unwrap_err();
        assert!(refusal.to_string().contains("leaving all but flow rules to the kernel failed"), "{refusal}");
        let (port, mut queues) = probe(&eal, "net_null", none).unwrap().start().unwrap();
        let refusal = port.clock_ticks().unwrap_err();
        assert!(matches!(refusal, TimestampError::NoClock { .. }), "{refusal:?}");
        let refusal = queues.rx.wait(Duration::ZERO).unwrap_err();
        assert!(matches!(refusal, InterruptError::Unsupported { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains("polled"), "{refusal}");
        // Nothing of it has harmed the port.
        assert_eq!(queues.rx.burst(&mut ArrayVec::new()), 0);
        drop(port.stop(queues).unwrap());
    });
}

#[test]
fn further_receive_queues_are_handed_out_once_and_come_back() {
    alone("further_receive_queues_are_handed_out_once_and_come_back", || {
        let eal = eal(64);
        let mut port = probe(&eal, "net_null", Features { rx_queues: 3, ..Features::default() }).unwrap();
        for _ in 0..2 {
            let (mut started, queues) = port.start().unwrap();
            assert_eq!(started.rx_queues(), 3);
            let mut further = started.further_rx();
            assert_eq!(further.len(), 2);
            assert!(further.iter().all(|rx| rx.is_of_the_port_of(&queues.tx)));
            assert!(started.further_rx().is_empty());
            assert_eq!(further[1].burst(&mut ArrayVec::new()), 0);
            drop(further.pop());
            assert!(started.further_rx().is_empty(), "one is out still");
            drop(further);
            port = started.stop(queues).unwrap();
        }
        let (mut started, queues) = port.start().unwrap();
        let further = started.further_rx();
        let stopped = std::panic::catch_unwind(AssertUnwindSafe(|| started.stop(queues)));
        assert!(stopped.is_err(), "a port has stopped under a queue");
        drop(further);
    });
}

#[test]
fn each_receive_queue_has_its_own_pool() {
    alone("each_receive_queue_has_its_own_pool", || {
        let eal = eal(64);
        let device: Device = "net_null".parse().unwrap();
        let sizing = Sizing::new(&device, DEMAND).unwrap();
        let pools: Vec<Mempool> = (0..2).map(|_| Mempool::create(&eal, &sizing.rx_pool(None)).unwrap()).collect();
        let config = PortConfig { device, sizing, reception: Reception::Multicast };
        let features = Features { rx_queues: 3, ..Features::default() };
        let rx_pools = RxPools::new(pools[0].clone(), vec![pools[1].clone()]);
        let (mut port, queues) = Port::probe_with(&eal, config, features, rx_pools).unwrap().start().unwrap();
        let further = port.further_rx();
        let all: Vec<Mbuf> = std::iter::from_fn(|| pools[1].alloc()).collect();
        assert!(!further[0].has_buffers() && further[0].packet_of(&[1; 60]).is_none());
        // The first has the others, and so has a queue without a pool of its own.
        assert!(queues.rx.has_buffers() && further[1].has_buffers());
        drop(all);
        assert!(further[0].packet_of(&[1; 60]).is_some());
        drop(further);
        drop(port.stop(queues).unwrap());
    });
}

#[test]
fn a_launch_time_travels_with_its_packet() {
    alone("a_launch_time_travels_with_its_packet", || {
        let eal = eal(64);
        let _registered = eal.register_thread().unwrap();
        let (port, mut queues) = probe(&eal, "net_ring", Features::default()).unwrap().start().unwrap();
        let pool = Mempool::create(&eal, &port.config().sizing.linear_pool(None)).unwrap();
        let (launch, arrival) = (LaunchTimes::register(&eal).unwrap(), RxTimestamps::register(&eal).unwrap());
        assert_eq!(launch, LaunchTimes::register(&eal).unwrap());
        let times = [None, Some(0), Some(0x0123_4567_89AB_CDEF), Some(u64::MAX)];
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        for time in times {
            let mut packet = pool.alloc().unwrap();
            packet.append(60).unwrap().fill(7);
            assert!(time.is_none_or(|ticks| launch.set(&mut packet, ticks)));
            burst.push(packet);
        }
        assert_eq!(queues.tx.burst(&mut burst), times.len());
        assert_eq!(queues.rx.burst(&mut burst), times.len());
        for (packet, time) in burst.iter().zip(times) {
            assert_eq!((launch.of(packet), arrival.of(packet)), (time, None));
            assert_eq!(packet.head(), [7; 60]);
        }
        // A packet of a pool is new each time: nothing of the last one is left.
        burst.clear();
        let fresh: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert!(fresh.iter().all(|packet| launch.of(packet).is_none()));
        drop((fresh, port.stop(queues).unwrap()));
    });
}

#[test]
fn times_of_arrival_are_those_of_the_capture() {
    alone("times_of_arrival_are_those_of_the_capture", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.pcap");
        let times = [(1_790_000_000, 0), (1_790_000_000, 999_999), (1_790_000_001, 5)];
        std::fs::write(&path, capture(&times)).unwrap();
        let eal = eal(64);
        let device = format!("net_pcap:rx={},tx=/dev/null", path.display());
        let (port, mut queues) = probe(&eal, &device, Features::default()).unwrap().start().unwrap();
        let arrival = RxTimestamps::register(&eal).unwrap();
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        while queues.rx.burst(&mut burst) > 0 {}
        let read: Vec<_> = burst.iter().map(|packet| arrival.of(packet)).collect();
        let expected = times.map(|(seconds, micros)| Some(u64::from(seconds) * 1_000_000 + u64::from(micros)));
        assert_eq!(read, expected);
        burst.clear();
        drop(port.stop(queues).unwrap());
    });
}

/// A capture of one frame at each of these seconds and microseconds.
fn capture(times: &[(u32, u32)]) -> Vec<u8> {
    const FRAME: [u8; 60] = [3; 60];
    let header = [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, 1];
    let packets = times.iter().map(|&(seconds, micros)| [seconds, micros, 60, 60]);
    let mut file: Vec<u8> = header.into_iter().flat_map(u32::to_ne_bytes).collect();
    for packet in packets {
        file.extend(packet.into_iter().flat_map(u32::to_ne_bytes));
        file.extend(FRAME);
    }
    file
}
