//! The simulator's faults, and that a seed decides them.

use media::Tai;

use super::*;
use crate::{Burst, OwnedBytes, PacketBuf, Path, RxQueue, TxQueue};

const TO: &str = "198.51.100.7:5004";

struct Bench {
    clock: ManualClock,
    net: SimNet,
    tx: SimTx<OwnedBytes>,
    rx: SimRx,
}

fn bench(seed: u64, faults: Faults, config: SimTxConfig) -> Bench {
    let clock = ManualClock::at(Tai::from_nanos(1_000));
    let net = SimNet::new(seed, faults, clock.clone());
    let rx = net.open_rx(SimRxConfig::of(TO.parse().unwrap()));
    Bench { tx: net.open_tx(config), rx, net, clock }
}

impl Bench {
    /// Sends packets numbered from 0 in their first two octets; time stands still unless the queue is full.
    fn send(&mut self, count: u16) {
        let path = self.tx.open_path(&Path::to(TO.parse().unwrap())).unwrap();
        for number in 0..count {
            self.tx.reap();
            let payload = self.tx.attach(OwnedBytes::new(vec![7; 100]), 1).unwrap();
            let packet = self.tx.gather(path, &number.to_be_bytes(), &payload, 0..100).unwrap();
            let mut burst = Burst::new();
            burst.push(packet).unwrap();
            assert_eq!(self.tx.tx_burst(&mut burst), 1);
        }
    }

    fn receive(&mut self) -> Vec<SimBuf> {
        let (mut packets, mut burst) = (Vec::new(), Burst::new());
        while self.rx.rx_burst(&mut burst) > 0 {
            packets.extend(burst.drain());
        }
        packets
    }
}

fn numbers(packets: &[SimBuf]) -> Vec<u16> {
    packets.iter().map(|packet| u16::from_be_bytes([packet.head()[0], packet.head()[1]])).collect()
}

#[test]
fn without_faults_all_arrive_in_order_at_their_time() {
    let faults = Faults { delay_nanos: 500, ..Faults::default() };
    let mut bench = bench(1, faults, SimTxConfig::default());
    bench.send(300);
    assert!(bench.receive().is_empty(), "nothing arrives before its delay has passed");
    bench.clock.advance_nanos(499);
    assert!(bench.receive().is_empty());
    bench.clock.advance_nanos(1);
    let packets = bench.receive();
    assert_eq!(numbers(&packets), (0..300).collect::<Vec<_>>());
    assert!(packets.iter().all(|packet| packet.meta().arrival == Tai::from_nanos(1_500)));
}

#[test]
fn a_seed_decides_everything() {
    let faults = Faults {
        loss_per_mille: 50,
        reorder_per_mille: 100,
        duplicate_per_mille: 50,
        chain_per_mille: 500,
        ..Faults::default()
    };
    let run = |seed| {
        let mut bench = bench(seed, faults, SimTxConfig::default());
        bench.send(500);
        let packets = bench.receive();
        (numbers(&packets), packets.iter().map(|packet| packet.segments().count()).collect::<Vec<_>>())
    };
    assert_eq!(run(42), run(42));
    assert_ne!(run(42), run(43));
}

#[test]
fn every_fault_happens_and_is_counted() {
    let faults = Faults {
        loss_per_mille: 100,
        reorder_per_mille: 100,
        duplicate_per_mille: 100,
        truncate_per_mille: 0,
        chain_per_mille: 0,
        delay_nanos: 0,
    };
    let mut bench = bench(7, faults, SimTxConfig::default());
    bench.send(2_000);
    let packets = bench.receive();
    let counters = bench.net.counters();
    assert_eq!(counters.sent, 2_000);
    assert_eq!(packets.len() as u64, counters.sent - counters.lost + counters.duplicated);
    assert!(counters.lost > 100 && counters.duplicated > 100 && counters.reordered > 100, "{counters:?}");
    let inversions = numbers(&packets).windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(inversions > 100, "{inversions}");
    let mut seen = numbers(&packets);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len() as u64, counters.sent - counters.lost);
}

