//! What a port is asked for beyond one queue each way. Most devices have little of it.

use dpdk_sys::rte_eth_dev_info;

use super::PortError;
use crate::capabilities::Capabilities;
use crate::device::Device;

/// Whether a port is to have something that not every device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// No.
    #[default]
    No,
    /// Where the device has it.
    WhereThere,
    /// A device that does not have it is refused.
    Needed,
}

/// What a port is asked for beyond one queue each way. What a device does not have is refused, not left out; but for
/// transmit queues, of which there are as many as it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Receive queues: more than one where flow rules put datagrams on them. All others arrive on the first.
    /// Each has a pool of its own, or they share one, which must hold so many times what the sizing says for one ([`super::RxPools`]).
    pub rx_queues: u16,
    /// Transmit queues, one for each worker that sends, at most: a device that has fewer gets as many as it has
    /// ([`super::Port::tx_queues`]).
    pub tx_queues: u16,
    /// Only what flow rules name is received; a driver that shares its card with the kernel (mlx5) leaves it all else.
    pub is_isolated: bool,
    /// A thread may sleep until a packet arrives ([`super::RxHandle::wait`]).
    pub rx_interrupts: bool,
    /// Packets carry the time of their arrival ([`crate::timestamp`]).
    pub rx_timestamps: Wish,
    /// Packets leave at the time that stands in them ([`crate::launch`]).
    pub launch_time: Wish,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            is_isolated: false,
            rx_interrupts: false,
            rx_timestamps: Wish::No,
            launch_time: Wish::No,
        }
    }
}

impl Features {
    /// Whether a device has them, as its driver says. Interrupts are not said: their first use tells.
    pub(super) fn check(
        &self,
        device: &Device,
        info: &rte_eth_dev_info,
        capabilities: &Capabilities,
    ) -> Result<(), PortError> {
        let lacks = |feature| Err(PortError::Feature { device: device.clone(), feature });
        // net_af_packet spreads what arrives over its queues by hash: no rule puts anything on one of them.
        let most = if matches!(device, Device::AfPacket { .. }) { 1 } else { info.max_rx_queues };
        if !(1..=most).contains(&self.rx_queues) {
            let asked = self.rx_queues;
            return Err(PortError::RxQueues { device: device.clone(), asked, most });
        }
        if self.rx_timestamps == Wish::Needed && !capabilities.rx_timestamps {
            return lacks("times of arrival");
        }
        if self.launch_time == Wish::Needed && !capabilities.launch_time {
            return lacks("launch times");
        }
        Ok(())
    }

    /// `RTE_ETH_RX_OFFLOAD_*` that are asked of a device which has been checked.
    pub(super) fn rx_offloads(&self, info: &rte_eth_dev_info) -> u64 {
        let there = info.rx_offload_capa & dpdk_sys::FLYPACK_RX_OFFLOAD_TIMESTAMP;
        if self.rx_timestamps == Wish::No { 0 } else { there }
    }

    /// `RTE_ETH_TX_OFFLOAD_*` that are asked of such a device.
    pub(super) fn tx_offloads(&self, info: &rte_eth_dev_info) -> u64 {
        let there = info.tx_offload_capa & dpdk_sys::FLYPACK_TX_OFFLOAD_SEND_ON_TIMESTAMP;
        if self.launch_time == Wish::No { 0 } else { there }
    }
}
