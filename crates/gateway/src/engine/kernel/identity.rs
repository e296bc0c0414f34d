//! Where the packets of a socket come from, as a sender's SDP says it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use control::SenderSpec;

use crate::engine::sender_path;

/// The address that packets carry: receivers filter by it, so it is asked of the way that the packets go.
pub(super) fn address(spec: &SenderSpec) -> IpAddr {
    let none: IpAddr = match spec.destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    netio::kernel::source_address(&sender_path(spec)).unwrap_or(none)
}

/// The MAC that names this host's own clock (RFC 7273 §4.9): the interface's, or the first that has one.
pub(super) fn mac(interface: Option<&str>) -> [u8; 6] {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/net/{name}/address")).ok()?;
        parse_mac(text.trim()).filter(|mac| *mac != [0; 6])
    };
    let first = || {
        let mut names: Vec<_> = std::fs::read_dir("/sys/class/net").ok()?.flatten().map(|e| e.file_name()).collect();
        names.sort();
        names.iter().find_map(|name| read(name.to_str()?))
    };
    interface.and_then(read).or_else(first).unwrap_or([0x02, 0, 0, 0, 0, 0])
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut mac {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_have_six_octets() {
        assert_eq!(parse_mac("02:00:5e:10:00:ff"), Some([2, 0, 0x5e, 0x10, 0, 0xff]));
        assert_eq!(parse_mac("02:00:5e:10:00"), None);
        assert_eq!(parse_mac("02:00:5e:10:00:ff:01"), None);
    }

    #[test]
    fn the_address_of_packets_is_that_of_their_way() {
        let spec = SenderSpec::new("out".parse().unwrap(), "127.0.0.1:5004".parse().unwrap());
        assert_eq!(address(&spec), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