#[test]
fn a_cut_packet_is_a_prefix() {
    let faults = Faults { truncate_per_mille: 1000, chain_per_mille: 500, ..Faults::default() };
    let mut bench = bench(3, faults, SimTxConfig::default());
    bench.send(300);
    let packets = bench.receive();
    assert_eq!((packets.len(), bench.net.counters().truncated), (300, 300));
    for (number, packet) in packets.iter().enumerate() {
        let mut whole = (number as u16).to_be_bytes().to_vec();
        whole.resize(102, 7);
        let octets: Vec<u8> = packet.segments().flatten().copied().collect();
        assert_eq!(octets, whole[..packet.octets()]);
        assert_eq!(packet.last_octet(), octets.last().copied().unwrap_or(0));
        assert!(packet.octets() < 102);
    }
}

#[test]
fn a_busy_line_holds_packets_back_and_their_payloads_too() {
    let config = SimTxConfig { queue_packets: 3, packet_nanos: 1_000, ..SimTxConfig::default() };
    let mut bench = bench(1, Faults::default(), config);
    let path = bench.tx.open_path(&Path::to(TO.parse().unwrap())).unwrap();
    let lease = OwnedBytes::new(vec![1; 50]);
    let watch = lease.watch();
    let payload = bench.tx.attach(lease, 5).unwrap();
    let mut burst = Burst::new();
    for number in 0..5u16 {
        burst.push(bench.tx.gather(path, &number.to_be_bytes(), &payload, 0..50).unwrap()).unwrap();
    }
    drop(payload);
    assert_eq!((bench.tx.tx_burst(&mut burst), burst.len()), (3, 2));
    assert_eq!(bench.tx.tx_burst(&mut burst), 0);
    bench.clock.advance_nanos(2_000);
    assert_eq!(bench.tx.tx_burst(&mut burst), 2);
    bench.clock.advance_nanos(2_999);
    bench.tx.reap();
    assert!(watch.is_held(), "the last packet has not left");
    bench.clock.advance_nanos(1);
    bench.tx.reap();
    assert!(!watch.is_held());
    assert_eq!(numbers(&bench.receive()), [0, 1, 2, 3, 4]);
    assert_eq!(bench.tx.counters().would_block, 2);
}

#[test]
fn a_full_receiver_drops_and_counts() {
    let mut bench = bench(1, Faults::default(), SimTxConfig::default());
    bench.rx = bench.net.open_rx(SimRxConfig { queue_packets: 10, ..SimRxConfig::of(TO.parse().unwrap()) });
    bench.send(25);
    assert_eq!(bench.receive().len(), 10);
    assert_eq!(bench.rx.counters().socket_drops, 15);
}

#[test]
fn a_group_is_heard_from_its_sources_only() {
    let clock = ManualClock::default();
    let net = SimNet::new(1, Faults::default(), clock);
    let group: SocketAddr = "232.1.2.3:5004".parse().unwrap();
    let sources = vec!["192.0.2.9".parse().unwrap()];
    let mut rx = net.open_rx(SimRxConfig { sources, ..SimRxConfig::of(group) });
    let mut tx = net.open_tx::<OwnedBytes>(SimTxConfig::default());
    let wanted = Path { source: Some("192.0.2.9:0".parse().unwrap()), ..Path::to(group) };
    let mut burst = Burst::new();
    for path in [Path::to(group), wanted] {
        let path = tx.open_path(&path).unwrap();
        let payload = tx.attach(OwnedBytes::new(vec![1; 9]), 1).unwrap();
        burst.push(tx.gather(path, &[], &payload, 0..9).unwrap()).unwrap();
    }
    assert_eq!(tx.tx_burst(&mut burst), 2);
    let mut received = Burst::new();
    assert_eq!(rx.rx_burst(&mut received), 1);
    assert_eq!(received.as_slice()[0].meta().source.ip().to_string(), "192.0.2.9");
    assert_eq!(net.counters().unheard, 1);
}
