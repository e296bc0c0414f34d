//! An open path: the headers below RTP, and the next hop's link address when it is known.

mod fronts;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ip::frame::UDP_OCTETS;
use ip::{MacAddr, NextHop, NoRoute, Template, TemplateConfig};
use netio::exchange::{NeighbourCell, TxEnd};
use netio::{Path, PathError};

use crate::station::Station;
pub(crate) use fronts::{FRONT_OCTETS, Fronts};

/// The first of the ports that paths are given which ask for none (RFC 6335 §6), and how many there are.
const EPHEMERAL_PORTS: (u16, u16) = (49_152, 16_384);

/// A path's headers, and where the next hop is.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) template: Template,
    /// Longest UDP payload.
    pub(crate) octets_max: usize,
    pub(crate) fronts: Fronts,
    hop: Hop,
}

#[derive(Debug)]
enum Hop {
    Group(MacAddr),
    Neighbour { address: IpAddr, cell: Arc<NeighbourCell>, is_asked: bool },
}

/// The source ports of paths that ask for none, one after the other.
#[derive(Debug, Default)]
pub(crate) struct EphemeralPorts(u16);

impl EphemeralPorts {
    fn next(&mut self) -> u16 {
        let (first, count) = EPHEMERAL_PORTS;
        let port = first + self.0;
        self.0 = (self.0 + 1) % count;
        port
    }
}

impl Link {
    /// Resolves a path; its neighbour is asked for at once.
    pub(crate) fn open(
        path: &Path,
        station: &Station,
        ports: &mut EphemeralPorts,
        exchange: &mut TxEnd,
    ) -> Result<Self, PathError> {
        path.check()?;
        check_port(path, station)?;
        let destination = path.destination;
        let hop = match station.network.next_hop(destination.ip()) {
            Ok(NextHop::Multicast(mac)) => Hop::Group(mac),
            Ok(NextHop::Neighbour(address)) => Hop::Neighbour { address, cell: Arc::default(), is_asked: false },
            Err(reason) => return Err(no_route(&reason, destination, station)),
        };
        let source = source(path, station, ports)?;
        let (vlan, dscp, ttl) = (station.vlan, path.dscp, path.ttl);
        let config = TemplateConfig { source_mac: station.mac, vlan, source, destination, dscp, ttl };
        let template = Template::new(&config).map_err(|error| {
            let error = io::Error::other(error);
            PathError::System { doing: "write the headers", destination, error }
        })?;
        let headers = template.ip_octets() + UDP_OCTETS;
        let octets_max = usize::from(station.mtu).saturating_sub(headers).min(template.udp_payload_octets_max().into());
        let mut link = Self { template, octets_max, fronts: Fronts::NONE, hop };
        link.ask(exchange);
        Ok(link)
    }

    /// The next hop's link address, where it is known.
    #[inline]
    pub(crate) fn mac(&self) -> Option<MacAddr> {
        match &self.hop {
            Hop::Group(mac) => Some(*mac),
            Hop::Neighbour { cell, .. } => cell.load().map(MacAddr::new),
        }
    }

    /// Asks for the next hop, unless that was done.
    #[cold]
    pub(crate) fn ask(&mut self, exchange: &mut TxEnd) {
        if let Hop::Neighbour { address, cell, is_asked } = &mut self.hop
            && !*is_asked
        {
            *is_asked = exchange.resolve(*address, Arc::clone(cell));
        }
    }
}

/// Whether the path may leave by this port, and as the port tags.
fn check_port(path: &Path, station: &Station) -> Result<(), PathError> {
    if let Some(asked) = path.interface.as_ref().filter(|asked| **asked != station.name) {
        return Err(PathError::NoPort { asked: asked.clone(), present: vec![station.name.clone()] });
    }
    if let Some(asked) = path.vlan.filter(|asked| Some(*asked) != station.vlan) {
        return Err(PathError::NotThePortsVlan { asked, port: station.name.clone(), present: station.vlan });
    }
    Ok(())
}

/// The address that the path asks for, which must be the port's, or the one on the way; and a UDP port.
fn source(path: &Path, station: &Station, ports: &mut EphemeralPorts) -> Result<SocketAddr, PathError> {
    let destination = path.destination;
    let asked = path.source.map(|source| source.ip()).filter(|address| !address.is_unspecified());
    if let Some(asked) = asked.filter(|asked| !station.network.is_ours(*asked)) {
        let present = station.network.addresses().iter().map(|ours| ours.address).collect();
        return Err(PathError::NotThePortsAddress { asked, port: station.name.clone(), present });
    }
    let address = asked.or_else(|| station.network.source_for(destination.ip()));
    let Some(address) = address else { return Err(unreachable(destination, station)) };
    let port = path.source.map(|source| source.port()).filter(|port| *port != 0);
    Ok(SocketAddr::new(address, port.unwrap_or_else(|| ports.next())))
}

fn no_route(reason: &NoRoute, destination: SocketAddr, station: &Station) -> PathError {
    match reason {
        NoRoute::Outside { .. } => unreachable(destination, station),
        NoRoute::Ourselves { .. } | NoRoute::NoStation { .. } => {
            PathError::NoStation { destination, port: station.name.clone() }
        }
    }
}

