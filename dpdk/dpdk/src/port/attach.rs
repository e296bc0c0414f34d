//! A device in EAL: found, configured, started and stopped, and taken out again.

use std::ffi::{CStr, CString};
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use dpdk_sys::rte_eth_dev_info;
use ip::MacAddr;
use rustix::io::Errno;

use super::error::remedy;
use super::shape::Shape;
use super::{Features, PortConfig, PortError, Reception, RxPools, configure, packet_sockets};
use crate::capabilities::Capabilities;
use crate::device::Device;
use crate::eal::Eal;
use crate::extmem;
use crate::flow::Rules;
use crate::mbuf::BURST;
use crate::mempool;
use crate::netdev::Netdev;
use crate::payload;
use crate::sizing::Sizing;

/// More than the rings of net_af_xdp (4,096) or the queue of a TAP (500) hold; fresh packets do not keep a start busy.
const STALE_PACKETS_MAX: usize = 8_192;

/// RTE_PMD_AF_PACKET_MAX_RINGS.
const AF_PACKET_QUEUES_MAX: u16 = 16;

/// A configured device. When this drops it is stopped, closed and removed.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) eal: Eal,
    pub(super) id: u16,
    pub(super) device: Device,
    pub(super) netdev: Option<Netdev>,
    pub(super) rules: Arc<Rules>,
    pub(super) shape: Shape,
    in_eal: InEal,
    capabilities: Capabilities,
    mac: MacAddr,
    started: AtomicBool,
    spent: AtomicBool,
    /// How long its receive queue may be left alone.
    pub(super) patience: Duration,
    /// The device's rings hold buffers of them.
    pub(super) rx_pools: RxPools,
}

/// EAL's own record of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InEal(NonNull<dpdk_sys::rte_device>);

impl InEal {
    pub(crate) fn as_ptr(self) -> *mut dpdk_sys::rte_device {
        self.0.as_ptr()
    }
}

// SAFETY: the pointer is used on EAL's thread only.
unsafe impl Send for InEal {}
// SAFETY: as for Send.
unsafe impl Sync for InEal {}

impl Attached {
    /// Attaches and configures.
    pub(super) fn new(
        eal: &Eal,
        config: &PortConfig,
        features: Features,
        rx_pools: &RxPools,
    ) -> Result<Self, PortError> {
        let (on_thread, config, rx_pools) = (eal.clone(), config.clone(), rx_pools.clone());
        control(eal, move || Self::on_eal_thread(on_thread, &config, features, &rx_pools))
    }

    fn on_eal_thread(eal: Eal, config: &PortConfig, features: Features, rx_pools: &RxPools) -> Result<Self, PortError> {
        let device = config.device.clone();
        let netdev = existing_netdev(&device, config.sizing.demand.mtu)?;
        let id = probe(&device, &config.sizing, features.tx_queues)?;
        let (info, in_eal) = described(&device, id)?;
        let capabilities = Capabilities::new(name(info.driver_name), numa(id), &info);
        let mac = mac(id);
        // From here on a failure detaches again, through Drop.
        let mut attached = Self {
            eal,
            id,
            netdev,
            rules: Rules::of(id),
            shape: Shape::new(features, &device, &info),
            in_eal,
            capabilities,
            mac,
            started: AtomicBool::new(false),
            spent: AtomicBool::new(false),
            patience: config.sizing.patience(&device),
            rx_pools: rx_pools.clone(),
            device,
        };
        extmem::attached(in_eal).map_err(|error| PortError::Memory { device: attached.device.clone(), error })?;
        features.check(&attached.device, &info, &attached.capabilities)?;
        let rx_descriptors = configure::configure(&attached, config, features, &info, rx_pools)?;
        // A driver may have fewer than were sized: what it does not buffer, nobody may wait for.
        attached.patience = config.sizing.with_descriptors(rx_descriptors).patience(&attached.device);
        if matches!(attached.device, Device::AfPacket { .. }) {
            let result = packet_sockets::never_wait().map_or_else(|error| -packet_sockets::errno(&error), |()| 0);
            check(&attached.device, "enlarging its send buffer (it needs CAP_NET_ADMIN)", result)?;
        }
        Ok(attached)
    }

    /// Whether what is sent now can leave. The kernel's ring of net_af_packet takes packets while its device has no link, and
    /// sends them, thousands and seconds late, when it is back; so the kernel is asked first (of 32 packets, which are as
    /// many copies). Other drivers refuse what they cannot send, or drop it.
    #[inline]
    pub(super) fn has_way_out(&self) -> bool {
        match (&self.device, &self.netdev) {
            (Device::AfPacket { .. }, Some(netdev)) => netdev.is_running().unwrap_or(false),
            _ => true,
        }
    }

