//! What a host tells: of its own addresses, and of its neighbours.

use std::net::IpAddr;

use crate::MacAddr;

/// What a host has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// One of our addresses is in use from now on.
    Ready {
        /// The address.
        address: IpAddr,
    },
    /// A neighbour that was asked for is known, or again, or with another Ethernet address.
    Resolved {
        /// The neighbour.
        address: IpAddr,
        /// Its Ethernet address.
        mac: MacAddr,
    },
    /// A neighbour has not answered, or no longer does: stop sending to it. Told once; it is asked for further.
    Unanswered {
        /// The neighbour.
        address: IpAddr,
    },
    /// Another station claims one of our addresses. Told once until it is over.
    Conflict {
        /// The address.
        address: IpAddr,
        /// Who claims it.
        mac: MacAddr,
    },
    /// Nobody has claimed the address for half a minute, and it is in use.
    ConflictOver {
        /// The address.
        address: IpAddr,
    },
}
