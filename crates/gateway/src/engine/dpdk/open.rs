//! A port from its plan to its queues, before a worker has them.

use std::sync::Arc;

use dpdk::counters::PortCounters;
use dpdk::device::Device;
use dpdk::eal::Eal;
use dpdk::mempool::{Mempool, MempoolConfig};
use dpdk::port::{Features, Port, PortConfig, PortError, Reception, RxHandle, RxPools, Started, Stopped, TxHandle};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{LINK_OCTETS, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, Reads, TxPools};
use ip::MacAddr;
use netio::capture::{CaptureEnd, CaptureWay, capture};
use netio::exchange::{ExchangeConfig, FRAME_OCTETS, HostEnd, RxEnd, TxEnd, exchange_of};
use netio::injection::injection;
use uuid::Uuid;
use worker::WORKER_LIMIT;

use super::environment::Sized;
use super::error::{DpdkStartError, PortCause};
use super::port::Facts;
use super::timing::{self, Timing};
use super::{Rx, Tx, sizes};
use crate::clock::TaiClock;
use crate::port_plan::{Exception, PortPlan};

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
    /// As many as the device has of those that were asked for; the first receives.
    pub(super) lanes: Vec<OpenedLane>,
    pub(super) host: HostEnd,
}

/// What a worker sends by, and perhaps receives by.
pub(super) struct OpenedLane {
    /// The worker's; `None` lets it float.
    pub(super) core: Option<usize>,
    pub(super) rx: Option<Rx>,
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
    let reads = if matches!(device, Device::Pci(_)) { Reads::Registered } else { Reads::Process };
    let (rings, stopped) = probed(eal, &plan, device, sizing, wakes)?;
    let capabilities = stopped.capabilities().clone();
    let mac = plan.mac.unwrap_or_else(|| own_or_random(stopped.mac()));
    let (mut port, queues) = stopped.start().map_err(|refused| refused.error)?;
    let timing = Timing::of(&port, &plan, eal, clock)?;
    // It may be left alone for half of that.
    let holds = queues.rx.patience() * 2;
    let station = Station {
        name: plan.name.to_string(),
        mac,
        vlan: plan.vlan,
        network: plan.network.clone().with_link_local(mac),
        mtu: plan.mtu,
    };
    let (ends, host) = exchange_of(exchange_config(plan.mtu), port.tx_queues().into());
    let config = DpdkTxConfig { paths: WORKER_LIMIT as u16, payloads: 4 * WORKER_LIMIT as u16, reads };
    let (mut tap, rx_capture, tx_capture) = capture();
    let (inlet, rx_injection) = injection();
    let receive = |handle: RxHandle, end: RxEnd, counters: &Arc<PortCounters>, capture: CaptureEnd| {
        let rx = DpdkRx::new(handle, &station, &capabilities, end, Arc::clone(counters), clock.clone());
        // A kernel behind the port may have sockets of its own.
        let rx = if plan.exception == Exception::None { rx.without_strange_datagrams() } else { rx };
        timing::on_rx(timing.as_ref(), rx.captured_by(capture))
    };
    let send = |handle: TxHandle, end: TxEnd, counters: &Arc<PortCounters>, capture: CaptureEnd| {
        let pools = tx_pools(eal, &sizing, capabilities.gathers, numa)?;
        let station = station.clone();
        let tx = DpdkTx::new(handle, station, &capabilities, pools, end, Arc::clone(counters), config);
        Ok::<_, PortCause>(timing::on_tx(timing.as_ref(), tx.captured_by(capture, clock.clone())))
    };
    let (mut rx_handles, mut captures) = (vec![queues.rx], vec![(rx_capture, tx_capture)]);
    rx_handles.extend(port.further_rx());
    captures.extend((1..ends.len()).map(|_| (tap.further(CaptureWay::In), tap.further(CaptureWay::Out))));
    let (mut rx_handles, tx_handles) = (rx_handles.into_iter(), std::iter::once(queues.tx).chain(port.further_tx()));
    let mut lanes = Vec::with_capacity(ends.len());
    for ((handle, (rx_end, tx_end)), (rx_capture, tx_capture)) in tx_handles.zip(ends).zip(captures) {
        let counters = Arc::default();
        let tx = send(handle, tx_end, &counters, tx_capture)?;
        let rx = rx_handles.next().map(|handle| receive(handle, rx_end, &counters, rx_capture));
        lanes.push(OpenedLane { core: plan.seating.cores.get(lanes.len()).copied(), rx, tx, counters });
    }
    if let Some(rx) = lanes.first_mut().and_then(|lane| lane.rx.take()) {
        let mut rx = rx.injected_by(rx_injection);
        if let Some(error) = rings.then(|| rx.wake_by_interrupt().err()).flatten() {
            tracing::info!("port {}: {error}", plan.name);
        }
        lanes[0].rx = Some(rx);
    }
    let (tap, inlet) = (Arc::new(tap), Arc::new(inlet));
    let facts = Facts { plan, sizing, holds, mac, capabilities, reads, timing, tap, inlet };
    Ok(Opened { facts, port, lanes, host })
}

/// Probes a device, and says whether it is to wake its worker by interrupts. One that has fewer receive queues than were asked for
/// has those.
fn probed(
    eal: &Eal,
    plan: &PortPlan,
    device: Device,
    sizing: Sizing,
    wakes: Wakes,
) -> Result<(bool, Port<Stopped>), PortCause> {
    let rings = match device {
        // Of several queues none can wake for the others.
        Device::Tap { .. } => wakes != Wakes::Never && plan.seating.workers == 1,
        Device::Pci(_) => wakes == Wakes::ByInterrupt,
        _ => false,
    };
    let numa = sizes::numa(&device);
    // A device that is told to have another address than its own is not asked to compare addresses.
    let reception = if plan.mac.is_some() { Reception::Promiscuous } else { Reception::Multicast };
    let config = PortConfig { device, sizing, reception };
    let with = |rx_queues: u16| {
        let features = Features {
            rx_queues,
            rx_interrupts: rings,
            tx_queues: plan.seating.workers,
            rx_timestamps: timing::arrival_wish(plan),
            launch_time: timing::launch_wish(plan),
            ..Features::default()
        };
        let pool = || Mempool::create(eal, &sizing.rx_pool(numa)).map_err(PortCause::Pool);
        let further = (1..rx_queues).map(|_| pool()).collect::<Result<_, _>>()?;
        Ok(Port::probe_with(eal, config.clone(), features, RxPools::new(pool()?, further))?)
    };
    let stopped = match with(plan.rx_queues) {
        Err(PortCause::Device(PortError::RxQueues { most, .. })) if (1..plan.rx_queues).contains(&most) => {
            tracing::warn!("port {}: {} has {most} receive queues of {}", plan.name, plan.device, plan.rx_queues);
            with(most)
        }
        probed => probed,
    };
    Ok((rings, stopped?))
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
