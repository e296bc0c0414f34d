//! IGMP messages (RFC 3376 §4, RFC 2236 §2, RFC 1112 appendix I).
//!
//! ```text
//! query:  | 0x11 | max resp code | checksum | group (4) | [flags, S, QRV | QQIC | N (2) | sources (4 each)] |
//! report: | 0x22 | 0 | checksum | 0 (2) | M (2) | M x { kind | 0 | N (2) | group (4) | sources (4 each) } |
//! older:  | 0x12, 0x16 or 0x17 | 0 | checksum | group (4) |
//! ```

use std::net::Ipv4Addr;

use crate::checksum;

/// Where reports go.
pub(crate) const ALL_REPORTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// Where queries about everything go.
pub(crate) const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// Where IGMPv2 leaves go.
pub(crate) const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE_V2: u8 = 0x17;
const REPORT_V3: u8 = 0x22;
const TENTH_NS: i64 = 100_000_000;

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A query; `group` is unspecified when it asks about everything.
    Query { version: u8, response_ns: i64, group: Ipv4Addr, sources: Vec<Ipv4Addr> },
    /// What other hosts say.
    Other,
}

/// Reads a message. `None`: too short, a wrong checksum, or fewer sources than it says.
pub(crate) fn parse(octets: &[u8]) -> Option<Message> {
    let fixed = octets.first_chunk::<8>()?;
    if !checksum::Sum::new().octets(octets).holds() {
        return None;
    }
    if fixed[0] != QUERY {
        return Some(Message::Other);
    }
    let group = Ipv4Addr::new(fixed[4], fixed[5], fixed[6], fixed[7]);
    // RFC 3376 §7.1: the length tells the version.
    match (octets.len(), fixed[1]) {
        (8, 0) => Some(Message::Query { version: 1, response_ns: 100 * TENTH_NS, group, sources: Vec::new() }),
        (8, tenths) => {
            Some(Message::Query { version: 2, response_ns: i64::from(tenths) * TENTH_NS, group, sources: Vec::new() })
        }
        (12.., code) => {
            let response_ns = i64::from(tenths(code)) * TENTH_NS;
            Some(Message::Query { version: 3, response_ns, group, sources: sources(octets)? })
        }
        _ => None,
    }
}

/// RFC 3376 §4.1.1: from 128 on, a mantissa of four bits and an exponent of three.
const fn tenths(code: u8) -> u32 {
    if code < 128 { code as u32 } else { ((code & 0x0f) as u32 | 0x10) << (((code >> 4) & 7) + 3) }
}

fn sources(query: &[u8]) -> Option<Vec<Ipv4Addr>> {
    let count = usize::from(u16::from_be_bytes([*query.get(10)?, *query.get(11)?]));
    let (sources, _) = query.get(12..12 + count * 4)?.as_chunks::<4>();
    Some(sources.iter().map(|source| Ipv4Addr::from(*source)).collect())
}

/// A version 3 report of records: kind, group, sources.
pub(crate) fn report(records: &[(u8, Ipv4Addr, Vec<Ipv4Addr>)]) -> Vec<u8> {
    let mut octets = vec![REPORT_V3, 0, 0, 0, 0, 0];
    // Far fewer fit a frame.
    octets.extend((records.len() as u16).to_be_bytes());
    for (kind, group, sources) in records {
        octets.extend([*kind, 0]);
        octets.extend((sources.len() as u16).to_be_bytes());
        octets.extend(group.octets());
        octets.extend(sources.iter().flat_map(Ipv4Addr::octets));
    }
    with_checksum(octets)
}

/// A report of version 1 or 2 for a group.
pub(crate) fn older_report(version_one: bool, group: Ipv4Addr) -> Vec<u8> {
    older(if version_one { REPORT_V1 } else { REPORT_V2 }, group)
}

/// A version 2 leave.
pub(crate) fn leave(group: Ipv4Addr) -> Vec<u8> {
    older(LEAVE_V2, group)
}

fn older(kind: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut octets = vec![kind, 0, 0, 0];
    octets.extend(group.octets());
    with_checksum(octets)
}

fn with_checksum(mut octets: Vec<u8>) -> Vec<u8> {
    let sum = checksum::of(&octets);
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{IGMP_BLOCK, IGMP_JOIN, IGMP_JOIN_SOURCE, IGMP_LEAVE};

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
    const CHANNEL: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);

    fn query(code: u8, more: &[u8]) -> Vec<u8> {
        with_checksum([&[QUERY, code, 0, 0, 239, 1, 2, 3], more].concat())
    }

    #[test]
    fn linux_reports_as_we_do() {
        let source = |last| vec![Ipv4Addr::new(192, 0, 2, last)];
        assert_eq!(report(&[(4, GROUP, vec![])]), IGMP_JOIN[38..]);
        assert_eq!(report(&[(5, CHANNEL, source(2))]), IGMP_JOIN_SOURCE[38..]);
        assert_eq!(report(&[(6, CHANNEL, source(9))]), IGMP_BLOCK[38..]);
        assert_eq!(report(&[(3, GROUP, vec![])]), IGMP_LEAVE[38..]);
        assert_eq!(parse(&IGMP_JOIN[38..]), Some(Message::Other));
    }

    #[test]
    fn the_version_of_a_query_follows_from_its_length() {
        let read = |octets: &[u8]| match parse(octets) {
            Some(Message::Query { version, response_ns, .. }) => Some((version, response_ns / TENTH_NS)),
            _ => None,
        };
        assert_eq!(read(&query(0, &[])), Some((1, 100)));
        assert_eq!(read(&query(50, &[])), Some((2, 50)));
        assert_eq!(read(&query(50, &[2, 125, 0, 0])), Some((3, 50)));
        for more in 1..4 {
            assert_eq!(read(&query(50, &vec![0; more])), None, "{more}");
        }
    }

    #[test]
    fn the_response_code_becomes_a_float_at_128() {
        assert_eq!((tenths(0), tenths(127), tenths(128), tenths(0xff)), (0, 127, 128, 31_744));
    }

    #[test]
    fn sources_must_lie_in_the_message() {
        let two = query(1, &[2, 125, 0, 2, 192, 0, 2, 1, 192, 0, 2, 2]);
        let Some(Message::Query { sources, .. }) = parse(&two) else { panic!("not read") };
        assert_eq!(sources, [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]);
        for count in [[0, 3], [0xff, 0xff]] {
            let lie = query(1, &[2, 125, count[0], count[1], 192, 0, 2, 1, 192, 0, 2, 2]);
            assert_eq!(parse(&lie), None);
        }
        for octets in 0..two.len() {
            assert_eq!(parse(&two[..octets]), None, "{octets}");
        }
    }
}
