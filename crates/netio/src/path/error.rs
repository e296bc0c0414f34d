//! Why a path cannot be opened, in an operator's words.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// Why a path cannot be opened: what was asked, what is wrong, what would work.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// No packet can go there.
    #[error("cannot send to {destination}: a destination needs an address and a port from 1 to 65535")]
    Destination {
        /// What was asked.
        destination: SocketAddr,
    },
    /// One address is IPv4, the other IPv6.
    #[error("cannot send from {from} to {destination}: both must be IPv4 or both IPv6")]
    Family {
        /// The source that was asked.
        from: SocketAddr,
        /// The destination that was asked.
        destination: SocketAddr,
    },
    /// The source is a group.
    #[error("cannot send from {from}: a group is no source, use an address of this host")]
    SourceMulticast {
        /// What was asked.
        from: SocketAddr,
    },
    /// DSCP has six bits.
    #[error("DSCP {asked} does not exist: use 0 to 63 (RFC 2474; 34 is AF41)")]
    Dscp {
        /// What was asked.
        asked: u8,
    },
    /// A unicast packet with TTL 0.
    #[error("a TTL of 0 reaches no one: use 1 to 255 for {destination}")]
    Ttl {
        /// The destination that was asked.
        destination: SocketAddr,
    },
    /// A link-local address says nothing without a link.
    #[error("{destination} is local to a link: name the interface to send by")]
    LinkLocal {
        /// What was asked.
        destination: SocketAddr,
    },
    /// This backend cannot tag.
    #[error(
        "a kernel socket cannot tag VLAN {vlan}: make a VLAN interface (ip link add link {parent} name {parent}.{vlan} \
         type vlan id {vlan}), name it as the interface, and give no VLAN",
        parent = .interface.as_deref().unwrap_or("DEVICE")
    )]
    Vlan {
        /// The VLAN that was asked.
        vlan: u16,
        /// The interface that was asked.
        interface: Option<String>,
    },
    /// No interface of that name.
    #[error("there is no interface \"{name}\" here; there are: {}", .present.join(", "))]
    NoInterface {
        /// What was asked.
        name: String,
        /// The interfaces of this network namespace.
        present: Vec<String>,
    },
    /// The source is not ours.
    #[error("{asked} is no address of this host; there are: {}", list(.present))]
    NoSuchSource {
        /// What was asked.
        asked: IpAddr,
        /// The addresses of this network namespace.
        present: Vec<IpAddr>,
    },
    /// The source port is taken.
    #[error("{asked} is in use by another program: choose another source port, or 0 for any")]
    SourceInUse {
        /// What was asked.
        asked: SocketAddr,
    },
    /// The system forbids it.
    #[error(
        "not permitted to {doing} for {destination}: ports below 1024 need CAP_NET_BIND_SERVICE, another network \
         namespace's interface or a broadcast address cannot be used"
    )]
    Permission {
        /// What was tried.
        doing: &'static str,
        /// The destination that was asked.
        destination: SocketAddr,
    },
    /// No route.
    #[error(
        "no route to {destination}{}: add an address and a route, name another interface, or bring the link up",
        via(.interface)
    )]
    Unreachable {
        /// The destination that was asked.
        destination: SocketAddr,
        /// The interface that was asked.
        interface: Option<String>,
    },
    /// The queue is a port's, and of another one than was asked.
    #[error("no port \"{asked}\" serves this path; there are: {}. Name one of them, or none", .present.join(", "))]
    NoPort {
        /// What was asked.
        asked: String,
        /// The ports that there are.
        present: Vec<String>,
    },
    /// The port reaches its own networks, and others through a gateway only.
    #[error(
        "port {port} has no way to {destination}: its networks are {networks} and it has no gateway for others; set a \
         gateway, give the port an address on that network, or use another port",
        networks = if .networks.is_empty() { "none".to_owned() } else { .networks.join(", ") }
    )]
    NoRoute {
        /// The destination that was asked.
        destination: SocketAddr,
        /// The port's name.
        port: String,
        /// The port's addresses with their prefix lengths.
        networks: Vec<String>,
    },
    /// The destination is no other station.
    #[error(
        "port {port} cannot send to {destination}: it is the port's own address, or no station's; name a receiver's"
    )]
    NoStation {
        /// The destination that was asked.
        destination: SocketAddr,
        /// The port's name.
        port: String,
    },
    /// The source is not the port's.
    #[error("{asked} is no address of port {port}, which has: {}. Use one of them, or give no source", list(.present))]
    NotThePortsAddress {
        /// What was asked.
        asked: IpAddr,
        /// The port's name.
        port: String,
        /// The port's addresses.
        present: Vec<IpAddr>,
    },
    /// The port is a member of one VLAN, or of none, and its neighbours are asked for there.
    #[error(
        "port {port} does not tag VLAN {asked}: it is set to {}; give no VLAN, or set the port's",
        .present.map_or_else(|| "send untagged".to_owned(), |vlan| format!("VLAN {vlan}"))
    )]
    NotThePortsVlan {
        /// What was asked.
        asked: u16,
        /// The port's name.
        port: String,
        /// The port's VLAN.
        present: Option<u16>,
    },
    /// The table is full.
    #[error("all {limit} paths of this queue are open: close one, or open the queue with more")]
    Full {
        /// How many there may be.
        limit: usize,
    },
    /// Anything else that the system says.
    #[error("cannot {doing} for {destination}: {error}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The destination that was asked.
        destination: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

pub(crate) fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

fn via(interface: &Option<String>) -> String {
    interface.as_ref().map(|name| format!(" by {name}")).unwrap_or_default()
}
