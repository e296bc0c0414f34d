//! What the presence thread needs to know of a port.

use std::net::IpAddr;
use std::time::Duration;

use media::Name;

use crate::port_plan::{Exception, PortDevice, PortPlan};

/// A fifth of RFC 5227 §1.1, which thinks of bridges that learn slowly: on a wired media network an address is ours after
/// one to two seconds instead of seven.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// A port as the network is to see it.
#[derive(Clone, Debug)]
pub struct PortPresence {
    /// Its name.
    pub name: Name,
    /// Its MAC address: the device's, where the plan gives none.
    pub mac: [u8; 6],
    /// Its addresses.
    pub network: ip::Network,
    /// The routers among its neighbours, one per family at most.
    pub gateways: Vec<IpAddr>,
    /// The VLAN of its frames; `None` for untagged.
    pub vlan: Option<u16>,
    /// Octets of an IP packet.
    pub mtu: u16,
    /// Who answers for it.
    pub exception: Exception,
    /// The network interface of the kernel that the device stands on: its link is watched. `None` where there is none.
    pub netdev: Option<String>,
    /// Whether the kernel sees the port's frames on that interface too.
    pub kernel_sees: bool,
    /// Between two probes for an address that the gateway itself answers for (RFC 5227 §1.1).
    pub probe_interval: Duration,
}

impl PortPresence {
    /// A port as planned, on a device that has the MAC address `mac`.
    #[must_use]
    pub fn of(plan: &PortPlan, mac: [u8; 6]) -> Self {
        Self {
            name: plan.name.clone(),
            mac,
            network: plan.network.clone(),
            gateways: plan.gateways.clone(),
            vlan: plan.vlan,
            mtu: plan.mtu,
            exception: plan.exception.clone(),
            netdev: plan.device.netdev().map(str::to_owned),
            kernel_sees: matches!(plan.device, PortDevice::AfPacket(_)),
            probe_interval: PROBE_INTERVAL,
        }
    }
}
