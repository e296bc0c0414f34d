//! What a packet costs through the safe API when the device does nothing: net_null, one thread, ordinary pages.
//!
//! `cargo run --release -p flypack-dpdk --example null_rate [SECONDS]` prints the packet rate of bursts of one and of two
//! buffers per packet, allocated, filled with a header's 62 octets, sent and freed by the driver; and of net_ring, where
//! the same thread receives and frees them.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, PortQueues, Reception};
use dpdk::sizing::{Demand, Sizing};

const HEADER: [u8; 62] = [0x5A; 62];

fn main() {
    let seconds = std::env::args().nth(1).map_or(2, |word| word.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let eal = Eal::start(&EalConfig::new(Memory::NoHuge { mib: 256 })).unwrap();
    let _registered = eal.register_thread().unwrap();
    for device in ["net_null", "net_ring"] {
        let device: dpdk::device::Device = device.parse().unwrap();
        let demand = Demand { packets_per_second: 1_000_000, hold_ms: 1, mtu: 1_500, streams: 1 };
        let sizing = Sizing::new(&device, demand).unwrap();
        let headers = Mempool::create(&eal, &sizing.header_pool(None)).unwrap();
        let rx_pool = Mempool::create(&eal, &sizing.rx_pool(None)).unwrap();
        let config = PortConfig { device: device.clone(), sizing, reception: Reception::Multicast };
        let (port, mut queues) = Port::probe(&eal, config, rx_pool).unwrap().start().unwrap();
        for segments in [1, 2] {
            let rate = rate(&mut queues, &headers, segments, time);
            println!("{device}, {segments} buffers per packet: {:.1} Mpps, {:.0} ns", rate / 1e6, 1e9 / rate);
        }
        port.stop(queues).unwrap();
    }
}

/// Packets per second.
fn rate(queues: &mut PortQueues, headers: &Mempool, segments: usize, time: Duration) -> f64 {
    let (start, mut sent) = (Instant::now(), 0_usize);
    while start.elapsed() < time {
        for _ in 0..256 {
            sent += turn(queues, headers, segments);
        }
    }
    sent as f64 / start.elapsed().as_secs_f64()
}

/// One burst there, and back where there is a way back.
fn turn(queues: &mut PortQueues, headers: &Mempool, segments: usize) -> usize {
    let (mut burst, mut tails) = (ArrayVec::<Mbuf, BURST>::new(), ArrayVec::<Mbuf, BURST>::new());
    assert!(headers.alloc_burst(&mut burst, BURST) && (segments == 1 || headers.alloc_burst(&mut tails, BURST)));
    for packet in &mut burst {
        packet.append(62).unwrap().copy_from_slice(&HEADER);
        if let Some(tail) = tails.pop() {
            packet.chain(tail).unwrap();
        }
    }
    let sent = queues.tx.burst(&mut burst);
    let mut received = ArrayVec::<Mbuf, BURST>::new();
    queues.rx.burst(&mut received);
    sent
}
