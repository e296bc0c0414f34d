//! The addresses of a port, and who routes for it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::PortConfig;

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortAddress {
    /// The port's own.
    pub address: IpAddr,
    /// Bits of the network.
    pub prefix_bits: u8,
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl PortAddress {
    /// Whether `other` is on the same network.
    #[must_use]
    pub fn reaches(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Where a port is on the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortNetwork {
    /// Its addresses, one at least.
    pub addresses: Vec<PortAddress>,
    /// Who routes IPv4.
    pub gateway_v4: Option<Ipv4Addr>,
    /// Who routes IPv6.
    pub gateway_v6: Option<Ipv6Addr>,
}

impl PortNetwork {
    /// Whether the port speaks IPv6.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|address| address.address.is_ipv6())
    }
}

/// What is wrong with a key's value.
pub(super) struct Refusal {
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) wanted: String,
}

impl Refusal {
    fn new(key: &'static str, value: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self { key, value: value.into(), wanted: wanted.into() }
    }
}

/// The addresses and gateways of a port.
pub(super) fn network(config: &PortConfig) -> Result<PortNetwork, Refusal> {
    let addresses = config.addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() {
        return Err(Refusal::new("addresses", "", "one or more of address/length, such as [\"192.0.2.10/24\"]"));
    }
    let mut network = PortNetwork { addresses, gateway_v4: None, gateway_v6: None };
    for text in &config.gateway {
        let asked = gateway(text, &network)?;
        let is_second = match asked {
            IpAddr::V4(address) => network.gateway_v4.replace(address).is_some(),
            IpAddr::V6(address) => network.gateway_v6.replace(address).is_some(),
        };
        if is_second {
            return Err(Refusal::new("gateway", text, "one gateway for IPv4 and one for IPv6 at most"));
        }
    }
    Ok(network)
}

fn address(text: &str) -> Result<PortAddress, Refusal> {
    let refuse = |wanted: &str| Refusal::new("addresses", text, wanted);
    let (address, prefix) =
        text.split_once('/').ok_or_else(|| refuse("address/length, such as 192.0.2.10/24 or 2001:db8::10/64"))?;
    let address: IpAddr = address.parse().map_err(|_| refuse("an IPv4 or IPv6 address before the '/'"))?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = prefix.parse().ok().filter(|length| (1..=bits).contains(length));
    let prefix_bits = prefix_bits.ok_or_else(|| refuse(&format!("a prefix length of 1 to {bits} after the '/'")))?;
    if !is_host(address) {
        return Err(refuse("an address that one host can have: not multicast, loopback, unspecified or IPv4-mapped"));
    }
    let own = PortAddress { address, prefix_bits };
    match ends(own) {
        Some(ends) if ends.contains(&address) => Err(refuse(&format!(
            "a host's address: {} and {} stand for the network and its broadcast",
            ends[0], ends[1]
        ))),
        _ => Ok(own),
    }
}

/// The network's own address and its broadcast, where there are any (RFC 3021: not with a prefix of 31 or 32).
fn ends(own: PortAddress) -> Option<[IpAddr; 2]> {
    let IpAddr::V4(address) = own.address else { return None };
    let host = u32::MAX.checked_shr(own.prefix_bits.into()).unwrap_or(0);
    let network = address.to_bits() & !host;
    (own.prefix_bits < 31).then(|| [network, network | host].map(|bits| Ipv4Addr::from_bits(bits).into()))
}

fn is_host(address: IpAddr) -> bool {
    let is_special = address.is_multicast() || address.is_loopback() || address.is_unspecified();
    let is_odd = match address {
        IpAddr::V4(address) => address.octets()[0] == 0 || address.octets()[0] >= 240,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some(),
    };
    !is_special && !is_odd
}

fn gateway(text: &str, network: &PortNetwork) -> Result<IpAddr, Refusal> {
    let refuse = |wanted: String| Refusal::new("gateway", text, wanted);
    let asked: IpAddr = text.parse().map_err(|_| refuse("the address of a router, without a length".to_owned()))?;
    if network.addresses.iter().any(|own| own.address == asked) {
        return Err(refuse("the router's address; this one is the port's own".to_owned()));
    }
    let is_router =
        is_host(asked) && !network.addresses.iter().filter_map(|own| ends(*own)).flatten().any(|end| end == asked);
    let mut on_link = network.addresses.iter().filter(|own| own.reaches(asked));
    if is_router && on_link.next().is_some() {
        return Ok(asked);
    }
    let networks: Vec<String> = network.addresses.iter().map(ToString::to_string).collect();
    Err(refuse(format!("a host on one of the port's networks: {}", networks.join(", "))))
}
