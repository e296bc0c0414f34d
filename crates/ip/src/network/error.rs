//! What is wrong with a port's addresses or a packet's destination, in an operator's words.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{ADDRESSES_MAX, InterfaceAddr, Network};

/// Addresses that a port cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not of the form ADDRESS/PREFIX.
    #[error("{text:?} is no address with a prefix length: write it as 192.0.2.1/24 or 2001:db8::1/64")]
    Text {
        /// What was written.
        text: String,
    },
    /// A prefix length that the family does not have.
    #[error("{address}/{prefix}: the prefix length must be 1 to {prefix_max}")]
    Prefix {
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// The longest of its family.
        prefix_max: u8,
    },
    /// An address that means no single station.
    #[error(
        "{address}/{prefix} is no station's address (group, broadcast, loopback or the network itself): give the port one of its own"
    )]
    NoStation {
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
    },
    /// One address, two entries.
    #[error("{address} is given twice: leave one of them out")]
    Twice {
        /// The address.
        address: IpAddr,
    },
    /// More addresses than a port may have.
    #[error("{asked} addresses on one port; {ADDRESSES_MAX} are the most")]
    TooMany {
        /// How many were given.
        asked: usize,
    },
    /// The gateway is not a neighbour.
    #[error("gateway {gateway} is no other station on the port's networks ({networks}): give a router that is")]
    Gateway {
        /// The gateway.
        gateway: IpAddr,
        /// The port's addresses.
        networks: String,
    },
}

/// Why a port cannot send to a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Neither on the port's networks, nor is a gateway known.
    #[error(
        "{destination} is not on the port's networks ({networks}) and no gateway of its family is set: \
         set a gateway, or give the port an address on the destination's network"
    )]
    Outside {
        /// The destination.
        destination: IpAddr,
        /// The port's addresses.
        networks: String,
    },
    /// The destination is one of the port's own addresses.
    #[error("{destination} is the port's own address: what it sends does not come back to it")]
    Ourselves {
        /// The destination.
        destination: IpAddr,
    },
    /// No single station: broadcast, unspecified, loopback, or the network itself.
    #[error("{destination} is neither a station nor a group: send to one of those")]
    NoStation {
        /// The destination.
        destination: IpAddr,
    },
}

impl fmt::Display for InterfaceAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for InterfaceAddr {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parts = text
            .split_once('/')
            .and_then(|(address, prefix)| Some(Self { address: address.parse().ok()?, prefix: prefix.parse().ok()? }));
        let parsed = parts.ok_or_else(|| NetworkError::Text { text: text.to_owned() })?;
        let prefix_max = if parsed.address.is_ipv4() { 32 } else { 128 };
        if parsed.prefix > prefix_max {
            return Err(NetworkError::Prefix { address: parsed.address, prefix: parsed.prefix, prefix_max });
        }
        Ok(parsed)
    }
}

impl fmt::Display for Network {
    /// The addresses: `192.0.2.1/24, 2001:db8::1/64`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.addresses().split_first() else { return f.write_str("none") };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|ours| write!(f, ", {ours}"))
    }
}
