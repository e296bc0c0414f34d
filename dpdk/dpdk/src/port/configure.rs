//! The queues of a device, within what the driver says it can.

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use super::attach::{Attached, check};
use super::{Features, PortConfig, PortError, RxPools};
use crate::device::Device;
use crate::sizing::LINK_OCTETS;

/// Configures a device that was just attached; returns how many receive descriptors it has. On EAL's thread.
pub(super) fn configure(
    port: &Attached,
    config: &PortConfig,
    features: Features,
    info: &rte_eth_dev_info,
    rx_pools: &RxPools,
) -> Result<u16, PortError> {
    let (id, device) = (port.id, &port.device);
    let mtu = configured_mtu(device, config.sizing.demand.mtu, info)?;
    if features.is_isolated {
        // SAFETY: the port exists and is not configured yet.
        check(device, "leaving all but flow rules to the kernel", unsafe { dpdk_sys::flypack_flow_isolate(id) })?;
    }
    let conf = conf(mtu, features, info, rx_pools);
    let (rx_queues, tx_queues) = (port.shape.rx, port.shape.tx_to_set_up());
    // SAFETY: the port exists and is stopped; `conf` is read only.
    let result = unsafe { dpdk_sys::rte_eth_dev_configure(id, rx_queues, tx_queues, &raw const conf) };
    check(device, "configuring it", result)?;
    let (mut rx_descriptors, mut tx_descriptors) = (config.sizing.rx_descriptors, config.sizing.tx_descriptors);
    // SAFETY: the port is configured; both numbers are ours to write.
    let result =
        unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &raw mut rx_descriptors, &raw mut tx_descriptors) };
    check(device, "sizing its rings", result)?;
    let numa = port.capabilities().numa.map_or(u32::MAX, u32::from);
    let (mut rx, mut tx) = (info.default_rxconf, info.default_txconf);
    rx.offloads = conf.rxmode.offloads;
    tx.offloads = conf.txmode.offloads;
    for queue in 0..rx_queues {
        let (conf, pool) = (&raw const rx, rx_pools.of(queue).as_ptr());
        // SAFETY: the port is configured with so many queues, and stopped; its pools outlive it.
        let result = unsafe { dpdk_sys::rte_eth_rx_queue_setup(id, queue, rx_descriptors, numa, conf, pool) };
        check(device, "setting a receive queue up", result)?;
    }
    for queue in 0..tx_queues {
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_tx_queue_setup(id, queue, tx_descriptors, numa, &raw const tx) };
        check(device, "setting a transmit queue up", result)?;
    }
    if matches!(device, Device::Tap { .. }) {
        // The kernel's side is new, and has the default.
        // SAFETY: the port is configured and stopped.
        check(device, "setting its MTU", unsafe { dpdk_sys::rte_eth_dev_set_mtu(id, config.sizing.demand.mtu) })?;
    }
    Ok(rx_descriptors)
}

/// What the driver is told. net_af_packet names a limit that it does not have: its frames decide, and they were sized.
fn configured_mtu(device: &Device, asked: u16, info: &rte_eth_dev_info) -> Result<u16, PortError> {
    // A driver without a limit of its own leaves max_mtu at its greatest; its longest packet then decides.
    let by_packet = info.max_rx_pktlen.saturating_sub(u32::from(LINK_OCTETS));
    let most = if info.max_mtu == u16::MAX { by_packet } else { u32::from(info.max_mtu) };
    if u32::from(asked) <= most {
        Ok(asked)
    } else if matches!(device, Device::AfPacket { .. }) {
        Ok(u16::try_from(most).unwrap_or(u16::MAX))
    } else {
        Err(PortError::Mtu { device: device.clone(), asked, most })
    }
}

/// Checksums where the device has them, chains where it says so, and never MBUF_FAST_FREE: what is sent has shared and
/// external buffers from several pools.
fn conf(mtu: u16, features: Features, info: &rte_eth_dev_info, rx_pools: &RxPools) -> rte_eth_conf {
    let mut conf = rte_eth_conf::default();
    conf.rxmode.mtu = u32::from(mtu);
    let checksums = dpdk_sys::FLYPACK_RX_OFFLOAD_IPV4_CKSUM | dpdk_sys::FLYPACK_RX_OFFLOAD_UDP_CKSUM;
    let longest = u32::from(mtu) + u32::from(LINK_OCTETS);
    let scatter = if longest > u32::from(rx_pools.data_octets()) { dpdk_sys::FLYPACK_RX_OFFLOAD_SCATTER } else { 0 };
    // Both checksums or none: a packet is vouched for as a whole.
    let vouched = if info.rx_offload_capa & checksums == checksums { checksums } else { 0 };
    conf.rxmode.offloads = vouched | (scatter & info.rx_offload_capa) | features.rx_offloads(info);
    conf.intr_conf.set_rxq(features.rx_interrupts.into());
    conf.txmode.offloads = info.tx_offload_capa
        & (dpdk_sys::FLYPACK_TX_OFFLOAD_MULTI_SEGS
            | dpdk_sys::FLYPACK_TX_OFFLOAD_IPV4_CKSUM
            | dpdk_sys::FLYPACK_TX_OFFLOAD_UDP_CKSUM);
    conf.txmode.offloads |= features.tx_offloads(info);
    conf
}