    /// Receive queues whose packets are freed when it stops.
    fn ring_queues(&self) -> u16 {
        if self.device == Device::Ring { self.shape.rx } else { 0 }
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn mac(&self) -> MacAddr {
        self.mac
    }

    /// Whether a stop has left nothing to start.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    pub(super) fn start(&self, reception: Reception) -> Result<(), PortError> {
        let id = self.id;
        // A card's rings are new; what a device of the kernel has kept from before is not received.
        let stale = matches!(self.device, Device::AfXdp { .. } | Device::Tap { .. });
        let queues = self.shape.rx;
        // SAFETY: the port is configured and exists as long as `self`; its queue handles are not made yet, so nobody
        // else bursts on it.
        let result = control(&self.eal, move || unsafe {
            let result = dpdk_sys::rte_eth_dev_start(id);
            if result == 0 {
                receive(id, reception);
            }
            if result == 0 && stale {
                free_waiting(id, queues, STALE_PACKETS_MAX);
            }
            result
        });
        check(&self.device, "starting it", result)?;
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) fn stop(&self) -> Result<(), PortError> {
        let (id, ring_queues) = (self.id, self.ring_queues());
        self.started.store(false, Ordering::Release);
        // While it is stopped, net_af_packet's ring fills with what will be stale (and some of its versions close
        // their sockets for good): a new one starts empty.
        self.spent.store(matches!(self.device, Device::AfPacket { .. }), Ordering::Release);
        let rules = Arc::clone(&self.rules);
        let result = control(&self.eal, move || {
            rules.destroy_all();
            // SAFETY: the port exists as long as `self`. Nobody bursts on it: the queue handles were given back.
            unsafe { halt(id, ring_queues) }
        });
        if result == 0 { Ok(()) } else { Err(PortError::Stop { device: self.device.clone(), errno: -result }) }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let (id, in_eal, started) = (self.id, self.in_eal, self.started.load(Ordering::Acquire));
        let (ring_queues, rules) = (self.ring_queues(), Arc::clone(&self.rules));
        control(&self.eal, move || {
            extmem::detached(in_eal);
            rules.destroy_all();
            // SAFETY: the last holder of the device is going, so nobody bursts on it. Closing releases the port and
            // removing the device; neither is used afterwards. `in_eal` is EAL's record until it is removed here.
            unsafe {
                if started {
                    halt(id, ring_queues);
                }
                dpdk_sys::rte_eth_dev_close(id);
                dpdk_sys::rte_dev_remove(in_eal.as_ptr());
            }
        });
        // What its rings held is free now: leases of queues that went before it end here, not with the process.
        payload::retired_leases();
    }
}

/// Runs what takes and frees buffers on EAL's thread, which keeps none of them: workers are to have them all.
fn control<R: Send + 'static>(eal: &Eal, job: impl FnOnce() -> R + Send + 'static) -> R {
    eal.run(move || {
        let outcome = job();
        mempool::flush_caches_of_this_thread();
        outcome
    })
}

/// Stops a started port, of which so many receive queues are emptied.
///
/// # Safety
/// The port exists, nobody bursts on it, and this is EAL's thread.
unsafe fn halt(id: u16, ring_queues: u16) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        // The rings are emptied by nobody else, and may end with the device.
        free_waiting(id, ring_queues, usize::MAX);
        // Some drivers raise a flag of the kernel's device; it is not left behind.
        dpdk_sys::rte_eth_promiscuous_disable(id);
        dpdk_sys::rte_eth_dev_stop(id)
    }
}

/// Receives and frees what waits on the first `queues` receive queues, at most about `packets_max` of each.
///
/// # Safety
/// The port is started and has so many, nobody else bursts on it, and this is EAL's thread.
unsafe fn free_waiting(id: u16, queues: u16, packets_max: usize) {
    let (mut burst, mut freed, mut queue) = ([std::ptr::null_mut(); BURST], 0, 0);
    while queue < queues {
        // SAFETY: a queue of a started port (the caller's promise), and room for as many as are asked for.
        let received = unsafe { dpdk_sys::rte_eth_rx_burst(id, queue, burst.as_mut_ptr(), BURST as u16) };
        if received == 0 || freed >= packets_max {
            (queue, freed) = (queue + 1, 0);
        }
        // SAFETY: the driver has given away so many chains, which are freed once.
        unsafe { dpdk_sys::rte_pktmbuf_free_bulk(burst.as_mut_ptr(), received.into()) };
        freed += usize::from(received);
    }
}

/// Turns a DPDK result (0, or a negative error number) into ours.
pub(super) fn check(device: &Device, step: &'static str, result: i32) -> Result<(), PortError> {
    if result >= 0 { Ok(()) } else { Err(PortError::Step { device: device.clone(), step, errno: -result }) }
}

/// What is to be received besides the own address; a driver without a switch for it receives all there is anyway.
///
/// # Safety
/// The port exists and is started; this is EAL's thread.
unsafe fn receive(id: u16, reception: Reception) {
    // SAFETY: the caller's promise.
    unsafe {
        let multicast = reception == Reception::Multicast && dpdk_sys::rte_eth_allmulticast_enable(id) == 0;
        if !multicast {
            dpdk_sys::rte_eth_promiscuous_enable(id);
        }
    }
}

