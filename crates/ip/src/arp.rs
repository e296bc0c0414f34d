//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//! | hardware type 1 | protocol type 0x0800 | 6 | 4 | operation 1 or 2 |       octets 0-7
//! | sender MAC (6) | sender IPv4 (4) | target MAC (6) | target IPv4 (4) |   8-27
//! ```

use std::net::Ipv4Addr;

use crate::MacAddr;

pub(crate) const OCTETS: usize = 28;

/// Ethernet, IPv4, and the lengths of their addresses.
const FIXED: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// What an ARP packet asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Request,
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) operation: Operation,
    pub(crate) sender_mac: MacAddr,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: MacAddr,
    pub(crate) target: Ipv4Addr,
}

impl Arp {
    /// Reads what lies behind the Ethernet header. `None`: too short, another kind of address or operation, or a sender
    /// that no station can be.
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let fixed = octets.first_chunk::<OCTETS>()?;
        if fixed[..6] != FIXED {
            return None;
        }
        let operation = match fixed[6..8] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        let arp = Self {
            operation,
            sender_mac: mac(fixed, 8),
            sender: ipv4(fixed, 14),
            target_mac: mac(fixed, 18),
            target: ipv4(fixed, 24),
        };
        let sender_is_group = arp.sender.is_multicast() || arp.sender.is_broadcast() || arp.sender.is_loopback();
        (arp.sender_mac.is_station() && !sender_is_group).then_some(arp)
    }

    /// The packet, without its Ethernet header.
    pub(crate) fn octets(&self) -> [u8; OCTETS] {
        let mut octets = [0; OCTETS];
        octets[..6].copy_from_slice(&FIXED);
        octets[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        octets[8..14].copy_from_slice(&self.sender_mac.octets());
        octets[14..18].copy_from_slice(&self.sender.octets());
        octets[18..24].copy_from_slice(&self.target_mac.octets());
        octets[24..].copy_from_slice(&self.target.octets());
        octets
    }
}

fn mac(fixed: &[u8; OCTETS], at: usize) -> MacAddr {
    let mut octets = [0; 6];
    octets.copy_from_slice(&fixed[at..at + 6]);
    MacAddr::new(octets)
}

fn ipv4(fixed: &[u8; OCTETS], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{ARP_REPLY, ARP_REQUEST};

    #[test]
    fn linux_asks_and_answers_as_we_do() {
        let request = Arp {
            operation: Operation::Request,
            sender_mac: "02:00:00:00:00:0a".parse().unwrap(),
            sender: Ipv4Addr::new(192, 0, 2, 1),
            target_mac: MacAddr::ZERO,
            target: Ipv4Addr::new(192, 0, 2, 2),
        };
        assert_eq!(Arp::parse(&ARP_REQUEST[14..]), Some(request));
        assert_eq!(request.octets(), ARP_REQUEST[14..]);
        let reply = Arp {
            operation: Operation::Reply,
            sender_mac: "02:00:00:00:00:0b".parse().unwrap(),
            sender: request.target,
            target_mac: request.sender_mac,
            target: request.sender,
        };
        assert_eq!(Arp::parse(&ARP_REPLY[14..]), Some(reply));
        assert_eq!(reply.octets(), ARP_REPLY[14..]);
    }

    #[test]
    fn other_address_kinds_and_impossible_senders_are_refused() {
        for octets in 0..OCTETS {
            assert_eq!(Arp::parse(&ARP_REPLY[14..14 + octets]), None, "{octets}");
        }
        // Types, lengths and operation; a sender that is a group on Ethernet, a group or loopback in IPv4.
        for (at, octet) in [(1, 6), (2, 9), (4, 8), (5, 16), (6, 1), (7, 3), (7, 0), (8, 1), (14, 224), (14, 127)] {
            let mut octets = ARP_REPLY;
            octets[14 + at] = octet;
            assert_eq!(Arp::parse(&octets[14..]), None, "{octet} at {at}");
        }
        let mut zero = ARP_REPLY;
        zero[22..28].fill(0);
        assert_eq!(Arp::parse(&zero[14..]), None);
    }
}
