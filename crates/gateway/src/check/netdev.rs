//! The network interfaces of the kernel that ports stand on.

use std::net::IpAddr;
use std::path::Path;

use netio::kernel::interface;

use super::finding::Finding;
use crate::port_plan::{PortDevice, PortPlan};
use crate::presence::interface_addresses;

pub(super) fn look(ports: &[PortPlan]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ports.iter().flat_map(stands_on).collect();
    findings.extend(own_addresses(ports));
    findings
}

/// What status says of ports whose interface has addresses of its own.
pub(crate) fn own_address_warnings(ports: &[PortPlan]) -> Vec<String> {
    let words = |finding: Finding| format!("{}: {}; {}", finding.name, finding.found, finding.fix.unwrap_or_default());
    own_addresses(ports).into_iter().map(words).collect()
}

/// A port's device must have no address of its own: the kernel would answer beside the port, with port-unreachable for
/// all media.
fn own_addresses(ports: &[PortPlan]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for plan in ports {
        let Some(netdev) = shared_with_kernel(&plan.device) else { continue };
        let addresses = match interface_addresses(netdev) {
            Ok(addresses) => addresses,
            Err(cause) => {
                tracing::debug!("the addresses of {netdev} are not known: {cause}");
                continue;
            }
        };
        let has_v6 = plan.network.addresses().iter().any(|own| own.address.is_ipv6());
        // A link-local address is harmless where the port speaks no IPv6; else both would have the same one.
        let matters = |address: &IpAddr| has_v6 || !is_link_local(*address);
        let addresses: Vec<IpAddr> = addresses.into_iter().filter(matters).collect();
        if !addresses.is_empty() {
            findings.push(finding(plan, netdev, &addresses));
        }
    }
    findings
}

fn finding(plan: &PortPlan, netdev: &str, addresses: &[IpAddr]) -> Finding {
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let found = format!(
        "the kernel has {} on {netdev} itself and answers beside the port, with port-unreachable for its media",
        shown.join(", ")
    );
    let lasting = if addresses.iter().any(IpAddr::is_ipv6) {
        format!("; sysctl -w net.ipv6.conf.{netdev}.disable_ipv6=1")
    } else {
        String::new()
    };
    Finding::warn(format!("port {}", plan.name), found, format!("ip addr flush dev {netdev}{lasting}"))
}

/// The network interface that the kernel goes on to use while the port does.
fn shared_with_kernel(device: &PortDevice) -> Option<&str> {
    match device {
        PortDevice::AfPacket(netdev) | PortDevice::AfXdp(netdev) => Some(netdev),
        _ => None,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Whether the interface is there, and what its peer must be told.
fn stands_on(plan: &PortPlan) -> Vec<Finding> {
    let Some(netdev) = shared_with_kernel(&plan.device) else { return Vec::new() };
    let name = format!("port {}", plan.name);
    if interface::index(netdev).is_none() {
        let found = format!("there is no network interface {netdev}; there are: {}", interface::names().join(", "));
        return vec![Finding::fail(name, found, "name one of these in device")];
    }
    // Hardware has a device behind it; a veth or a TAP has not, and its peer leaves checksums and cutting to nobody.
    if Path::new("/sys/class/net").join(netdev).join("device").exists() {
        return Vec::new();
    }
    let found = format!("{netdev} is virtual: its peer's kernel may send partial checksums and packets of 64 KB");
    let fix = "on the peer: ethtool -K PEER tx off gso off tso off tx-udp-segmentation off".to_owned();
    vec![Finding { fix: Some(fix), ..Finding::ok(name, found) }]
}
