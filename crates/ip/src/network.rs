//! The addresses of a port and the networks that they lie on: where a packet goes next, and from which address.

mod error;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use error::{NetworkError, NoRoute};

use crate::MacAddr;

/// Most addresses that one port may have.
pub const ADDRESSES_MAX: usize = 16;

/// An address of ours and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddr {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that all addresses of the network share: at most 32 or 128.
    pub prefix: u8,
}

/// What a port's addresses reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    addresses: Vec<InterfaceAddr>,
    gateway_v4: Option<Ipv4Addr>,
    gateway_v6: Option<Ipv6Addr>,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// To a group: its Ethernet address follows from it.
    Multicast(MacAddr),
    /// To a neighbour, whose Ethernet address must be asked for.
    Neighbour(IpAddr),
}

impl InterfaceAddr {
    /// Whether `other` lies on this address's network.
    #[must_use]
    pub fn reaches(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                u32::from(ours) & mask_v4(self.prefix) == u32::from(other) & mask_v4(self.prefix)
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                u128::from(ours) & mask_v6(self.prefix) == u128::from(other) & mask_v6(self.prefix)
            }
            _ => false,
        }
    }

    /// Whether `other` means the network as a whole (the first address), or all of its stations (the last).
    fn is_no_station(&self, other: IpAddr) -> bool {
        let IpAddr::V4(other) = other else { return false };
        // RFC 3021: a network of 31 bits has stations only.
        if self.prefix >= 31 || !self.reaches(other.into()) {
            return false;
        }
        let host_bits = !mask_v4(self.prefix);
        let host = u32::from(other) & host_bits;
        host == 0 || host == host_bits
    }
}

impl Network {
    /// A port's addresses, with the routers for what lies beyond their networks.
    ///
    /// # Errors
    /// [`NetworkError`] for what no port can be given.
    pub fn new(
        addresses: Vec<InterfaceAddr>,
        gateway_v4: Option<Ipv4Addr>,
        gateway_v6: Option<Ipv6Addr>,
    ) -> Result<Self, NetworkError> {
        if addresses.len() > ADDRESSES_MAX {
            return Err(NetworkError::TooMany { asked: addresses.len() });
        }
        let network = Self { addresses, gateway_v4, gateway_v6 };
        for (index, ours) in network.addresses.iter().enumerate() {
            network.check_address(index, ours)?;
        }
        for gateway in gateway_v4.map(IpAddr::from).into_iter().chain(gateway_v6.map(IpAddr::from)) {
            network.check_gateway(gateway)?;
        }
        Ok(network)
    }

    /// The same network, with the link-local address of `mac` when there are IPv6 addresses but none of that kind:
    /// every IPv6 port must have one (RFC 4291 §2.1), and MLD reports come from it (RFC 3810 §5.2.13).
    #[must_use]
    pub fn with_link_local(mut self, mac: MacAddr) -> Self {
        let has_v6 = self.addresses.iter().any(|ours| ours.address.is_ipv6());
        if has_v6 && self.link_local().is_none() {
            self.addresses.push(InterfaceAddr { address: mac.link_local().into(), prefix: 64 });
        }
        self
    }

    /// The addresses, as given.
    #[must_use]
    pub fn addresses(&self) -> &[InterfaceAddr] {
        &self.addresses
    }

