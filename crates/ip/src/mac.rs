//! Ethernet addresses, and those that follow from IP addresses (RFC 1112 §6.4, RFC 2464 §7, RFC 4291 appendix A).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A 48-bit Ethernet address, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; 6]);

/// A text that is no Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no Ethernet address: six pairs of hexadecimal digits with ':' or '-' between, as 02:00:5e:10:00:01"
)]
pub struct MacError {
    text: String,
}

impl MacAddr {
    /// All stations of the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No address: what an ARP request holds for its target.
    pub const ZERO: Self = Self([0; 6]);

    /// An address from its octets.
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The octets, as on the wire.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether frames to it are for a group: multicast or broadcast (IEEE 802.3 §3.2.3).
    #[inline]
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether one station can own it: neither a group's nor zero.
    #[must_use]
    pub fn is_station(self) -> bool {
        !self.is_multicast() && self != Self::ZERO
    }

    /// Where a frame to an IPv4 group goes: 01:00:5e and the low 23 bits of the group.
    #[must_use]
    pub const fn multicast_v4(group: Ipv4Addr) -> Self {
        // RFC 1112 §6.4
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// Where a frame to an IPv6 group goes: 33:33 and the low 32 bits of the group.
    #[must_use]
    pub const fn multicast_v6(group: Ipv6Addr) -> Self {
        // RFC 2464 §7
        let octets = group.octets();
        Self([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
    }

    /// The link-local IPv6 address that a station with this address forms for itself.
    #[must_use]
    pub fn link_local(self) -> Ipv6Addr {
        // RFC 4291 appendix A: fe80::/64 and the modified EUI-64.
        let [a, b, c, d, e, f] = self.0;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl From<MacAddr> for [u8; 6] {
    fn from(mac: MacAddr) -> Self {
        mac.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddr {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut pairs = text.split(separator);
        for octet in &mut octets {
            *octet = pairs.next().and_then(pair).ok_or_else(|| MacError { text: text.to_owned() })?;
        }
        if pairs.next().is_some() {
            return Err(MacError { text: text.to_owned() });
        }
        Ok(Self(octets))
    }
}

/// Exactly two hexadecimal digits (`from_str_radix` alone would take a sign).
fn pair(text: &str) -> Option<u8> {
    let two_digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    two_digits.then(|| u8::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        let mac = MacAddr::new([0x02, 0, 0x5e, 0x10, 0xab, 1]);
        assert_eq!(mac.to_string(), "02:00:5e:10:ab:01");
        for text in ["02:00:5e:10:ab:01", "02-00-5E-10-AB-01"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_form_that_works() {
        let bad = [
            "",
            "02:00:5e:10:ab",
            "02:00:5e:10:ab:01:02",
            "02:00:5e:10:ab:1",
            "02:00:5e:10:ab:+1",
            "02:00:5e:10:ab-01",
        ];
        for text in bad {
            let refused = text.parse::<MacAddr>().unwrap_err().to_string();
            assert!(refused.contains("six pairs"), "{refused}");
        }
    }

    #[test]
    fn groups_map_to_ethernet_as_the_rfcs_say() {
        assert_eq!(MacAddr::multicast_v4(Ipv4Addr::new(239, 129, 2, 3)).to_string(), "01:00:5e:01:02:03");
        assert_eq!(MacAddr::multicast_v6("ff02::1:ff00:1234".parse().unwrap()).to_string(), "33:33:ff:00:12:34");
        assert!(MacAddr::BROADCAST.is_multicast());
        assert!(!MacAddr::ZERO.is_station());
    }

    #[test]
    fn a_link_local_address_holds_the_modified_eui_64() {
        // RFC 4291 appendix A flips the universal bit.
        let mac = MacAddr::new([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(mac.link_local(), "fe80::3656:78ff:fe9a:bcde".parse::<Ipv6Addr>().unwrap());
    }
}
