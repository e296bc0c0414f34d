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
use dpdk::mempool::{Mempool, MempoolConfig, Sharing};
use dpdk::port::{Port, PortConfig, Reception, Started};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, Reads, TxPools};
use ip::{InterfaceAddr, MacAddr, Network};
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use shm::GrainLease;
use worker::WORKER_LIMIT;

use super::ends::{Around, Ends, Enter, Receiving};
use super::presence::Presence;
use crate::device::DeviceName;
use crate::role::Policy;
use crate::tai::RunClock;
use crate::traffic::Traffic;

/// Packets a second that a port is sized for where nobody paces.
const UNPACED_PACKETS: u32 = 4_000_000;
/// How long a receiver may keep a packet.
const HOLD_MS: u32 = 5;
/// As a gateway's port has it by default; on a wire, where it does not take more than so many packets.
const WIRE_HOLD_MS: u32 = 100;
const HELD_PACKETS: u32 = 32_768;
const MTU: u16 = 1_500;
/// What EAL and a port take beside the pools, MiB.
const EAL_MIB: u32 = 64;
/// What all pools of a port take at the most, MiB.
const POOLS_MIB: u32 = 256;
/// A port's own address where none is given; it receives groups only.
const ADDRESS: &str = "192.0.2.1/24";
/// Where the first stream comes in.
const PORT: u16 = 5_004;

pub(crate) type Rx = DpdkRx<RunClock>;
pub(crate) type Tx = DpdkTx<GrainLease>;

/// Starts DPDK with what the devices need.
pub(crate) fn start(names: &[&DeviceName], pages: Policy) -> Result<Eal> {
    let mut allow = Vec::new();
    for name in names {
        if let Device::Pci(address) = device(name)? {
            allow.push(address);
        }
    }
    Eal::start(&EalConfig { allow, ..EalConfig::new(memory(pages, names.len())) }).context("DPDK does not start")
}

/// Hugepages where there are enough free ones, as for rings.
fn memory(pages: Policy, ports: usize) -> Memory {
    let mib = EAL_MIB + POOLS_MIB * ports as u32;
    let [_, free] = crate::Machine::look().huge_pages;
    match pages {
        Policy::Huge => Memory::Huge { mib },
        Policy::Prefer if free * 2 >= u64::from(mib) => Memory::Huge { mib },
        Policy::Prefer | Policy::Plain => Memory::NoHuge { mib },
    }
}

fn device(name: &DeviceName) -> Result<Device> {
    Ok(name.to_string().parse()?)
}

/// The group of a stream on a leg.
pub(crate) fn destination(stream: u16, leg: u16) -> SocketAddr {
    SocketAddr::from(([239, 192, 1 + leg as u8, 1 + stream as u8], PORT))
}

/// Whether others are at the other end of it, who ask and want to be asked.
fn is_wire(device: &Device) -> bool {
    matches!(device, Device::Pci(_) | Device::AfPacket { .. } | Device::AfXdp { .. } | Device::Tap { .. })
}

/// How long the rings of a port hold what comes.
fn hold_ms(device: &Device, packets_per_second: u32) -> u32 {
    if is_wire(device) {
        (HELD_PACKETS * 1_000 / packets_per_second.max(1)).clamp(HOLD_MS, WIRE_HOLD_MS)
    } else {
        HOLD_MS
    }
}

/// How a port sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    /// As its driver can: what the payload is in is chained behind a header.
    AsItCan,
    /// Each packet in one buffer, copied: as a card receives them, where what is sent is what another port's worker receives.
    OneBuffer,
}

/// A started port with its pools.
pub(crate) struct Opened {
    pub(crate) port: Port<Started>,
    pub(crate) queues: dpdk::port::PortQueues,
    pub(crate) capabilities: Capabilities,
    pub(crate) pools: TxPools,
    pub(crate) device: Device,
}

/// Starts the port.
pub(crate) fn start_port(eal: &Eal, name: &DeviceName, traffic: &Traffic, sends: Sends) -> Result<Opened> {
    let device = device(name)?;
    let plan = traffic.plan()?;
    let rate = plan.format().rate();
    let a_stream = u64::from(plan.packets_per_frame()) * u64::from(rate.num()) / u64::from(rate.den());
    let real = u32::try_from(a_stream * u64::from(traffic.streams))?;
    let packets_per_second = if traffic.unpaced { real.max(UNPACED_PACKETS) } else { real };
    let demand = Demand {
        packets_per_second,
        hold_ms: hold_ms(&device, packets_per_second),
        mtu: MTU,
        streams: traffic.streams,
    };
    let sizing = Sizing::new(&device, demand)?;
    let pool = |config: MempoolConfig| Mempool::create(eal, &config);
    let config = PortConfig { device: device.clone(), sizing, reception: Reception::Multicast };
    let port = Port::probe(eal, config, pool(sizing.rx_pool(None))?)?;
    let mut capabilities = port.capabilities().clone();
    capabilities.gathers &= sends == Sends::AsItCan;
    let headers = if capabilities.gathers { sizing.header_pool(None) } else { sizing.linear_pool(None) };
    // What is sent into a ring is freed by who reads it.
    let sharing = if device == Device::Ring { Sharing::Threads } else { headers.sharing };
    let headers = MempoolConfig { sharing, ..headers };
    let pools = TxPools { headers: pool(headers)?, references: References::create(eal, &sizing.reference_pool(None))? };
    let (port, queues) = port.start().map_err(|refused| refused.error)?;
    Ok(Opened { port, queues, capabilities, pools, device })
}

