//! net_pcap: capture files in, capture files out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, PortError, Reception};
use dpdk::sizing::{Demand, Sizing};

const DEMAND: Demand = Demand { packets_per_second: 10_000, hold_ms: 1, mtu: 9_000, streams: 1 };

/// A capture file (pcap 2.4, Ethernet, little-endian) with these packets.
fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let octets = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, octets, octets] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// The packets of a capture file.
fn packets_of(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut rest) = (Vec::new(), &file[24..]);
    while rest.len() >= 16 {
        let octets = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        packets.push(rest[16..16 + octets].to_vec());
        rest = &rest[16 + octets..];
    }
    packets
}

#[test]
fn files_are_read_and_written_whole_at_each_start() {
    alone("files_are_read_and_written_whole_at_each_start", || {
        let folder = tempfile::tempdir().unwrap();
        let (rx, tx) = (folder.path().join("rx.pcap"), folder.path().join("tx.pcap"));
        let packets: Vec<Vec<u8>> =
            [60_usize, 1_514, 9_018].iter().zip(1..).map(|(octets, fill)| vec![fill; *octets]).collect();
        std::fs::write(&rx, capture(&packets)).unwrap();
        let eal = eal(128);
        let device = format!("net_pcap:rx={},tx={}", rx.display(), tx.display()).parse().unwrap();
        let sizing = Sizing::new(&device, DEMAND).unwrap();
        let pool = Mempool::create(&eal, &sizing.rx_pool(None)).unwrap();
        let small = Mempool::create(&eal, &sizing.header_pool(None)).unwrap();
        let config = PortConfig { device, sizing, reception: Reception::Multicast };
        let mut port = Port::probe(&eal, config, pool.clone()).unwrap();
        assert!(port.capabilities().gathers, "net_pcap puts chains together");
        for _ in 0..3 {
            let (started, mut queues) = port.start().unwrap();
            let mut burst = ArrayVec::<Mbuf, BURST>::new();
            assert_eq!(queues.rx.burst(&mut burst), 3);
            let received: Vec<Vec<u8>> =
                burst.iter().map(|packet| packet.segments().flatten().copied().collect()).collect();
            assert_eq!(received, packets);
            // A header of ours in front of a received packet: two buffers of two pools.
            let mut sent: ArrayVec<Mbuf, BURST> = burst
                .drain(..)
                .map(|packet| {
                    let mut header = small.alloc().unwrap();
                    header.append(62).unwrap().fill(0xEE);
                    header.chain(packet).unwrap();
                    header
                })
                .collect();
            assert_eq!(queues.tx.burst(&mut sent), 3);
            port = started.stop(queues).unwrap();
            let expected: Vec<Vec<u8>> = packets.iter().map(|packet| [&[0xEE; 62], &packet[..]].concat()).collect();
            assert_eq!(packets_of(&std::fs::read(&tx).unwrap()), expected);
        }
        drop(port);
        assert_eq!((pool.available(), small.available()), (pool.capacity(), small.capacity()));
    });
}

#[test]
fn an_absent_file_is_told_and_the_process_goes_on() {
    alone("an_absent_file_is_told_and_the_process_goes_on", || {
        let eal = eal(64);
        let device = "net_pcap:rx=/nonexistent/x.pcap".parse().unwrap();
        let sizing = Sizing::new(&device, Demand { mtu: 1_500, ..DEMAND }).unwrap();
        let pool = Mempool::create(&eal, &sizing.rx_pool(None)).unwrap();
        let config = PortConfig { device, sizing, reception: Reception::Multicast };
        let refusal = Port::probe(&eal, config.clone(), pool.clone()).unwrap_err();
        assert!(matches!(refusal, PortError::Probe { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains("/nonexistent/x.pcap") && refusal.to_string().contains("capture"));
        let device = "net_null".parse().unwrap();
        drop(Port::probe(&eal, PortConfig { device, ..config }, pool).unwrap());
    });
}
