//! A net_ring port under `netio`'s queues: what is sent comes back, from worker to worker.

#![allow(unsafe_code, reason = "chains are looked into")]

use std::net::SocketAddr;
use std::sync::Arc;

use dpdk::capabilities::Capabilities;
use dpdk::counters::PortCounters;
use dpdk::eal::Eal;
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Port, PortConfig, PortQueues, Reception, Started};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxBuf, DpdkTxConfig, Reads, TxPools};
use ip::{MacAddr, Network};
use media::{Clock, ManualClock};
use netio::exchange::{ExchangeConfig, HostEnd, RxEnd, TxEnd, exchange};
use netio::{Burst, OwnedBytes, PacketBuf, Path, PathId, RxQueue, StableBytes, TxFull, TxQueue};

/// The port's own.
pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// What a bench is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Make {
    pub(crate) device: &'static str,
    pub(crate) gathers: bool,
    /// Whether one buffer of the pool of headers takes a whole frame; it always does where nothing is gathered.
    pub(crate) has_room: bool,
    pub(crate) vlan: Option<u16>,
    pub(crate) payloads: u16,
    pub(crate) packets_per_second: u32,
    pub(crate) reads: Reads,
}

impl Default for Make {
    fn default() -> Self {
        Self {
            device: "net_ring",
            gathers: true,
            has_room: false,
            vlan: None,
            payloads: 8,
            packets_per_second: 10_000,
            reads: Reads::Process,
        }
    }
}

/// A started port, its pools, and the far ends of its exchange.
pub(crate) struct Bench {
    pub(crate) port: Port<Started>,
    /// The pools of the transmit queue, for their figures.
    pub(crate) headers: Mempool,
    pub(crate) references: Mempool,
    pub(crate) capabilities: Capabilities,
    pub(crate) station: Station,
    pub(crate) host: HostEnd,
    pub(crate) counters: Arc<PortCounters>,
}

/// A port's queues before there is anything of `netio` about them.
pub(crate) struct Raw {
    pub(crate) queues: PortQueues,
    pub(crate) pools: TxPools,
    pub(crate) rx_end: RxEnd,
    pub(crate) tx_end: TxEnd,
}

impl Bench {
    /// A port on a ring of its own.
    pub(crate) fn raw(eal: &Eal, make: Make) -> (Self, Raw) {
        let device = make.device.parse().unwrap();
        let demand = Demand { packets_per_second: make.packets_per_second, hold_ms: 1, mtu: 1_500, streams: 1 };
        let sizing = Sizing::new(&device, demand).unwrap();
        let pool = |config| Mempool::create(eal, &config).unwrap();
        let rx_pool = pool(sizing.rx_pool(None));
        let is_small = make.gathers && !make.has_room;
        let headers = if is_small { sizing.header_pool(None) } else { sizing.linear_pool(None) };
        let pools = TxPools {
            headers: pool(headers),
            references: References::create(eal, &sizing.reference_pool(None)).unwrap(),
        };
        let (headers, references) = (pools.headers.clone(), pools.references.pool().clone());
        let config = PortConfig { device, sizing, reception: Reception::Multicast };
        let port = Port::probe(eal, config, rx_pool).unwrap();
        let (port, queues) = port.start().unwrap();
        let capabilities = Capabilities { gathers: make.gathers, ..port.capabilities().clone() };
        let addresses = ["192.0.2.1/24", "2001:db8::1/64"].map(|text| text.parse().unwrap()).to_vec();
        let network = Network::new(addresses, None, None).unwrap();
        let station =
            Station { name: "ring".to_owned(), mac: MacAddr::new(MAC), vlan: make.vlan, network, mtu: demand.mtu };
        let (rx_end, tx_end, host) = exchange(ExchangeConfig::default());
        let counters = Arc::default();
        (
            Self { port, headers, references, capabilities, station, host, counters },
            Raw { queues, pools, rx_end, tx_end },
        )
    }

    /// As [`Self::raw`], with both queues.
    pub(crate) fn open<L: StableBytes>(eal: &Eal, make: Make) -> (Self, DpdkTx<L>, DpdkRx<ManualClock>) {
        let (bench, raw) = Self::raw(eal, make);
        let (tx, rx) = bench.queues(raw, make);
        (bench, tx, rx)
    }

