//! Why a receive socket cannot be opened, in an operator's words.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::path::list;

/// Why a receive socket cannot be opened: what was asked, what is wrong, what would work.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No interface of that name.
    #[error("cannot receive {destination}: there is no interface \"{name}\" here; there are: {}", .present.join(", "))]
    NoInterface {
        /// What was to be received.
        destination: SocketAddr,
        /// What was asked.
        name: String,
        /// The interfaces of this network namespace.
        present: Vec<String>,
    },
    /// The address is not ours.
    #[error(
        "cannot receive on {destination}: it is no address of this host; there are: {} (or 0.0.0.0 or :: for all)",
        list(.present)
    )]
    NoSuchAddress {
        /// What was asked.
        destination: SocketAddr,
        /// The addresses of this network namespace.
        present: Vec<IpAddr>,
    },
    /// Somebody else has it.
    #[error(
        "cannot receive on {destination}: another socket has it (`ss -ulnp` shows which); stop that program or choose \
         another port"
    )]
    InUse {
        /// What was asked.
        destination: SocketAddr,
    },
    /// The system forbids it.
    #[error(
        "not permitted to {doing} for {destination}: use a port from 1024 on, or give the program \
         CAP_NET_BIND_SERVICE (ports) or CAP_NET_RAW (interfaces)"
    )]
    Permission {
        /// What was tried.
        doing: &'static str,
        /// What was to be received.
        destination: SocketAddr,
    },
    /// The network has no way for the group.
    #[error(
        "cannot join {destination}: the kernel found no interface for it; name the interface, and see that it is up and \
         has MULTICAST (ip link)"
    )]
    NoMulticast {
        /// The group that was asked.
        destination: SocketAddr,
    },
    /// Too many joins.
    #[error(
        "cannot join {destination}: the kernel's limit of groups or sources is reached; raise net.ipv4.igmp_max_msf (or \
         net.ipv6.mld_max_msf), net.ipv4.igmp_max_memberships or net.core.optmem_max"
    )]
    TooManyGroups {
        /// The group that was asked.
        destination: SocketAddr,
    },
    /// A source of the other family.
    #[error("cannot receive {destination} from {from}: both must be IPv4 or both IPv6")]
    Family {
        /// The group or address that was asked.
        destination: SocketAddr,
        /// The source that was asked.
        from: IpAddr,
    },
    /// A link-local address says nothing without a link.
    #[error("{destination} is local to a link: name the interface to receive on")]
    LinkLocal {
        /// What was asked.
        destination: SocketAddr,
    },
    /// Anything else that the system says.
    #[error("cannot {doing} for {destination}: {error}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What was to be received.
        destination: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}
