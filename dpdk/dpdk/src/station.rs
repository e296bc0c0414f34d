//! A port as the network sees it.

use ip::{MacAddr, Network};

/// A port as the network sees it: its name in the configuration, its addresses, its VLAN, its MTU.
#[derive(Clone, Debug)]
pub struct Station {
    /// The port's name: what a path names as its interface.
    pub name: String,
    /// Its Ethernet address; one that a station can have.
    pub mac: MacAddr,
    /// The 802.1Q VLAN that it sends and receives in; `None`: untagged.
    pub vlan: Option<u16>,
    /// Its addresses and routers.
    pub network: Network,
    /// Longest IP packet, in octets.
    pub mtu: u16,
}