fn unreachable(destination: SocketAddr, station: &Station) -> PathError {
    let networks = station.network.addresses().iter().map(ToString::to_string).collect();
    PathError::NoRoute { destination, port: station.name.clone(), networks }
}

#[cfg(test)]
mod tests {
    use ip::Network;
    use netio::exchange::{ExchangeConfig, exchange};

    use super::*;

    fn station() -> Station {
        let addresses = ["192.0.2.1/24", "2001:db8::1/64"].map(|text| text.parse().unwrap()).to_vec();
        let gateway = Some("192.0.2.254".parse().unwrap());
        let network = Network::new(addresses, gateway, None).unwrap();
        let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
        Station { name: "left".to_owned(), mac, vlan: None, network, mtu: 1_500 }
    }

    fn to(destination: &str) -> Path {
        Path::to(destination.parse().unwrap())
    }

    fn open(path: &Path) -> Result<Link, PathError> {
        let (_rx, mut tx, _host) = exchange(ExchangeConfig::default());
        Link::open(path, &station(), &mut EphemeralPorts::default(), &mut tx)
    }

    #[test]
    fn a_group_is_known_a_neighbour_is_asked_for() {
        let (_rx, mut tx, mut host) = exchange(ExchangeConfig { requests: 1, ..ExchangeConfig::default() });
        let mut ports = EphemeralPorts::default();
        let mut open = |path: &Path| Link::open(path, &station(), &mut ports, &mut tx).unwrap();
        let group = open(&to("239.1.2.3:5004"));
        assert_eq!(group.mac().map(|mac| mac.to_string()).as_deref(), Some("01:00:5e:01:02:03"));
        let routed = open(&to("198.51.100.1:5004"));
        let mut waiting = open(&to("192.0.2.9:5004"));
        assert_eq!((routed.mac(), waiting.mac()), (None, None));
        let asked = host.request().unwrap();
        assert_eq!(asked.next_hop.to_string(), "192.0.2.254");
        asked.cell.store([2, 0, 0, 0, 0, 9]);
        assert_eq!(routed.mac(), Some(MacAddr::new([2, 0, 0, 0, 0, 9])));
        assert!(host.request().is_none(), "the queue was full");
        waiting.ask(&mut tx);
        waiting.ask(&mut tx);
        assert_eq!(host.request().unwrap().next_hop.to_string(), "192.0.2.9");
        assert!(host.request().is_none(), "asked once");
    }

    #[test]
    fn the_source_is_the_ports_own_and_its_udp_port_stays() {
        let sent_from = |path: &Path| {
            let link = open(path).unwrap();
            let mut out = [0; ip::template::TEMPLATE_OCTETS_MAX];
            link.template.write(&mut out, MacAddr::BROADCAST, 0);
            u16::from_be_bytes([out[34], out[35]])
        };
        let given = Path { source: Some("192.0.2.1:5010".parse().unwrap()), ..to("192.0.2.9:5004") };
        assert_eq!(sent_from(&given), 5010);
        let chosen = Path { source: Some("192.0.2.1:0".parse().unwrap()), ..to("192.0.2.9:5004") };
        assert_eq!(sent_from(&chosen), 49_152);
        assert_eq!(sent_from(&to("192.0.2.9:5004")), 49_152);
        let foreign = Path { source: Some("192.0.2.2:0".parse().unwrap()), ..to("192.0.2.9:5004") };
        let refused = open(&foreign).unwrap_err();
        assert!(matches!(refused, PathError::NotThePortsAddress { .. }), "{refused}");
        assert!(refused.to_string().contains("192.0.2.1"), "{refused}");
    }

    #[test]
    fn what_the_port_cannot_do_is_refused_in_words() {
        let other = Path { interface: Some("right".to_owned()), ..to("192.0.2.9:5004") };
        let refused = open(&other).unwrap_err().to_string();
        assert!(refused.contains("\"right\"") && refused.contains("left"), "{refused}");
        let same = Path { interface: Some("left".to_owned()), ..to("192.0.2.9:5004") };
        assert!(open(&same).is_ok());
        let tagged = Path { vlan: Some(7), ..same };
        assert!(matches!(open(&tagged), Err(PathError::NotThePortsVlan { asked: 7, present: None, .. })));
        assert!(matches!(open(&to("[2001:db8:1::1]:5004")), Err(PathError::NoRoute { .. })));
        for ours in ["192.0.2.1:5004", "192.0.2.255:5004", "127.0.0.1:5004"] {
            assert!(matches!(open(&to(ours)), Err(PathError::NoStation { .. })), "{ours}");
        }
        assert!(matches!(open(&to("192.0.2.9:0")), Err(PathError::Destination { .. })));
    }

    #[test]
    fn the_mtu_bounds_the_payload() {
        assert_eq!(open(&to("192.0.2.9:5004")).unwrap().octets_max, 1_472);
        assert_eq!(open(&to("[2001:db8::9]:5004")).unwrap().octets_max, 1_452);
    }

    #[test]
    fn ephemeral_ports_go_round() {
        let mut ports = EphemeralPorts::default();
        let first: Vec<u16> = (0..EPHEMERAL_PORTS.1).map(|_| ports.next()).collect();
        assert_eq!((first[0], first.last().copied()), (49_152, Some(65_535)));
        assert_eq!(ports.next(), 49_152);
    }
}
