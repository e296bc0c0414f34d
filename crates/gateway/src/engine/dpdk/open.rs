//! A port from its plan to its queues, before a worker has them.

use std::sync::Arc;

use dpdk::counters::PortCounters;
use dpdk::device::Device;
use dpdk::eal::Eal;
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Features, Port, PortConfig, Reception, Started};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{LINK_OCTETS, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, Reads, TxPools};
use ip::MacAddr;
use netio::capture::{CaptureWay, capture};
use netio::exchange::{ExchangeConfig, FRAME_OCTETS, HostEnd, exchange_of};
use netio::injection::injection;
use uuid::Uuid;
use worker::WORKER_LIMIT;

use super::environment::Sized;
use super::error::{DpdkStartError, PortCause};
use super::port::Facts;
use super::timing::{self, Timing};
use super::{Rx, Tx, sizes};
use crate::clock::TaiClock;
use crate::port_plan::Exception;

/// How the port's worker learns of packets when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wakes {
    /// It sleeps until the device interrupts, where the device can.
    ByInterrupt,
    /// The same, but a card is polled: with interrupts it may not start, and nobody has asked for them. **Untested on
    /// hardware.**
    ByTap,
    /// It looks.
    Never,
}

/// A started port with its queues, which nobody polls yet.
pub(super) struct Opened {
    pub(super) facts: Facts,
    pub(super) port: Port<Started>,
    pub(super) rx: Rx,
    /// As many as the device has of those that were asked for; the first is the receiving worker's.
    pub(super) lanes: Vec<OpenedLane>,
    pub(super) host: HostEnd,
}

/// What a worker sends by.
pub(super) struct OpenedLane {
    /// The worker's; `None` lets it float.
    pub(super) core: Option<usize>,
    pub(super) tx: Tx,
    pub(super) counters: Arc<PortCounters>,
}

impl Opened {
    /// Probes and starts the port.
    pub(super) fn open(eal: &Eal, sized: Sized, wakes: Wakes, clock: &TaiClock) -> Result<Self, DpdkStartError> {
        let name = sized.plan.name.clone();
        open(eal, sized, wakes, clock).map_err(|cause| cause.of(&name))
    }
}

fn open(eal: &Eal, sized: Sized, wakes: Wakes, clock: &TaiClock) -> Result<Opened, PortCause> {
    let Sized { plan, device, sizing } = sized;
    let numa = sizes::numa(&device);
    let pool = |config: MempoolConfig| Mempool::create(eal, &config).map_err(PortCause::Pool);
    // A device that is told to have another address than its own is not asked to compare addresses.
    let reception = if plan.mac.is_some() { Reception::Promiscuous } else { Reception::Multicast };
    let reads = if matches!(device, Device::Pci(_)) { Reads::Registered } else { Reads::Process };
    let rx_pool = pool(sizing.rx_pool(numa))?;
    let rings = match device {
        // Of several queues none can wake for the others.
        Device::Tap { .. } => wakes != Wakes::Never && plan.seating.workers == 1,
        Device::Pci(_) => wakes == Wakes::ByInterrupt,
        _ => false,
    };
    let features = Features {
        rx_interrupts: rings,
        tx_queues: plan.seating.workers,
        rx_timestamps: timing::arrival_wish(&plan),
        launch_time: timing::launch_wish(&plan),
        ..Features::default()
    };
    let stopped = Port::probe_with(eal, PortConfig { device, sizing, reception }, features, rx_pool)?;
    let capabilities = stopped.capabilities().clone();
    let mac = plan.mac.unwrap_or_else(|| own_or_random(stopped.mac()));
    let (mut port, queues) = stopped.start().map_err(|refused| refused.error)?;
    let timing = Timing::of(&port, &plan, eal, clock)?;
    let station = Station {
        name: plan.name.to_string(),
        mac,
        vlan: plan.vlan,
        network: plan.network.clone().with_link_local(mac),
        mtu: plan.mtu,
    };
    let (mut ends, host) = exchange_of(exchange_config(plan.mtu), port.tx_queues().into());
    let (rx_end, tx_end) = ends.remove(0);
    let counters: Arc<PortCounters> = Arc::default();
    let config = DpdkTxConfig { paths: WORKER_LIMIT as u16, payloads: 4 * WORKER_LIMIT as u16, reads };
    let (mut tap, rx_capture, tx_capture) = capture();
    let (inlet, rx_injection) = injection();
    let rx = DpdkRx::new(queues.rx, &station, &capabilities, rx_end, Arc::clone(&counters), clock.clone());
    // A kernel behind the port may have sockets of its own.
    let mut rx = if plan.exception == Exception::None { rx.without_strange_datagrams() } else { rx };
    if let Some(error) = rings.then(|| rx.wake_by_interrupt().err()).flatten() {
        tracing::info!("port {}: {error}", plan.name);
    }
    let lane = |at: usize, handle, end, counters: Arc<PortCounters>, capture| {
        let pools = tx_pools(eal, &sizing, capabilities.gathers, numa)?;
        let station = station.clone();
        let tx = DpdkTx::new(handle, station, &capabilities, pools, end, Arc::clone(&counters), config);
        let tx = timing::on_tx(timing.as_ref(), tx);
        Ok::<_, PortCause>(OpenedLane {
            core: plan.seating.cores.get(at).copied(),
            tx: tx.captured_by(capture),
            counters,
        })
    };
    let mut lanes = vec![lane(0, queues.tx, tx_end, counters, tx_capture)?];
    for (handle, (_, end)) in port.further_tx().into_iter().zip(ends) {
        lanes.push(lane(lanes.len(), handle, end, Arc::default(), tap.further(CaptureWay::Out))?);
    }
    let rx = timing::on_rx(timing.as_ref(), rx.captured_by(rx_capture).injected_by(rx_injection));
    let (tap, inlet) = (Arc::new(tap), Arc::new(inlet));
    let facts = Facts { plan, sizing, mac, capabilities, reads, timing, tap, inlet };
    Ok(Opened { facts, port, rx, lanes, host })
}

/// Headers and references where the device gathers; whole packets, and next to no references, where it does not.
fn tx_pools(eal: &Eal, sizing: &Sizing, gathers: bool, numa: Option<u16>) -> Result<TxPools, PortCause> {
    let references = sizing.reference_pool(numa);
    let (headers, references) = if gathers {
        (sizing.header_pool(numa), references)
    } else {
        (sizing.linear_pool(numa), MempoolConfig { mbufs: 1, cache: 0, ..references })
    };
    let headers = Mempool::create(eal, &headers).map_err(PortCause::Pool)?;
    Ok(TxPools { headers, references: References::create(eal, &references).map_err(PortCause::Pool)? })
}

/// net_ring and others have no address: one of the local ones that nobody else has.
fn own_or_random(own: MacAddr) -> MacAddr {
    if own.is_station() {
        return own;
    }
    let [a, b, c, d, e, ..] = Uuid::new_v4().into_bytes();
    MacAddr::new([2, a, b, c, d, e])
}

/// Room for the port's longest frame.
fn exchange_config(mtu: u16) -> ExchangeConfig {
    let usual = ExchangeConfig::default();
    let longest = (mtu + LINK_OCTETS).min(FRAME_OCTETS as u16);
    ExchangeConfig { frame_octets: usual.frame_octets.max(longest), ..usual }
}
