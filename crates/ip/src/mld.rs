//! MLD messages (RFC 3810 §5, RFC 2710 §3), which are ICMPv6.
//!
//! ```text
//! query:  | 130 | 0 | checksum | max resp code (2) | 0 (2) | group (16) | [flags | QQIC | N (2) | sources (16 each)] |
//! report: | 143 | 0 | checksum | 0 (2) | M (2) | M x { kind | 0 | N (2) | group (16) | sources (16 each) } |
//! older:  | 131 or 132 | 0 | checksum | 0 (4) | group (16) |
//! ```

use std::net::Ipv6Addr;

use crate::nd;

/// Where reports go.
pub(crate) const ALL_REPORTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// Where queries about everything go.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Where version 1 leaves go.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

pub(crate) const QUERY: u8 = 130;
pub(crate) const REPORT_V1: u8 = 131;
pub(crate) const DONE_V1: u8 = 132;
pub(crate) const REPORT_V2: u8 = 143;
const MILLISECOND_NS: i64 = 1_000_000;

/// A query; `group` is unspecified when it asks about everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// 1 or 2.
    pub(crate) version: u8,
    pub(crate) response_ns: i64,
    pub(crate) group: Ipv6Addr,
    pub(crate) sources: Vec<Ipv6Addr>,
}

/// Reads a query whose checksum holds. `None`: too short, or fewer sources than it says.
pub(crate) fn parse(octets: &[u8]) -> Option<Query> {
    let fixed = octets.first_chunk::<24>()?;
    let code = u16::from_be_bytes([fixed[4], fixed[5]]);
    let mut group = [0; 16];
    group.copy_from_slice(&fixed[8..]);
    let group = Ipv6Addr::from(group);
    // RFC 3810 §8.1: the length tells the version.
    match octets.len() {
        24 => Some(Query { version: 1, response_ns: i64::from(code) * MILLISECOND_NS, group, sources: Vec::new() }),
        28.. => {
            let response_ns = i64::from(millis(code)) * MILLISECOND_NS;
            Some(Query { version: 2, response_ns, group, sources: sources(octets)? })
        }
        _ => None,
    }
}

/// RFC 3810 §5.1.3: from 32,768 on, a mantissa of twelve bits and an exponent of three.
const fn millis(code: u16) -> u32 {
    if code < 0x8000 { code as u32 } else { ((code & 0x0fff) as u32 | 0x1000) << (((code >> 12) & 7) + 3) }
}

fn sources(query: &[u8]) -> Option<Vec<Ipv6Addr>> {
    let count = usize::from(u16::from_be_bytes([*query.get(26)?, *query.get(27)?]));
    let (sources, _) = query.get(28..28 + count * 16)?.as_chunks::<16>();
    Some(sources.iter().map(|source| Ipv6Addr::from(*source)).collect())
}

/// A version 2 report of records: kind, group, sources.
pub(crate) fn report(source: Ipv6Addr, records: &[(u8, Ipv6Addr, Vec<Ipv6Addr>)]) -> Vec<u8> {
    let mut octets = vec![REPORT_V2, 0, 0, 0, 0, 0];
    // Far fewer fit a frame.
    octets.extend((records.len() as u16).to_be_bytes());
    for (kind, group, sources) in records {
        octets.extend([*kind, 0]);
        octets.extend((sources.len() as u16).to_be_bytes());
        octets.extend(group.octets());
        octets.extend(sources.iter().flat_map(Ipv6Addr::octets));
    }
    nd::complete_checksum(&mut octets, source, ALL_REPORTERS);
    octets
}

/// A version 1 message for a group: [`REPORT_V1`] or [`DONE_V1`].
pub(crate) fn older(kind: u8, source: Ipv6Addr, destination: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    let mut octets = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    octets.extend(group.octets());
    nd::complete_checksum(&mut octets, source, destination);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{MLD_JOIN, MLD_JOIN_SOURCE, MLD_LEAVE, MLD_REPORT_V2_UNSPECIFIED};

    fn group(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0x8000, last)
    }

    #[test]
    fn linux_reports_as_we_do() {
        let from: Ipv6Addr = "fe80::ff:fe00:a".parse().unwrap();
        let source: Vec<Ipv6Addr> = vec!["2001:db8::2".parse().unwrap()];
        assert_eq!(report(from, &[(4, group(1), vec![])]), MLD_JOIN[62..]);
        assert_eq!(report(from, &[(5, group(2), source.clone())]), MLD_JOIN_SOURCE[62..]);
        assert_eq!(report(from, &[(3, group(1), vec![]), (6, group(2), source)]), MLD_LEAVE[62..]);
        let solicited = (4, nd::solicited_node(from), vec![]);
        let other = (4, "ff02::1:ff00:1".parse().unwrap(), vec![]);
        let unspecified = Ipv6Addr::UNSPECIFIED;
        assert_eq!(report(unspecified, &[solicited, other]), MLD_REPORT_V2_UNSPECIFIED[62..]);
    }

    #[test]
    fn the_response_code_becomes_a_float_at_32768() {
        assert_eq!((millis(0), millis(0x7fff), millis(0x8000), millis(0xffff)), (0, 0x7fff, 0x8000, 8_387_584));
    }

    #[test]
    fn the_version_follows_from_the_length_and_sources_must_lie_in_the_message() {
        let mut octets = vec![QUERY, 0, 0, 0, 0x03, 0xe8, 0, 0];
        octets.extend(group(1).octets());
        let read = |octets: &[u8]| parse(octets).map(|query| (query.version, query.response_ns, query.sources.len()));
        assert_eq!(read(&octets), Some((1, 1_000_000_000, 0)));
        octets.extend([2, 125, 0, 1]);
        assert_eq!(read(&octets), None);
        octets.extend(group(7).octets());
        assert_eq!(read(&octets), Some((2, 1_000_000_000, 1)));
        for short in 0..octets.len() {
            assert_eq!(read(&octets[..short]).is_some(), short == 24, "{short}");
        }
    }
}