    /// Whether an address is one of the port's own.
    #[must_use]
    pub fn is_ours(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|ours| ours.address == address)
    }

    /// The port's link-local IPv6 address.
    #[must_use]
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|ours| match ours.address {
            IpAddr::V6(address) if is_link_local(address) => Some(address),
            _ => None,
        })
    }

    /// Where a packet to `destination` goes next.
    ///
    /// # Errors
    /// [`NoRoute`] when the port cannot send there.
    pub fn next_hop(&self, destination: IpAddr) -> Result<NextHop, NoRoute> {
        if destination.is_multicast() {
            return Ok(NextHop::Multicast(match destination {
                IpAddr::V4(group) => MacAddr::multicast_v4(group),
                IpAddr::V6(group) => MacAddr::multicast_v6(group),
            }));
        }
        if self.is_ours(destination) {
            return Err(NoRoute::Ourselves { destination });
        }
        if destination.is_unspecified() || destination.is_loopback() {
            return Err(NoRoute::NoStation { destination });
        }
        if is_broadcast(destination) || self.addresses.iter().any(|ours| ours.is_no_station(destination)) {
            return Err(NoRoute::NoStation { destination });
        }
        if self.addresses.iter().any(|ours| ours.reaches(destination)) {
            return Ok(NextHop::Neighbour(destination));
        }
        let gateway = self.gateway_for(destination);
        gateway.map(NextHop::Neighbour).ok_or_else(|| NoRoute::Outside { destination, networks: self.to_string() })
    }

    /// The address to send from: on the destination's network, or on its gateway's, or the first of the family.
    #[must_use]
    pub fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        let towards = |target: IpAddr| self.addresses.iter().find(|ours| ours.reaches(target));
        let same_scope = |ours: &&InterfaceAddr| {
            ours.address.is_ipv4() == destination.is_ipv4() && scope_of(ours.address) == scope_of(destination)
        };
        let family = |ours: &&InterfaceAddr| ours.address.is_ipv4() == destination.is_ipv4();
        let found = towards(destination)
            .or_else(|| self.gateway_for(destination).and_then(towards))
            .filter(same_scope)
            .or_else(|| self.addresses.iter().find(same_scope))
            .or_else(|| self.addresses.iter().find(family));
        found.map(|ours| ours.address)
    }

    fn gateway_for(&self, destination: IpAddr) -> Option<IpAddr> {
        match destination {
            IpAddr::V4(_) => self.gateway_v4.map(IpAddr::from),
            // RFC 4291 §2.5.6: routers forward nothing that is link-local.
            IpAddr::V6(address) if is_link_local(address) => None,
            IpAddr::V6(_) => self.gateway_v6.map(IpAddr::from),
        }
    }

    fn check_address(&self, index: usize, ours: &InterfaceAddr) -> Result<(), NetworkError> {
        let (address, prefix) = (ours.address, ours.prefix);
        let prefix_max = if address.is_ipv4() { 32 } else { 128 };
        if prefix == 0 || prefix > prefix_max {
            return Err(NetworkError::Prefix { address, prefix, prefix_max });
        }
        let special = address.is_unspecified() || address.is_multicast() || address.is_loopback();
        if special || is_broadcast(address) || ours.is_no_station(address) {
            return Err(NetworkError::NoStation { address, prefix });
        }
        if self.addresses[..index].iter().any(|other| other.address == address) {
            return Err(NetworkError::Twice { address });
        }
        Ok(())
    }

    fn check_gateway(&self, gateway: IpAddr) -> Result<(), NetworkError> {
        let link_local = matches!(gateway, IpAddr::V6(address) if is_link_local(address));
        let on_link = link_local || self.addresses.iter().any(|ours| ours.reaches(gateway));
        let no_station = gateway.is_unspecified()
            || gateway.is_multicast()
            || self.addresses.iter().any(|ours| ours.is_no_station(gateway));
        if self.is_ours(gateway) || no_station || !on_link {
            return Err(NetworkError::Gateway { gateway, networks: self.to_string() });
        }
        Ok(())
    }
}

/// fe80::/10 (RFC 4291 §2.5.6).
pub(crate) const fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

const fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}

/// Whether packets of these addresses stay on the link (RFC 4291 §2.5.6, §2.7).
const fn scope_of(address: IpAddr) -> Scope {
    match address {
        IpAddr::V6(v6) if is_link_local(v6) || (v6.is_multicast() && v6.segments()[0] & 0x000f <= 2) => Scope::Link,
        _ => Scope::Wider,
    }
}

#[derive(PartialEq, Eq)]
enum Scope {
    Link,
    Wider,
}

