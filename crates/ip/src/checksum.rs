//! The Internet checksum (RFC 1071): the one's complement sum of 16-bit words, fast over long octets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A sum under way. Octets may come in pieces of any length, odd ones too.
///
/// The sum is kept in the machine's own byte order (RFC 1071 §2B: the result only needs one swap at the end) and 64
/// bits wide, so that carries are folded once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    native: u64,
    /// An odd number of octets came in: the next piece starts in the low half of a word.
    odd: bool,
}

impl Sum {
    /// Nothing summed yet.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { native: 0, odd: false }
    }

    /// The sum with `octets` appended to what came before.
    #[inline]
    #[must_use]
    pub fn octets(self, octets: &[u8]) -> Self {
        let piece = native_words(octets);
        // RFC 1071 §2B: a piece at an odd offset counts with its octets swapped.
        let piece = if self.odd { u64::from(fold_native(piece).swap_bytes()) } else { piece };
        Self { native: add(self.native, piece), odd: self.odd != (octets.len() % 2 == 1) }
    }

    /// The sum with one 16-bit word added, wherever in the packet it stands (at an even offset).
    #[inline]
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        Self { native: add(self.native, word.to_be() as u64), odd: self.odd }
    }

    /// The folded sum, not complemented: what network devices want to find in the field that they complete.
    #[inline]
    #[must_use]
    pub const fn folded(self) -> u16 {
        u16::from_be(fold_native(self.native))
    }

    /// The checksum: the complement of the sum.
    #[inline]
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }

    /// The checksum as UDP carries it, where 0 would mean "none" (RFC 768).
    #[inline]
    #[must_use]
    pub const fn udp_checksum(self) -> u16 {
        match self.checksum() {
            0 => 0xffff,
            checksum => checksum,
        }
    }

    /// Whether the octets, their checksum field among them, sum up to "no error".
    #[inline]
    #[must_use]
    pub const fn holds(self) -> bool {
        self.folded() == 0xffff
    }
}

/// The checksum of `octets`.
#[must_use]
pub fn of(octets: &[u8]) -> u16 {
    Sum::new().octets(octets).checksum()
}

/// The sum of the pseudo-header in front of an upper layer of `octets` (RFC 768, RFC 8200 §8.1).
#[inline]
#[must_use]
pub fn pseudo_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, octets: u16) -> Sum {
    let sum = Sum::new().octets(&source.octets()).octets(&destination.octets());
    sum.word(u16::from(protocol)).word(octets)
}

/// As [`pseudo_v4`], for IPv6.
#[inline]
#[must_use]
pub fn pseudo_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, octets: u16) -> Sum {
    let sum = Sum::new().octets(&source.octets()).octets(&destination.octets());
    sum.word(u16::from(protocol)).word(octets)
}

/// The pseudo-header's sum for two addresses of one family; `None` when the families differ.
#[inline]
#[must_use]
pub fn pseudo(source: IpAddr, destination: IpAddr, protocol: u8, octets: u16) -> Option<Sum> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Some(pseudo_v4(source, destination, protocol, octets)),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Some(pseudo_v6(source, destination, protocol, octets)),
        _ => None,
    }
}

/// Words of the machine's order, 32 bits at a time: this loop becomes vector code. The last words are padded with 0.
#[inline]
fn native_words(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_ne_bytes(last))
}

/// One's complement addition: the carry comes back in at the bottom.
#[inline]
const fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u64
}

#[inline]
const fn fold_native(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sum as RFC 1071 §4.1 spells it, word by word.
    fn by_the_book(octets: &[u8]) -> u16 {
        let mut sum: u32 = 0;
        for pair in octets.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        sum as u16
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 1071 §3
        let sum = Sum::new().octets(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        assert_eq!(sum.checksum(), 0x220d);
    }

    #[test]
    fn an_ipv4_header_off_the_wire_holds_until_one_bit_turns() {
        let mut header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8,
            0x00, 0xc7,
        ];
        assert!(Sum::new().octets(&header).holds());
        for bit in 0..header.len() * 8 {
            header[bit / 8] ^= 1 << (bit % 8);
            assert!(!Sum::new().octets(&header).holds(), "bit {bit}");
            header[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_udp_checksum_of_0_is_sent_as_all_ones() {
        assert_eq!(Sum::new().word(0xffff).udp_checksum(), 0xffff);
        assert_eq!(Sum::new().word(0x1234).udp_checksum(), !0x1234);
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_sum_up_to_the_whole(octets: Vec<u8>, cuts in prop::collection::vec(0_usize..600, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
            cuts.sort_unstable();
            cuts.push(octets.len());
            let mut sum = Sum::new();
            let mut from = 0;
            for cut in cuts {
                sum = sum.octets(&octets[from..cut]);
                from = cut;
            }
            // The two zeros of one's complement are one value.
            prop_assert_eq!(sum.folded() % 0xffff, by_the_book(&octets) % 0xffff);
            prop_assert_eq!(sum.folded() == 0, by_the_book(&octets) == 0);
        }
    }

    #[test]
    fn a_carry_out_of_64_bits_is_not_lost() {
        assert_eq!(add(u64::MAX, 2), 2);
        assert_eq!(fold_native(u64::MAX), 0xffff);
        assert_eq!(Sum::new().octets(&[0xff; 65_536]).folded(), 0xffff);
    }
}
