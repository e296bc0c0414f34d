//! What a port is asked for beyond one queue each way. Most devices have little of it.

use dpdk_sys::rte_eth_dev_info;

use super::PortError;
use crate::device::Device;

/// What a port is asked for beyond one queue each way. What a device does not have is refused, not left out; but for
/// transmit queues, of which there are as many as it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Receive queues: more than one where flow rules put datagrams on them. All others arrive on the first.
    /// They share one pool, which must hold so many times what the sizing says for one.
    pub rx_queues: u16,
    /// Transmit queues, one for each worker that sends, at most: a device that has fewer gets as many as it has
    /// ([`super::Port::tx_queues`]).
    pub tx_queues: u16,
    /// Only what flow rules name is received; a driver that shares its card with the kernel (mlx5) leaves it all else.
    pub is_isolated: bool,
    /// A thread may sleep until a packet arrives ([`super::RxHandle::wait`]).
    pub rx_interrupts: bool,
    /// Packets carry the time of their arrival ([`crate::timestamp`]).
    pub rx_timestamps: bool,
    /// Packets leave at the time that stands in them ([`crate::launch`]).
    pub launch_time: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            is_isolated: false,
            rx_interrupts: false,
            rx_timestamps: false,
            launch_time: false,
        }
    }
}

impl Features {
    /// Whether a device has them, as its driver says. Interrupts are not said: their first use tells.
    pub(super) fn check(&self, device: &Device, info: &rte_eth_dev_info) -> Result<(), PortError> {
        let lacks = |feature| Err(PortError::Feature { device: device.clone(), feature });
        // net_af_packet spreads what arrives over its queues by hash: no rule puts anything on one of them.
        let most = if matches!(device, Device::AfPacket { .. }) { 1 } else { info.max_rx_queues };
        if !(1..=most).contains(&self.rx_queues) {
            let asked = self.rx_queues;
            return Err(PortError::RxQueues { device: device.clone(), asked, most });
        }
        if self.rx_timestamps && info.rx_offload_capa & dpdk_sys::FLYPACK_RX_OFFLOAD_TIMESTAMP == 0 {
            return lacks("times of arrival");
        }
        if self.launch_time && info.tx_offload_capa & dpdk_sys::FLYPACK_TX_OFFLOAD_SEND_ON_TIMESTAMP == 0 {
            return lacks("launch times");
        }
        Ok(())
    }

    /// `RTE_ETH_RX_OFFLOAD_*`.
    pub(super) fn rx_offloads(&self) -> u64 {
        if self.rx_timestamps { dpdk_sys::FLYPACK_RX_OFFLOAD_TIMESTAMP } else { 0 }
    }

    /// `RTE_ETH_TX_OFFLOAD_*`.
    pub(super) fn tx_offloads(&self) -> u64 {
        if self.launch_time { dpdk_sys::FLYPACK_TX_OFFLOAD_SEND_ON_TIMESTAMP } else { 0 }
    }
}
