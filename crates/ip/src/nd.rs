//! Neighbour solicitation and advertisement (RFC 4861 §4.3, §4.4).
//!
//! ```text
//! | type 135 or 136 | code 0 |          checksum            |  octets 0-3
//! |R|S|O|                   reserved                        |  4-7
//! |                    target (16 octets)                   |  8-23
//! | option type | length in 8 octets | Ethernet address (6) |  options
//! ```

use std::net::Ipv6Addr;

use crate::MacAddr;
use crate::checksum;
use crate::frame::PROTOCOL_ICMPV6;

pub(crate) const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;

/// Hop limit of every such message: a router would have lowered it (RFC 4861 §11.2).
pub(crate) const HOP_LIMIT: u8 = 255;

const FIXED_OCTETS: usize = 24;
const OPTION_SOURCE: u8 = 1;
const OPTION_TARGET: u8 = 2;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A question: who is the target?
    Solicitation,
    /// An answer, perhaps unasked.
    Advertisement {
        /// It answers a question to one address.
        solicited: bool,
    },
}

/// A solicitation or advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) target: Ipv6Addr,
    /// The Ethernet address in the option: the sender's in a solicitation, the target's in an advertisement.
    pub(crate) link: Option<MacAddr>,
}

impl Message {
    /// Reads an ICMPv6 message whose checksum holds. `None`: not one of these, or one that RFC 4861 §7.1 discards.
    pub(crate) fn parse(source: Ipv6Addr, destination: Ipv6Addr, octets: &[u8]) -> Option<Self> {
        let (fixed, options) = octets.split_first_chunk::<FIXED_OCTETS>()?;
        let (kind, wanted) = match (fixed[0], fixed[1]) {
            (SOLICITATION, 0) => (Kind::Solicitation, OPTION_SOURCE),
            (ADVERTISEMENT, 0) => (Kind::Advertisement { solicited: fixed[4] & FLAG_SOLICITED != 0 }, OPTION_TARGET),
            _ => return None,
        };
        let mut target = [0; 16];
        target.copy_from_slice(&fixed[8..]);
        let message = Self { kind, target: target.into(), link: link_option(options, wanted).ok()? };
        message.is_valid(source, destination).then_some(message)
    }

    // RFC 4861 §7.1.1, §7.1.2
    fn is_valid(&self, source: Ipv6Addr, destination: Ipv6Addr) -> bool {
        let link_is_station = self.link.is_none_or(MacAddr::is_station);
        let conditions = match self.kind {
            Kind::Solicitation if source.is_unspecified() => {
                destination == solicited_node(self.target) && self.link.is_none()
            }
            Kind::Solicitation => true,
            Kind::Advertisement { solicited } => !(source.is_unspecified() || solicited && destination.is_multicast()),
        };
        conditions && link_is_station && !self.target.is_multicast() && !self.target.is_unspecified()
    }

    /// The ICMPv6 message between these addresses, its checksum right.
    pub(crate) fn octets(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        let (kind, flags, option) = match self.kind {
            Kind::Solicitation => (SOLICITATION, 0, OPTION_SOURCE),
            Kind::Advertisement { solicited: true } => (ADVERTISEMENT, FLAG_SOLICITED | FLAG_OVERRIDE, OPTION_TARGET),
            Kind::Advertisement { solicited: false } => (ADVERTISEMENT, FLAG_OVERRIDE, OPTION_TARGET),
        };
        let mut octets = vec![kind, 0, 0, 0, flags, 0, 0, 0];
        octets.extend(self.target.octets());
        if let Some(link) = self.link {
            octets.extend([option, 1]);
            octets.extend(link.octets());
        }
        complete_checksum(&mut octets, source, destination);
        octets
    }
}

/// Puts the checksum of an ICMPv6 message into its third and fourth octet (RFC 4443 §2.3).
pub(crate) fn complete_checksum(octets: &mut [u8], source: Ipv6Addr, destination: Ipv6Addr) {
    octets[2..4].fill(0);
    // No message of ours is longer than a frame.
    let sum = checksum::pseudo_v6(source, destination, PROTOCOL_ICMPV6, octets.len() as u16).octets(octets);
    octets[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
}

/// The group on which a station is asked for (RFC 4291 §2.7.1): ff02::1:ff00:0/104 and its last 24 bits.
pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// An option list that cannot be walked.
struct BadOptions;

/// The Ethernet address in the first option of type `wanted`; others are stepped over.
fn link_option(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, BadOptions> {
    let mut found = None;
    while !options.is_empty() {
        let &[kind, eights, ..] = options else { return Err(BadOptions) };
        // RFC 4861 §4.6: a length of 0 would never end.
        let octets = usize::from(eights) * 8;
        let option = options.get(..octets).filter(|option| !option.is_empty()).ok_or(BadOptions)?;
        if let (true, None, &[_, 1, a, b, c, d, e, f]) = (kind == wanted, found, option) {
            found = Some(MacAddr::new([a, b, c, d, e, f]));
        }
        options = &options[octets..];
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{ND_ADVERTISEMENT, ND_ADVERTISEMENT_UNICAST, ND_DAD, ND_SOLICITATION};

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

    fn mac(last: u8) -> MacAddr {
        MacAddr::new([2, 0, 0, 0, 0, last])
    }

    #[test]
    fn linux_asks_and_answers_as_we_do() {
        let question = Message { kind: Kind::Solicitation, target: B, link: Some(mac(0x0a)) };
        assert_eq!(Message::parse(A, solicited_node(B), &ND_SOLICITATION[54..]), Some(question));
        assert_eq!(question.octets(A, solicited_node(B)), ND_SOLICITATION[54..]);
        let answer = Message { kind: Kind::Advertisement { solicited: true }, target: B, link: Some(mac(0x0b)) };
        assert_eq!(Message::parse(B, A, &ND_ADVERTISEMENT[54..]), Some(answer));
        assert_eq!(answer.octets(B, A), ND_ADVERTISEMENT[54..]);
        let to_one = Message::parse(A, mac(0x0b).link_local(), &ND_ADVERTISEMENT_UNICAST[54..]).unwrap();
        assert_eq!((to_one.target, to_one.link), (A, None));
    }

    #[test]
    fn duplicates_are_looked_for_from_no_address() {
        let ours = mac(0x0a).link_local();
        let read = Message::parse(Ipv6Addr::UNSPECIFIED, solicited_node(ours), &ND_DAD[54..]).unwrap();
        assert_eq!((read.kind, read.target, read.link), (Kind::Solicitation, ours, None));
        // From no address it must go to the solicited-node group.
        assert_eq!(Message::parse(Ipv6Addr::UNSPECIFIED, B, &ND_DAD[54..]), None);
    }

    #[test]
    fn messages_that_the_rfc_discards_are_discarded() {
        let parse = |octets: &[u8]| Message::parse(B, A, octets);
        let good = &ND_ADVERTISEMENT[54..];
        for octets in 0..good.len() {
            // Without its option the message is whole again.
            assert_eq!(parse(&good[..octets]).is_some(), octets == FIXED_OCTETS, "{octets}");
        }
        // Type, code, a group as target, an option without length, one beyond the end, a group as Ethernet address.
        for (at, octet) in [(0, 137), (1, 1), (8, 0xff), (25, 0), (25, 2), (26, 1)] {
            let mut octets = good.to_vec();
            octets[at] = octet;
            assert_eq!(parse(&octets), None, "{octet} at {at}");
        }
        let everybody = "ff02::1".parse().unwrap();
        assert_eq!(Message::parse(B, everybody, good), None);
    }
}