/// The ends of the port that feeds a relay, and of the one that it sends by. Streams come by the first.
pub(crate) fn open_relay(eal: &Eal, [feed, out]: [&DeviceName; 2], traffic: &Traffic) -> Result<Ends<Rx, Tx>> {
    let mut ends = open_all(eal, &[(feed, Sends::OneBuffer), (out, Sends::AsItCan)], &[], traffic)?;
    ends.around.destinations.iter_mut().for_each(|legs| legs.truncate(1));
    Ok(ends)
}

/// The ends of as many ports as there are legs. Streams come to the groups, or to the addresses of the ports where there are some
/// (`10.77.0.2/24`).
pub(crate) fn open(eal: &Eal, names: &[&DeviceName], addresses: &[String], traffic: &Traffic) -> Result<Ends<Rx, Tx>> {
    let names: Vec<_> = names.iter().map(|name| (*name, Sends::AsItCan)).collect();
    open_all(eal, &names, addresses, traffic)
}

fn open_all(
    eal: &Eal,
    names: &[(&DeviceName, Sends)],
    addresses: &[String],
    traffic: &Traffic,
) -> Result<Ends<Rx, Tx>> {
    let (mut tx, mut rx, mut kept, mut memory) = (Vec::new(), Vec::new(), Vec::new(), String::new());
    for (leg, name) in (0_u16..).zip(names) {
        let address = addresses.get(usize::from(leg)).map(String::as_str);
        let one = open_one(eal, *name, address, traffic, leg)?;
        memory = one.kept.port.config().sizing.to_string();
        tx.push(one.tx);
        rx.push(one.rx);
        kept.push(one.kept);
    }
    let legs = names.len() as u16;
    let to = |stream, leg| to(addresses.get(usize::from(leg)), stream, leg);
    let of_stream = |stream| (0..legs).map(|leg| to(stream, leg)).collect::<Result<Vec<_>>>();
    let around = Around {
        destinations: (0..traffic.streams).map(of_stream).collect::<Result<_>>()?,
        interface: None,
        enter: enter(eal),
        hooks: Box::new(DmaPlacement::new(eal, 0)),
        memory,
        keep: Box::new(kept),
    };
    Ok(Ends { tx, rx: Receiving::Shared(rx), around })
}

/// One port with its queues.
struct One {
    tx: Tx,
    rx: Rx,
    kept: Kept,
}

/// Where a stream comes in: a group, or a port of the address.
fn to(address: Option<&String>, stream: u16, leg: u16) -> Result<SocketAddr> {
    let Some(address) = address else { return Ok(destination(stream, leg)) };
    let address: InterfaceAddr = address.parse()?;
    Ok(SocketAddr::new(address.address, PORT + 2 * stream))
}

fn open_one(
    eal: &Eal,
    (name, sends): (&DeviceName, Sends),
    address: Option<&str>,
    traffic: &Traffic,
    leg: u16,
) -> Result<One> {
    let Opened { port, queues, capabilities, pools, device } = start_port(eal, name, traffic, sends)?;
    // A ring, and what leads nowhere, have no address of their own.
    let own = port.mac();
    let mac = if own.is_station() { own } else { MacAddr::new([2, 0, 0, 0, 0, 1]) };
    let network = Network::new(vec![address.unwrap_or(ADDRESS).parse()?], None, None)?;
    let station = Station { name: device.to_string(), mac, vlan: None, network, mtu: MTU };
    let (rx_end, tx_end, mut host) = exchange(ExchangeConfig::default());
    let address = address.map(str::to_owned);
    let streams = (0..traffic.streams).map(|stream| to(address.as_ref(), stream, leg)).collect::<Result<Vec<_>>>()?;
    host.publish(streams.iter().copied().collect());
    let counters = Arc::<PortCounters>::default();
    let reads = if matches!(device, Device::Pci(_)) { Reads::Registered } else { Reads::Process };
    let payloads = 16 * traffic.streams;
    let config = DpdkTxConfig { paths: WORKER_LIMIT as u16, payloads, reads };
    let shared = Arc::clone(&counters);
    let rx = DpdkRx::new(queues.rx, &station, &capabilities, rx_end, shared, RunClock::start());
    let beside = if is_wire(&device) {
        Beside::Presence(Presence::begin(&station, host, &streams)?)
    } else {
        Beside::Nobody(host)
    };
    let tx = DpdkTx::new(queues.tx, station, &capabilities, pools, tx_end, counters, config);
    Ok(One { tx, rx, kept: Kept { port, _beside: beside } })
}

/// Makes the calling thread an lcore.
pub(crate) fn enter(eal: &Eal) -> Enter {
    let eal = eal.clone();
    Arc::new(move || Ok(Box::new(eal.register_thread()?) as Box<dyn Any>))
}

struct Kept {
    port: Port<Started>,
    _beside: Beside,
}

/// Who has what is no media.
#[expect(dead_code, reason = "they are kept, and nobody asks them")]
enum Beside {
    /// It joins, asks and answers.
    Presence(Presence),
    /// There is nobody who would ask.
    Nobody(HostEnd),
}