const fn mask_v4(prefix: u8) -> u32 {
    match u32::MAX.checked_shl(32 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

const fn mask_v6(prefix: u8) -> u128 {
    match u128::MAX.checked_shl(128 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn network(
        addresses: &[&str],
        gateway_v4: Option<&str>,
        gateway_v6: Option<&str>,
    ) -> Result<Network, NetworkError> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Network::new(addresses, gateway_v4.map(|to| to.parse().unwrap()), gateway_v6.map(|to| to.parse().unwrap()))
    }

    #[test]
    fn a_destination_on_the_link_is_its_own_next_hop_others_go_to_the_gateway() {
        let network = network(&["192.0.2.1/24", "2001:db8::1/64"], Some("192.0.2.254"), Some("fe80::1")).unwrap();
        let next = |to: &str| network.next_hop(ip(to));
        assert_eq!(next("192.0.2.7"), Ok(NextHop::Neighbour(ip("192.0.2.7"))));
        assert_eq!(next("198.51.100.1"), Ok(NextHop::Neighbour(ip("192.0.2.254"))));
        assert_eq!(next("2001:db8::7"), Ok(NextHop::Neighbour(ip("2001:db8::7"))));
        assert_eq!(next("2001:db8:1::7"), Ok(NextHop::Neighbour(ip("fe80::1"))));
        assert_eq!(next("239.1.2.3"), Ok(NextHop::Multicast("01:00:5e:01:02:03".parse().unwrap())));
        assert_eq!(next("ff3e::8000:1"), Ok(NextHop::Multicast("33:33:80:00:00:01".parse().unwrap())));
    }

    #[test]
    fn what_the_port_cannot_reach_is_refused_in_words() {
        let network = network(&["192.0.2.1/24"], None, None).unwrap();
        let refused = |to: &str| network.next_hop(ip(to)).unwrap_err();
        assert!(matches!(refused("192.0.2.1"), NoRoute::Ourselves { .. }));
        for to in ["192.0.2.255", "192.0.2.0", "255.255.255.255", "0.0.0.0", "127.0.0.1"] {
            assert!(matches!(refused(to), NoRoute::NoStation { .. }), "{to}");
        }
        let outside = refused("198.51.100.1").to_string();
        assert!(outside.contains("192.0.2.1/24") && outside.contains("gateway"), "{outside}");
        assert!(matches!(refused("2001:db8::1"), NoRoute::Outside { .. }));
    }

    #[test]
    fn packets_leave_from_the_address_on_the_way() {
        let network =
            network(&["192.0.2.1/24", "198.51.100.1/24", "2001:db8::1/64", "fe80::9/64"], Some("198.51.100.254"), None)
                .unwrap();
        let from = |to: &str| network.source_for(ip(to)).unwrap().to_string();
        assert_eq!(from("198.51.100.9"), "198.51.100.1");
        assert_eq!(from("203.0.113.1"), "198.51.100.1");
        assert_eq!(from("192.0.2.2"), "192.0.2.1");
        assert_eq!(from("2001:db8:1::1"), "2001:db8::1");
        assert_eq!(from("fe80::1"), "fe80::9");
        assert_eq!(from("ff02::16"), "fe80::9");
        assert_eq!(from("ff3e::1"), "2001:db8::1");
    }

    #[test]
    fn addresses_that_no_port_can_have_are_refused() {
        let refused = |addresses: &[&str]| network(addresses, None, None).unwrap_err();
        assert!(matches!(refused(&["192.0.2.1/0"]), NetworkError::Prefix { .. }));
        for address in
            ["192.0.2.0/24", "192.0.2.255/24", "239.0.0.1/8", "127.0.0.1/8", "0.0.0.0/8", "ff02::1/64", "::1/128"]
        {
            assert!(matches!(refused(&[address]), NetworkError::NoStation { .. }), "{address}");
        }
        assert!(matches!(refused(&["192.0.2.1/24", "192.0.2.1/16"]), NetworkError::Twice { .. }));
        assert!(matches!(refused(&["192.0.2.1/24"; 17]), NetworkError::TooMany { asked: 17 }));
        for text in ["192.0.2.1", "192.0.2.1/33", "192.0.2.1/x", "x/24"] {
            assert!(text.parse::<InterfaceAddr>().is_err(), "{text}");
        }
        for address in ["192.0.2.0/31", "192.0.2.1/31", "192.0.2.1/32", "2001:db8::/127"] {
            assert!(network(&[address], None, None).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_gateway_must_be_another_station_on_the_link() {
        for gateway in ["192.0.2.1", "192.0.2.255", "198.51.100.1", "0.0.0.0", "239.0.0.1"] {
            let refused = network(&["192.0.2.1/24"], Some(gateway), None).unwrap_err();
            assert!(matches!(refused, NetworkError::Gateway { .. }), "{gateway}");
        }
        assert!(network(&["2001:db8::1/64"], None, Some("2001:db8::2")).is_ok());
    }

    #[test]
    fn ipv6_ports_get_a_link_local_address_once() {
        let mac: MacAddr = "02:00:00:00:00:01".parse().unwrap();
        let v6 = network(&["2001:db8::1/64"], None, None).unwrap().with_link_local(mac);
        assert_eq!(v6.link_local(), Some("fe80::ff:fe00:1".parse().unwrap()));
        assert_eq!(v6.clone().with_link_local(mac), v6);
        let v4 = network(&["192.0.2.1/24"], None, None).unwrap();
        assert_eq!(v4.clone().with_link_local(mac), v4);
    }
}
