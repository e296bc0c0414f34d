//! The counters of a port's driver. Loss is judged by sequence numbers at the receiver, not by these: net_af_packet
//! reports no packet that its ring lost.

use std::ffi::CStr;

use super::attach::Attached;

/// What every driver counts, or leaves at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Octets received.
    pub rx_octets: u64,
    /// Packets that the device dropped because its ring was full.
    pub rx_missed: u64,
    /// Packets received in error.
    pub rx_errors: u64,
    /// Times that the pool had no buffer for a packet.
    pub rx_no_buffers: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets sent.
    pub tx_octets: u64,
    /// Packets that the device failed to send.
    pub tx_errors: u64,
}

impl PortStats {
    /// All of them by name, for metrics and the command line.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("rx_packets", self.rx_packets),
            ("rx_octets", self.rx_octets),
            ("rx_missed", self.rx_missed),
            ("rx_errors", self.rx_errors),
            ("rx_no_buffers", self.rx_no_buffers),
            ("tx_packets", self.tx_packets),
            ("tx_octets", self.tx_octets),
            ("tx_errors", self.tx_errors),
        ]
    }
}

impl Attached {
    pub(super) fn stats(&self) -> PortStats {
        let id = self.id;
        self.eal.run(move || {
            let mut stats = dpdk_sys::rte_eth_stats::default();
            // SAFETY: the port exists as long as `self`, which waits for this; `stats` is ours to write.
            unsafe { dpdk_sys::rte_eth_stats_get(id, &raw mut stats) };
            PortStats {
                rx_packets: stats.ipackets,
                rx_octets: stats.ibytes,
                rx_missed: stats.imissed,
                rx_errors: stats.ierrors,
                rx_no_buffers: stats.rx_nombuf,
                tx_packets: stats.opackets,
                tx_octets: stats.obytes,
                tx_errors: stats.oerrors,
            }
        })
    }

    pub(super) fn xstats(&self) -> Vec<(String, u64)> {
        let id = self.id;
        self.eal.run(move || named_values(id))
    }
}

/// Ids count from 0 in the order of the names.
fn named_values(id: u16) -> Vec<(String, u64)> {
    // SAFETY: without an array the number of counters is returned.
    let count = unsafe { dpdk_sys::rte_eth_xstats_get_names(id, std::ptr::null_mut(), 0) };
    let count = u32::try_from(count).unwrap_or(0);
    let mut names = vec![dpdk_sys::rte_eth_xstat_name::default(); count as usize];
    let mut values = vec![dpdk_sys::rte_eth_xstat::default(); count as usize];
    // SAFETY: both arrays hold `count` entries, which is what is passed.
    let filled = unsafe {
        let names = dpdk_sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), count);
        names.min(dpdk_sys::rte_eth_xstats_get(id, values.as_mut_ptr(), count))
    };
    // More than there is room for means that the driver has found further counters; the next look has them.
    let filled = u32::try_from(filled).unwrap_or(0).min(count);
    let named = |value: &dpdk_sys::rte_eth_xstat| {
        let name = names.get(usize::try_from(value.id).ok()?)?;
        // SAFETY: drivers write names that end with a NUL into the 64 octets, which were zero.
        let name = unsafe { CStr::from_ptr(name.name.as_ptr()) };
        Some((name.to_string_lossy().into_owned(), value.value))
    };
    values.iter().take(filled as usize).filter_map(named).collect()
}
