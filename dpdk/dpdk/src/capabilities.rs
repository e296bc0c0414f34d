//! What a port can do, as its driver says and as we know better.

use dpdk_sys::rte_eth_dev_info;

use crate::sizing::{AF_XDP_MTU_MAX, MTU_MAX};

/// What a port can do. Read once, when it was probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name.
    pub driver: String,
    /// Whether a packet may be a chain of buffers, so that payload is referenced and not copied.
    pub gathers: bool,
    /// Whether the device fills in the IPv4 header checksum.
    pub tx_ipv4_checksum: bool,
    /// Whether the device fills in the UDP checksum.
    pub tx_udp_checksum: bool,
    /// Whether the device checks IPv4 and UDP checksums of what it receives and says so per packet.
    pub rx_checksums_vouched: bool,
    /// The longest IP packet, in octets.
    pub mtu_max: u16,
    /// The NUMA node it is attached to.
    pub numa: Option<u16>,
    /// Times that the driver and the kernel copy a received payload before it is in our buffer.
    pub driver_copies_rx: u8,
    /// Times that they copy a sent payload before it is on the wire.
    pub driver_copies_tx: u8,
    /// Whether the device sends a packet at a time that stands in it.
    pub launch_time: bool,
    /// Whether the device says when a packet arrived.
    pub rx_timestamps: bool,
    /// How many transmit queues the device has.
    pub tx_queues_max: u16,
}

/// What we know of a driver besides what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reviewed {
    driver: &'static str,
    /// `None`: as it says. Most drivers that cannot gather corrupt chains silently, so nothing is assumed.
    gathers: Option<bool>,
    copies_rx: u8,
    copies_tx: u8,
}

/// Read in their source (22.11) and proved byte for byte. Copies count the payload's, from the kernel's skb or file on:
/// * net_null frees what it is sent, net_ring passes the buffers on;
/// * net_af_packet: the kernel writes its ring and the driver our buffer; the driver writes the ring, whose pages the
///   kernel then refers to;
/// * net_af_xdp (copy mode): the kernel writes our pool, which is its UMEM; the driver writes the UMEM and the kernel
///   its skb. It sends garbage for chains;
/// * net_tap: one readv, one writev;
/// * net_pcap: libpcap's buffer and ours; the chain put together and the file written.
const REVIEWED: [Reviewed; 6] = [
    Reviewed { driver: "net_null", gathers: Some(true), copies_rx: 0, copies_tx: 0 },
    Reviewed { driver: "net_ring", gathers: Some(true), copies_rx: 0, copies_tx: 0 },
    Reviewed { driver: "net_pcap", gathers: Some(true), copies_rx: 2, copies_tx: 2 },
    Reviewed { driver: "net_af_packet", gathers: None, copies_rx: 2, copies_tx: 1 },
    Reviewed { driver: "net_tap", gathers: None, copies_rx: 1, copies_tx: 1 },
    Reviewed { driver: "net_af_xdp", gathers: Some(false), copies_rx: 1, copies_tx: 2 },
];

impl Capabilities {
    /// From what the driver answers.
    pub(crate) fn new(driver: String, numa: Option<u16>, info: &rte_eth_dev_info) -> Self {
        let reviewed = REVIEWED.iter().find(|reviewed| driver == reviewed.driver);
        let tx = |capability: u64| info.tx_offload_capa & capability == capability;
        let rx = |capability: u64| info.rx_offload_capa & capability == capability;
        let advertised = tx(dpdk_sys::FLYPACK_TX_OFFLOAD_MULTI_SEGS);
        Self {
            gathers: reviewed.and_then(|reviewed| reviewed.gathers).unwrap_or(advertised),
            tx_ipv4_checksum: tx(dpdk_sys::FLYPACK_TX_OFFLOAD_IPV4_CKSUM),
            tx_udp_checksum: tx(dpdk_sys::FLYPACK_TX_OFFLOAD_UDP_CKSUM),
            rx_checksums_vouched: rx(dpdk_sys::FLYPACK_RX_OFFLOAD_IPV4_CKSUM | dpdk_sys::FLYPACK_RX_OFFLOAD_UDP_CKSUM),
            mtu_max: mtu_max(&driver, info.max_mtu),
            numa,
            driver_copies_rx: reviewed.map_or(0, |reviewed| reviewed.copies_rx),
            driver_copies_tx: reviewed.map_or(0, |reviewed| reviewed.copies_tx),
            launch_time: tx(dpdk_sys::FLYPACK_TX_OFFLOAD_SEND_ON_TIMESTAMP),
            // net_pcap does, and does not say so: the times of its file.
            rx_timestamps: driver == "net_pcap" || rx(dpdk_sys::FLYPACK_RX_OFFLOAD_TIMESTAMP),
            tx_queues_max: info.max_tx_queues,
            driver,
        }
    }
}

/// A driver without a limit of its own leaves 65,535; net_af_xdp's does not count how pools space their buffers.
fn mtu_max(driver: &str, answered: u16) -> u16 {
    let ours = if driver == "net_af_xdp" { AF_XDP_MTU_MAX } else { MTU_MAX };
    answered.min(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathers(driver: &str, tx_offload_capa: u64) -> bool {
        let info = rte_eth_dev_info { tx_offload_capa, ..rte_eth_dev_info::default() };
        Capabilities::new(driver.to_owned(), None, &info).gathers
    }

    #[test]
    fn a_driver_gathers_when_it_says_so_or_was_reviewed() {
        let advertised = dpdk_sys::FLYPACK_TX_OFFLOAD_MULTI_SEGS;
        for (driver, silent, speaking) in [
            ("net_null", true, true),
            ("net_ring", true, true),
            ("net_pcap", true, true),
            ("net_af_packet", false, true),
            ("net_af_xdp", false, false),
            ("net_ice", false, true),
            ("net_unheard_of", false, true),
        ] {
            assert_eq!((gathers(driver, 0), gathers(driver, advertised)), (silent, speaking), "{driver}");
        }
    }
}
