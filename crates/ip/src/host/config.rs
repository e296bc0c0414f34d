//! What a host is told when it begins.

use crate::{MacAddr, Network};

/// What a host is told about its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The port's Ethernet address.
    pub mac: MacAddr,
    /// Its addresses. A link-local one is added where IPv6 needs it.
    pub network: Network,
    /// The 802.1Q VLAN that everything is sent in, and the only one that is heard; `None`: untagged.
    pub vlan: Option<u16>,
    /// The longest IP packet.
    pub mtu: u16,
    /// Between two probes for an address of ours, nanoseconds: 1 s by RFC 5227 §1.1 (with up to as much again at
    /// random, and before the first), so that an address is in use 5 to 7 s after the start. See [`PROBE_INTERVAL_NS`].
    pub probe_interval_ns: i64,
}

/// RFC 5227's time between probes.
pub const PROBE_INTERVAL_NS: i64 = 1_000_000_000;
