//! What a packet costs through `netio`'s queues: net_null, one thread, ordinary pages, 62 octets of headers and 1,200 of a
//! lease by reference.
//!
//! `cargo run --release -p flypack-dpdk --example queue_rate [SECONDS]` prints the packet rate of gathering and sending;
//! and over net_ring, where the same thread also receives, sorts and frees them.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, Reception};
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, TxPools};
use ip::{MacAddr, Network};
use media::ManualClock;
use netio::exchange::{ExchangeConfig, exchange};
use netio::{BURST, Burst, OwnedBytes, Path, PathId, RxQueue, TxQueue};

const PAYLOAD: u32 = 1_200;
const GROUP: &str = "239.1.2.3:5004";
/// A 1080p frame, nearly.
const PACKETS: u32 = 4_320;

fn main() {
    let seconds = std::env::args().nth(1).map_or(2, |word| word.parse().unwrap());
    let eal = Eal::start(&EalConfig::new(Memory::NoHuge { mib: 256 })).unwrap();
    let _registered = eal.register_thread().unwrap();
    for device in ["net_null", "net_ring"] {
        let rate = measured(&eal, device, Duration::from_secs(seconds));
        println!("{device}: {:.1} Mpps, {:.0} ns", rate / 1e6, 1e9 / rate);
    }
}

/// Packets per second.
fn measured(eal: &Eal, name: &str, time: Duration) -> f64 {
    let device = name.parse().unwrap();
    let demand = Demand { packets_per_second: 1_000_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap();
    let pool = |config| Mempool::create(eal, &config).unwrap();
    let pools = TxPools { headers: pool(sizing.header_pool(None)), references: pool(sizing.reference_pool(None)) };
    let rx_pool = pool(sizing.rx_pool(None));
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    let (port, queues) = Port::probe(eal, config, rx_pool).unwrap().start().unwrap();
    let (rx_end, tx_end, mut host) = exchange(ExchangeConfig::default());
    host.publish([GROUP.parse().unwrap()].into_iter().collect());
    let network = Network::new(vec!["192.0.2.1/24".parse().unwrap()], None, None).unwrap();
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    let station = Station { name: name.to_owned(), mac, vlan: None, network, mtu: 1_500 };
    let (can, clock) = (port.capabilities(), ManualClock::default());
    let mut rx = DpdkRx::new(queues.rx, &station, can, rx_end, Arc::default(), clock);
    let config = DpdkTxConfig::default();
    let mut tx = DpdkTx::new(queues.tx, station, can, pools, tx_end, Arc::default(), config);
    let path = tx.open_path(&Path::to(GROUP.parse().unwrap())).unwrap();
    let (start, mut sent) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        grain(&mut tx, &mut rx, path);
        sent += PACKETS;
    }
    f64::from(sent) / start.elapsed().as_secs_f64()
}

fn grain(tx: &mut DpdkTx<OwnedBytes>, rx: &mut DpdkRx<ManualClock>, path: PathId) {
    let octets = (BURST as u32 * PAYLOAD) as usize;
    let payload = tx.attach(OwnedBytes::new(vec![7; octets]), PACKETS).unwrap();
    let (mut burst, mut received) = (Burst::new(), Burst::new());
    for n in 0..PACKETS {
        let start = n % BURST as u32 * PAYLOAD;
        burst.push(tx.gather(path, &[7; 20], &payload, start..start + PAYLOAD).unwrap()).unwrap();
        if burst.is_full() {
            tx.tx_burst(&mut burst);
            rx.rx_burst(&mut received);
            received.clear();
            tx.reap();
        }
    }
    drop(payload);
    tx.reap();
}
