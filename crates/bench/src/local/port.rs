//! A port of DPDK's that sends and receives for a run, made as the gateway makes one.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use dpdk::capabilities::Capabilities;
use dpdk::counters::PortCounters;
use dpdk::device::Device;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::extmem::DmaPlacement;
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Port, PortConfig, Reception, Started};
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, Reads, TxPools};
use ip::{MacAddr, Network};
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use shm::GrainLease;

use super::ends::{Ends, Receiving};
use crate::arguments::Local;
use crate::role::Policy;
use crate::tai::RunClock;

/// Packets a second that a port is sized for where nobody paces.
const UNPACED_PACKETS: u32 = 4_000_000;
/// How long a receiver may keep a packet.
const HOLD_MS: u32 = 5;
const MTU: u16 = 1_500;
/// What EAL and a port take beside the pools, MiB.
const EAL_MIB: u32 = 64;
/// What all pools of a port take at the most, MiB.
const POOLS_MIB: u32 = 256;
/// The port's own address.
const ADDRESS: &str = "192.0.2.1/24";

pub(super) type Rx = DpdkRx<RunClock>;
pub(super) type Tx = DpdkTx<GrainLease>;

/// Starts DPDK with what the device needs.
pub(super) fn start(arguments: &Local) -> Result<Eal> {
    let memory = memory(arguments.traffic.pages);
    let allow = match device(arguments)? {
        Device::Pci(address) => vec![address],
        _ => Vec::new(),
    };
    Eal::start(&EalConfig { allow, ..EalConfig::new(memory) }).context("DPDK does not start")
}

/// Hugepages where there are enough free ones, as for rings.
fn memory(pages: Policy) -> Memory {
    let mib = EAL_MIB + POOLS_MIB;
    let [_, free] = crate::Machine::look().huge_pages;
    match pages {
        Policy::Huge => Memory::Huge { mib },
        Policy::Prefer if free * 2 >= u64::from(mib) => Memory::Huge { mib },
        Policy::Prefer | Policy::Plain => Memory::NoHuge { mib },
    }
}

pub(super) fn device(arguments: &Local) -> Result<Device> {
    Ok(arguments.device.to_string().parse()?)
}

/// A group for each stream.
pub(super) fn destinations(streams: u16) -> Vec<SocketAddr> {
    (0..streams).map(|stream| SocketAddr::from(([239, 192, 1, stream as u8 + 1], 5_004))).collect()
}

/// A started port with its pools.
pub(super) struct Opened {
    pub(super) port: Port<Started>,
    pub(super) queues: dpdk::port::PortQueues,
    pub(super) capabilities: Capabilities,
    pub(super) pools: TxPools,
    pub(super) device: Device,
}

/// Starts the port.
pub(super) fn start_port(eal: &Eal, arguments: &Local) -> Result<Opened> {
    let device = device(arguments)?;
    let traffic = &arguments.traffic;
    let plan = traffic.plan()?;
    let rate = plan.format().rate();
    let a_stream = u64::from(plan.packets_per_frame()) * u64::from(rate.num()) / u64::from(rate.den());
    let real = u32::try_from(a_stream * u64::from(traffic.streams))?;
    let packets_per_second = if traffic.unpaced { real.max(UNPACED_PACKETS) } else { real };
    let demand = Demand { packets_per_second, hold_ms: HOLD_MS, mtu: MTU, streams: traffic.streams };
    let sizing = Sizing::new(&device, demand)?;
    let pool = |config: MempoolConfig| Mempool::create(eal, &config);
    let config = PortConfig { device: device.clone(), sizing, reception: Reception::Multicast };
    let port = Port::probe(eal, config, pool(sizing.rx_pool(None))?)?;
    let capabilities = port.capabilities().clone();
    let headers = if capabilities.gathers { sizing.header_pool(None) } else { sizing.linear_pool(None) };
    let pools = TxPools { headers: pool(headers)?, references: pool(sizing.reference_pool(None))? };
    let (port, queues) = port.start().map_err(|refused| refused.error)?;
    Ok(Opened { port, queues, capabilities, pools, device })
}

/// The port's ends.
pub(super) fn open(eal: &Eal, arguments: &Local) -> Result<Ends<Rx, Tx>> {
    let Opened { port, queues, capabilities, pools, device } = start_port(eal, arguments)?;
    // A ring, and what leads nowhere, have no address of their own.
    let own = port.mac();
    let mac = if own.is_station() { own } else { MacAddr::new([2, 0, 0, 0, 0, 1]) };
    let network = Network::new(vec![ADDRESS.parse()?], None, None)?;
    let station = Station { name: device.to_string(), mac, vlan: None, network, mtu: MTU };
    let (rx_end, tx_end, mut host) = exchange(ExchangeConfig::default());
    let destinations = destinations(arguments.traffic.streams);
    host.publish(destinations.iter().copied().collect());
    let counters = Arc::<PortCounters>::default();
    let reads = if matches!(device, Device::Pci(_)) { Reads::Registered } else { Reads::Process };
    let payloads = 16 * arguments.traffic.streams;
    let config = DpdkTxConfig { payloads, reads, ..DpdkTxConfig::default() };
    let (clock, shared) = (RunClock::real(), Arc::clone(&counters));
    let rx = DpdkRx::new(queues.rx, &station, &capabilities, rx_end, shared, clock);
    let tx = DpdkTx::new(queues.tx, station, &capabilities, pools, tx_end, counters, config);
    Ok(Ends {
        tx,
        rx: Receiving::Shared(rx),
        destinations,
        enter: enter(eal),
        hooks: Box::new(DmaPlacement::new(eal, 0)),
        memory: port.config().sizing.to_string(),
        keep: Box::new(Kept { _port: port, _host: host }),
    })
}

/// Makes the calling thread an lcore.
pub(super) fn enter(eal: &Eal) -> super::ends::Enter {
    let eal = eal.clone();
    Arc::new(move || Ok(Box::new(eal.register_thread()?) as Box<dyn Any>))
}

struct Kept {
    _port: Port<Started>,
    _host: HostEnd,
}