    /// As [`Self::open`], with so many header buffers and so many references.
    pub(crate) fn open_with(eal: &Eal, make: Make, [headers, references]: [u32; 2]) -> (Self, Tx, Rx) {
        let (mut bench, mut raw) = Self::raw(eal, make);
        let of = |pool: &Mempool, mbufs| MempoolConfig { mbufs, ..*pool.config() };
        raw.pools.headers = Mempool::create(eal, &of(&bench.headers, headers)).unwrap();
        raw.pools.references = References::create(eal, &of(&bench.references, references)).unwrap();
        (bench.headers, bench.references) = (raw.pools.headers.clone(), raw.pools.references.pool().clone());
        let (tx, rx) = bench.queues(raw, make);
        (bench, tx, rx)
    }

    fn queues<L: StableBytes>(&self, raw: Raw, make: Make) -> (DpdkTx<L>, DpdkRx<ManualClock>) {
        let Raw { queues, pools, rx_end, tx_end } = raw;
        let config = DpdkTxConfig { payloads: make.payloads, reads: make.reads, ..DpdkTxConfig::default() };
        let counters = || Arc::clone(&self.counters);
        let (station, clock) = (self.station.clone(), ManualClock::default());
        let tx = DpdkTx::new(queues.tx, station, &self.capabilities, pools, tx_end, counters(), config);
        let rx = DpdkRx::new(queues.rx, &self.station, &self.capabilities, rx_end, counters(), clock);
        (tx, rx)
    }

    /// A path to a group, which is media here.
    pub(crate) fn path(&mut self, destination: &str) -> Path {
        let destination: SocketAddr = destination.parse().unwrap();
        self.host.publish([destination].into_iter().collect());
        Path::to(destination)
    }

    /// Buffers that are not in the pools of the transmit queue; its stashes hold up to a burst of each.
    pub(crate) fn buffers_out(&self) -> u32 {
        let out = |pool: &Mempool| pool.capacity() - pool.available();
        out(&self.headers) + out(&self.references)
    }
}

pub(crate) type Tx = DpdkTx<OwnedBytes>;
pub(crate) type Rx = DpdkRx<ManualClock>;

pub(crate) const GROUP: &str = "239.1.2.3:5004";

pub(crate) fn pattern(octets: usize) -> Vec<u8> {
    (0..octets).map(|n| (n * 7 + n / 251) as u8).collect()
}

pub(crate) fn push(burst: &mut Burst<DpdkTxBuf>, made: Result<DpdkTxBuf, TxFull>) {
    assert!(burst.push(made.expect("a packet")).is_ok());
}

pub(crate) fn send<C: Clock>(tx: &mut DpdkTx<OwnedBytes, C>, burst: &mut Burst<DpdkTxBuf>) {
    let count = burst.len();
    assert_eq!(tx.tx_burst(burst), count);
}

pub(crate) fn receive(rx: &mut Rx) -> Burst<<Rx as RxQueue>::Buf> {
    let mut burst = Burst::new();
    rx.rx_burst(&mut burst);
    burst
}

pub(crate) fn octets(packet: &impl PacketBuf) -> Vec<u8> {
    packet.segments().flatten().copied().collect()
}

pub(crate) fn open<C: Clock>(bench: &mut Bench, tx: &mut DpdkTx<OwnedBytes, C>) -> PathId {
    let path = bench.path(GROUP);
    tx.open_path(&path).unwrap()
}

/// The packet buffers of a packet, by their addresses.
pub(crate) fn buffers(packet: &DpdkTxBuf) -> Vec<usize> {
    let mut found = Vec::new();
    let mut next = packet.mbuf().as_ptr();
    while !next.is_null() {
        found.push(next.addr());
        // SAFETY: the chain is whole as long as the packet.
        next = unsafe { (*next).next };
    }
    found
}

/// A whole frame to a group, with no UDP checksum.
pub(crate) fn frame_to(destination: &str, payload: &[u8]) -> Vec<u8> {
    let destination = destination.parse().unwrap();
    let source = "192.0.2.7:7000".parse().unwrap();
    let source_mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
    let config = ip::TemplateConfig { source_mac, vlan: None, source, destination, dscp: 0, ttl: 1 };
    let template = ip::Template::new(&config).unwrap();
    let mut frame = vec![0; template.octets()];
    template.write(&mut frame, template.group_mac().unwrap(), payload.len() as u16);
    frame.extend_from_slice(payload);
    frame
}
