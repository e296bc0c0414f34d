//! A path: where packets go, from where, and how they are marked.

mod error;
mod table;

use std::net::{IpAddr, SocketAddr};

pub use error::PathError;
pub(crate) use error::list;
pub use table::{PathId, PathTable};

/// Largest DSCP (six bits, RFC 2474 §3).
const DSCP_MAX: u8 = 63;

/// What [`crate::TxQueue::open_path`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Address and port of the receiver, or a multicast group.
    pub destination: SocketAddr,
    /// Address to send from; port 0 lets the system choose. `None`: as the route says.
    pub source: Option<SocketAddr>,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// TTL or hop limit; 0 is legal for multicast only and does not leave the host.
    pub ttl: u8,
    /// 802.1Q VLAN to tag with, where the backend can.
    pub vlan: Option<u16>,
    /// Name of the network interface to leave by. `None`: as the route says.
    pub interface: Option<String>,
    /// Whether receivers on this host get a copy of multicast.
    pub multicast_loop: bool,
}

impl Path {
    /// A path to `destination` as the routes say: DSCP 0, TTL 64, no VLAN, multicast looped.
    #[must_use]
    pub const fn to(destination: SocketAddr) -> Self {
        Self { destination, source: None, dscp: 0, ttl: 64, vlan: None, interface: None, multicast_loop: true }
    }

    /// What every backend checks before it touches a device.
    ///
    /// # Errors
    /// [`PathError`] for a destination, source, DSCP or TTL that no packet can carry.
    pub fn check(&self) -> Result<(), PathError> {
        let destination = self.destination;
        if destination.port() == 0 || destination.ip().is_unspecified() {
            return Err(PathError::Destination { destination });
        }
        if let Some(source) = self.source {
            if source.is_ipv4() != destination.is_ipv4() {
                return Err(PathError::Family { from: source, destination });
            }
            if source.ip().is_multicast() {
                return Err(PathError::SourceMulticast { from: source });
            }
        }
        if self.dscp > DSCP_MAX {
            return Err(PathError::Dscp { asked: self.dscp });
        }
        if self.ttl == 0 && !destination.ip().is_multicast() {
            return Err(PathError::Ttl { destination });
        }
        if needs_scope(destination.ip()) && self.interface.is_none() && scope_id(destination) == 0 {
            return Err(PathError::LinkLocal { destination });
        }
        Ok(())
    }
}

/// Whether an address means something only together with an interface (RFC 4007 §6, RFC 4291 §2.7).
pub(crate) const fn needs_scope(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            first & 0xffc0 == 0xfe80 || first & 0xff0f == 0xff01 || first & 0xff0f == 0xff02
        }
    }
}

const fn scope_id(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(destination: &str) -> Path {
        Path::to(destination.parse().unwrap())
    }

    #[test]
    fn ordinary_paths_pass() {
        for to in ["192.0.2.1:5004", "239.1.2.3:5004", "[2001:db8::1]:5004", "[ff3e::1]:5004", "[fe80::1%2]:5004"] {
            assert!(path(to).check().is_ok(), "{to}");
        }
        let named = Path { interface: Some("lo".into()), ..path("[ff02::1]:5004") };
        assert!(named.check().is_ok());
    }

    #[test]
    fn what_no_packet_can_carry_is_refused() {
        let good = path("192.0.2.1:5004");
        let six = Some("[::1]:0".parse().unwrap());
        let group = Some("239.0.0.1:0".parse().unwrap());
        assert!(matches!(path("192.0.2.1:0").check(), Err(PathError::Destination { .. })));
        assert!(matches!(path("[::]:5004").check(), Err(PathError::Destination { .. })));
        assert!(matches!(Path { source: six, ..good.clone() }.check(), Err(PathError::Family { .. })));
        assert!(matches!(Path { source: group, ..good.clone() }.check(), Err(PathError::SourceMulticast { .. })));
        assert!(matches!(Path { dscp: 64, ..good.clone() }.check(), Err(PathError::Dscp { asked: 64 })));
        assert!(matches!(Path { ttl: 0, ..good }.check(), Err(PathError::Ttl { .. })));
        assert!(matches!(path("[fe80::1]:5004").check(), Err(PathError::LinkLocal { .. })));
        assert!(matches!(path("[ff02::1]:5004").check(), Err(PathError::LinkLocal { .. })));
        assert!(Path { ttl: 0, ..path("239.1.2.3:5004") }.check().is_ok());
    }
}
