//! Control messages of received datagrams (cmsg(3)), read as octets.
//!
//! ```text
//! struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; } then the data, padded to the size of size_t
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of a `cmsghdr`.
const HEADER: usize = size_of::<libc::cmsghdr>();
const WORD: usize = size_of::<usize>();
/// Offset of `ipi_addr`, the header's destination, in an `in_pktinfo`.
const PKTINFO_V4_ADDRESS: usize = 8;

/// What the kernel told beside a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// Octets of each datagram in a coalesced buffer, the last perhaps shorter (`UDP_GRO`).
    pub(crate) segment_octets: Option<u32>,
    /// Datagrams that the socket has dropped since it was made, modulo 2³² (`SO_RXQ_OVFL`).
    pub(crate) drops: Option<u32>,
    /// Destination address of the datagram.
    pub(crate) destination: Option<IpAddr>,
    /// When it arrived, by the kernel's real-time clock, ns (`SO_TIMESTAMPNS`).
    pub(crate) arrived_nanos: Option<i64>,
}

/// Reads all messages of a control buffer; ends at the first that does not fit.
pub(crate) fn parse(mut octets: &[u8]) -> Control {
    let mut control = Control::default();
    while let Some((header, _)) = octets.split_at_checked(HEADER) {
        let len = word(header, 0);
        let Some(data) = octets.get(HEADER..len) else { break };
        control.take(int(header, WORD), int(header, WORD + 4), data);
        octets = octets.get(len.next_multiple_of(WORD)..).unwrap_or_default();
    }
    control
}

impl Control {
    fn take(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => self.segment_octets = u32_at(data, 0).filter(|&octets| octets > 0),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => self.drops = u32_at(data, 0),
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) => {
                let of = |at: usize| data.get(at..)?.first_chunk().map(|&octets| i64::from_ne_bytes(octets));
                let nanos = |(seconds, nanos): (i64, i64)| seconds.checked_mul(1_000_000_000)?.checked_add(nanos);
                self.arrived_nanos = of(0).zip(of(8)).and_then(nanos);
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let address = data.get(PKTINFO_V4_ADDRESS..).and_then(<[u8]>::first_chunk::<4>);
                self.destination = address.map(|&octets| IpAddr::V4(Ipv4Addr::from(octets)));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                self.destination = data.first_chunk::<16>().map(|&octets| IpAddr::V6(Ipv6Addr::from(octets)));
            }
            _ => {}
        }
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|&octets| u32::from_ne_bytes(octets))
}

fn int(header: &[u8], at: usize) -> i32 {
    u32_at(header, at).unwrap_or_default().cast_signed()
}

fn word(header: &[u8], at: usize) -> usize {
    header.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&octets| usize::from_ne_bytes(octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut out = (HEADER + data.len()).to_ne_bytes().to_vec();
        out.extend(level.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(WORD), 0);
        out
    }

    fn full() -> Vec<u8> {
        let mut out = message(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &7u32.to_ne_bytes());
        out.extend(message(libc::IPPROTO_IP, libc::IP_PKTINFO, &[0, 0, 0, 0, 127, 0, 0, 1, 239, 1, 2, 3]));
        let time = [12_i64.to_ne_bytes(), 34_i64.to_ne_bytes()].concat();
        out.extend(message(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &time));
        out.extend(message(libc::SOL_UDP, libc::UDP_GRO, &1400u32.to_ne_bytes()));
        out
    }

    #[test]
    fn all_messages_are_read() {
        let control = parse(&full());
        assert_eq!(control.segment_octets, Some(1400));
        assert_eq!(control.drops, Some(7));
        assert_eq!(control.arrived_nanos, Some(12_000_000_034));
        assert_eq!(control.destination, Some("239.1.2.3".parse().unwrap()));
    }

    #[test]
    fn ipv6_gives_its_destination() {
        let mut data = Ipv6Addr::LOCALHOST.octets().to_vec();
        data.extend(1u32.to_ne_bytes());
        let control = parse(&message(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data));
        assert_eq!(control.destination, Some("::1".parse().unwrap()));
    }

    #[test]
    fn a_cut_buffer_gives_what_came_whole() {
        let octets = full();
        for len in 0..octets.len() {
            let control = parse(&octets[..len]);
            assert_eq!(control.drops.is_some(), len >= 20, "{len}");
            assert_eq!(control.destination.is_some(), len >= 24 + 28, "{len}");
            assert_eq!(control.arrived_nanos.is_some(), len >= 24 + 32 + 32, "{len}");
            assert_eq!(control.segment_octets.is_some(), len >= 24 + 32 + 32 + 20, "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_end(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&octets);
        }

        #[test]
        fn any_lengths_end(lens in proptest::collection::vec(0usize..64, 1..8)) {
            let octets: Vec<u8> = lens.iter().flat_map(|len| {
                let mut one = message(libc::SOL_UDP, libc::UDP_GRO, &[1, 0, 0, 0]);
                one[..WORD].copy_from_slice(&len.to_ne_bytes());
                one
            }).collect();
            let _ = parse(&octets);
        }
    }
}