/// The kernel's device below, which must be there and carry the MTU. A TAP is made by its driver.
fn existing_netdev(device: &Device, asked: u16) -> Result<Option<Netdev>, PortError> {
    let Some(name) = device.netdev() else { return Ok(None) };
    let absent = |error: io::Error| PortError::NetdevAbsent { device: device.clone(), reason: error.to_string() };
    let netdev = Netdev::new(name).map_err(absent)?;
    if !matches!(device, Device::Tap { .. }) {
        let has = netdev.mtu().map_err(absent)?;
        if has < u32::from(asked) {
            return Err(PortError::NetdevMtu { device: device.clone(), asked, has });
        }
    }
    Ok(Some(netdev))
}

/// Attaches the device and returns its port.
fn probe(device: &Device, sizing: &Sizing, tx_queues: u16) -> Result<u16, PortError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let refused = |result: i32| PortError::Probe { device: device.clone(), errno: -result, remedy: remedy(device) };
    let name = match device.driver() {
        Some(driver) => format!("{driver}{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        None => device.to_string(),
    };
    let name = CString::new(name).expect("names of devices contain no NUL");
    if let Some(id) = port_of(&name) {
        // A card that EAL has found at its start.
        return Ok(id);
    }
    let arguments = arguments(device, sizing, tx_queues);
    let devargs = [name.to_bytes(), arguments.as_bytes()].concat();
    let devargs = CString::new(devargs).expect("names and files contain no NUL");
    // SAFETY: a string with its NUL, which EAL copies; this is EAL's thread.
    let result = unsafe { dpdk_sys::rte_dev_probe(devargs.as_ptr()) };
    if result < 0 {
        return Err(refused(result));
    }
    port_of(&name).ok_or_else(|| refused(-Errno::NODEV.raw_os_error()))
}

/// What the driver says of the device. One that says nothing is closed again.
fn described(device: &Device, id: u16) -> Result<(rte_eth_dev_info, InEal), PortError> {
    let mut info = rte_eth_dev_info::default();
    // SAFETY: the port exists (probe found it); `info` is ours to write.
    let result = unsafe { dpdk_sys::rte_eth_dev_info_get(id, &raw mut info) };
    if let (0, Some(record)) = (result, NonNull::new(info.device)) {
        return Ok((info, InEal(record)));
    }
    // SAFETY: nobody else knows the port, and it is not used again.
    unsafe { dpdk_sys::rte_eth_dev_close(id) };
    let errno = if result < 0 { -result } else { Errno::NODEV.raw_os_error() };
    Err(PortError::Step { device: device.clone(), step: "asking for its capabilities", errno })
}

fn port_of(name: &CStr) -> Option<u16> {
    let mut id = 0;
    // SAFETY: a string with its NUL, and a number of ours to write.
    let result = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) };
    (result == 0).then_some(id)
}

/// The driver's arguments, each after a comma.
fn arguments(device: &Device, sizing: &Sizing, tx_queues: u16) -> String {
    match device {
        Device::AfPacket { netdev } => {
            // A socket for each queue, with both ways' rings.
            let sockets = tx_queues.clamp(1, AF_PACKET_QUEUES_MAX);
            let rings = sizing.packet_ring.map_or_else(String::new, |ring| {
                let (frame, frames, block) = (ring.frame_octets, ring.frames, ring.block_octets);
                format!(",framesz={frame},framecnt={frames},blocksz={block},qdisc_bypass=1")
            });
            format!(",iface={netdev},qpairs={sockets}{rings}")
        }
        Device::AfXdp { netdev } => format!(",iface={netdev},start_queue=0,queue_count=1"),
        Device::Tap { netdev } => format!(",iface={netdev}"),
        Device::Pcap { rx, tx } => {
            let rx = rx.as_ref().map(|path| format!(",rx_pcap={}", path.display()));
            let tx = tx.as_ref().map(|path| format!(",tx_pcap={}", path.display()));
            rx.into_iter().chain(tx).collect()
        }
        Device::Null => ",no-rx=1".to_owned(),
        Device::Ring | Device::Pci(_) => String::new(),
    }
}

fn numa(id: u16) -> Option<u16> {
    // SAFETY: the port exists; -1 means any node, or none is known.
    u16::try_from(unsafe { dpdk_sys::rte_eth_dev_socket_id(id) }).ok()
}

fn mac(id: u16) -> MacAddr {
    let mut address = dpdk_sys::rte_ether_addr::default();
    // SAFETY: the port exists; `address` is ours to write. It stays zero for a driver that has none.
    unsafe { dpdk_sys::rte_eth_macaddr_get(id, &raw mut address) };
    MacAddr::new(address.addr_bytes)
}

fn name(driver: *const std::ffi::c_char) -> String {
    if driver.is_null() {
        return String::new();
    }
    // SAFETY: a driver's name is a static string with its NUL.
    unsafe { CStr::from_ptr(driver) }.to_string_lossy().into_owned()
}
