//! The suite that every backend of `netio` passes, through DPDK's drivers over kernel devices: one that gathers, one that
//! puts chains together itself, one that corrupts them and is never given any. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mempool::Mempool;
use dpdk::payload::retired_leases;
use dpdk::port::{Port, PortConfig, PortQueues, Reception, Started};
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, TxPools};
use hwtests::isolated::{self, Isolated};
use hwtests::namespace::{self, Link as Veth};
use hwtests::{Namespace, take_turn};
use ip::{MacAddr, Network};
use media::ManualClock;
use netio::conformance::{Harness, Link, suite};
use netio::exchange::{ExchangeConfig, HostEnd, RxEnd, TxEnd, exchange};
use netio::{OwnedBytes, Path};

const LIMIT: Duration = Duration::from_secs(20);
/// Links that the suite makes, and a few more. Each has an interface pair of its own: net_af_xdp cannot be made a second
/// time on an interface (the kernel says EINVAL), and the fill ring of a closed one keeps its buffers.
const LINKS: usize = 24;
/// Room for as many pools of net_af_xdp.
const MEMORY: Memory = Memory::NoHuge { mib: 1_024 };
const DEMAND: Demand = Demand { packets_per_second: 1_000, hold_ms: 1, mtu: 1_500, streams: 1 };

/// Runs the suite in a process of its own, in a namespace with as many veth pairs as it makes links.
fn conforms(test: &str, near: &'static str, far: &'static str, gathers: bool) {
    if isolated::is_inside(test) {
        let eal = Eal::start(&EalConfig::new(MEMORY)).unwrap();
        let _lcore = eal.register_thread().unwrap();
        let links = Cell::new(0);
        suite(|| Wire { eal: eal.clone(), near, far, gathers, links: &links, ends: Vec::new() });
        assert_eq!(retired_leases(), 0, "every lease came back");
        return;
    }
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let space = Namespace::create("suite").unwrap();
    // The kernel's own IPv6 packets would come between.
    let quiet = space.command("sysctl").args(["-qw", "net.ipv6.conf.default.disable_ipv6=1"]).status().unwrap();
    assert!(quiet.success());
    for link in 0..LINKS {
        let [near, far] = ["near", "far"].map(|end| format!("{end}{link}"));
        let end = |interface| Veth { namespace: &space, interface, addresses: &[] };
        namespace::join(end(&near), end(&far), DEMAND.mtu.into()).unwrap();
    }
    Isolated::new(test).inside(&space).run().unwrap();
}

struct Wire<'a> {
    eal: Eal,
    /// Devices of the two ends, but for their number.
    near: &'static str,
    far: &'static str,
    gathers: bool,
    /// Made so far, by all checks.
    links: &'a Cell<usize>,
    ends: Vec<End>,
}

/// What keeps a port running.
struct End {
    port: Port<Started>,
    host: HostEnd,
}

impl Wire<'_> {
    /// A started port, its queues, and the ends of its exchange on this side.
    fn end(&self, device: &str) -> (End, PortQueues, Mempool, (RxEnd, TxEnd)) {
        let device = format!("{device}{}", self.links.get()).parse().unwrap();
        let sizing = Sizing::new(&device, DEMAND).unwrap();
        let pool = Mempool::create(&self.eal, &sizing.rx_pool(None)).unwrap();
        let config = PortConfig { device, sizing, reception: Reception::Multicast };
        let (port, queues) = Port::probe(&self.eal, config, pool.clone()).unwrap().start().unwrap();
        let (rx_end, tx_end, host) = exchange(ExchangeConfig::default());
        (End { port, host }, queues, pool, (rx_end, tx_end))
    }
}

fn station(address: &str, last: u8) -> Station {
    let network = Network::new(vec![address.parse().unwrap()], None, None).unwrap();
    Station { name: "port".to_owned(), mac: MacAddr::new([2, 0, 0, 0, 0, last]), vlan: None, network, mtu: DEMAND.mtu }
}

impl Harness for Wire<'_> {
    type Tx = DpdkTx<OwnedBytes>;
    type Rx = DpdkRx<ManualClock>;

    fn link(&mut self) -> Link<Self::Tx, Self::Rx> {
        let (near, near_queues, _, (_, tx_end)) = self.end(self.near);
        assert_eq!(near.port.capabilities().gathers, self.gathers);
        let (mut far, far_queues, _, (rx_end, _)) = self.end(self.far);
        let deadline = Instant::now() + LIMIT;
        while !(near.port.link().up && far.port.link().up) {
            assert!(Instant::now() < deadline, "the link never came up");
            std::thread::sleep(Duration::from_millis(1));
        }
        let destination = SocketAddr::from(([239, 1, 2, 3], 5_004));
        far.host.publish([destination].into_iter().collect());
        let sizing = near.port.config().sizing;
        let headers = if self.gathers { sizing.header_pool(None) } else { sizing.linear_pool(None) };
        let pool = |config| Mempool::create(&self.eal, &config).unwrap();
        let pools = TxPools { headers: pool(headers), references: pool(sizing.reference_pool(None)) };
        let (capabilities, config) = (near.port.capabilities(), DpdkTxConfig::default());
        let tx_station = station("192.0.2.1/24", 1);
        let tx = DpdkTx::new(near_queues.tx, tx_station, capabilities, pools, tx_end, Arc::default(), config);
        let capabilities = far.port.capabilities();
        let clock = ManualClock::default();
        let rx = DpdkRx::new(far_queues.rx, &station("192.0.2.2/24", 2), capabilities, rx_end, Arc::default(), clock);
        self.ends.extend([near, far]);
        self.links.set(self.links.get() + 1);
        let path = Path::to(destination);
        let paths = ["192.0.2.1:6000", "192.0.2.1:0"]
            .map(|source| Path { source: Some(source.parse().unwrap()), ..path.clone() });
        Link { tx, rx, paths }
    }

    /// The kernel takes its time.
    fn step(&mut self, _: &Self::Rx) {
        std::thread::sleep(Duration::from_millis(1));
    }

    fn gathers_by_reference(&self) -> bool {
        self.gathers
    }
}

#[test]
fn af_packet() {
    conforms("af_packet", "net_af_packet:near", "net_af_packet:far", true);
}

#[test]
fn af_xdp_is_given_no_chain() {
    conforms("af_xdp_is_given_no_chain", "net_af_xdp:near", "net_af_packet:far", false);
}

#[test]
fn af_xdp_receives() {
    conforms("af_xdp_receives", "net_af_packet:near", "net_af_xdp:far", true);
}

#[test]
fn tap() {
    conforms("tap", "net_tap:fp-tap", "net_af_packet:fp-tap", true);
}
