//! Golden octets, truncation, random octets.

use super::*;
use proptest::prelude::*;

/// Marker, PT 96, one CSRC, an extension of one word, payload AA BB CC, three octets of padding.
const GOLDEN: [u8; 30] = [
    0xb1, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04, // fixed
    0x11, 0x22, 0x33, 0x44, // CSRC
    0xbe, 0xde, 0x00, 0x01, 0x10, 0x20, 0x30, 0x40, // extension
    0xaa, 0xbb, 0xcc, 0x00, 0x00, 0x03, // payload and padding
];

fn parse(datagram: &[u8]) -> Result<RtpHeader, RtpError> {
    RtpHeader::parse(datagram, datagram.len(), datagram.last().copied().unwrap_or(0))
}

#[test]
fn golden_octets_are_read() {
    let header = parse(&GOLDEN).unwrap();
    assert!(header.marker);
    assert_eq!(header.payload_type, PayloadType(96));
    assert_eq!(header.sequence, SeqNum(0x1234));
    assert_eq!(header.timestamp, RtpTimestamp(0xdead_beef));
    assert_eq!(header.ssrc, Ssrc(0x0102_0304));
    assert_eq!(&GOLDEN[header.payload()], [0xaa, 0xbb, 0xcc]);
}

#[test]
fn golden_octets_are_written() {
    let header = FixedHeader {
        marker: true,
        payload_type: PayloadType(96),
        sequence: SeqNum(0x1234),
        timestamp: RtpTimestamp(0xdead_beef),
        ssrc: Ssrc(0x0102_0304),
    };
    let mut out = [0xff; 12];
    write_header(&mut out, &header);
    assert_eq!(out, [0x80, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]);
}

#[test]
fn every_truncation_is_an_error_or_a_payload_inside() {
    for length in 0..GOLDEN.len() {
        let cut = &GOLDEN[..length];
        match (length, parse(cut)) {
            (0..12, result) => assert_eq!(result, Err(RtpError::TooShort)),
            (12..16, result) => assert_eq!(result, Err(RtpError::CsrcTooLong)),
            (16..24, result) => assert_eq!(result, Err(RtpError::ExtensionTooLong)),
            // The last octet is now another: extension (0x40 octets of padding do not fit) or payload.
            (24..28, result) => assert_eq!(result, Err(RtpError::PaddingTooLong)),
            (_, result) => assert_eq!(result, Err(RtpError::PaddingZero)),
        }
    }
}

#[test]
fn padding_may_take_the_whole_payload_but_no_more() {
    let mut datagram = GOLDEN;
    datagram[29] = 6;
    assert_eq!(parse(&datagram).unwrap().payload_octets(), 0);
    datagram[29] = 7;
    assert_eq!(parse(&datagram), Err(RtpError::PaddingTooLong));
}

#[test]
fn other_versions_are_refused() {
    for version in [0u8, 1, 3] {
        let mut datagram = GOLDEN;
        datagram[0] = version << 6 | datagram[0] & 0x3f;
        assert_eq!(parse(&datagram), Err(RtpError::Version));
    }
}

#[test]
fn a_header_split_over_segments_is_told_from_a_short_one() {
    for (head, want) in [(8, RtpError::Split), (15, RtpError::Split), (18, RtpError::Split)] {
        assert_eq!(RtpHeader::parse(&GOLDEN[..head], GOLDEN.len(), 3), Err(want), "{head}");
    }
    // The extension's own octets may lie in the next segment: only its length is read.
    assert_eq!(RtpHeader::parse(&GOLDEN[..20], GOLDEN.len(), 3), parse(&GOLDEN));
}

#[test]
fn a_head_longer_than_the_datagram_is_cut() {
    assert_eq!(RtpHeader::parse(&GOLDEN, 11, 0), Err(RtpError::TooShort));
}

#[test]
fn more_than_a_datagram_is_refused() {
    assert_eq!(RtpHeader::parse(&GOLDEN, 65_536, 3), Err(RtpError::TooLong));
}

#[test]
fn labels_are_distinct() {
    let labels: std::collections::BTreeSet<_> = RtpError::ALL.iter().map(|e| e.label()).collect();
    assert_eq!(labels.len(), RtpError::ALL.len());
}

proptest! {
    #[test]
    fn random_octets_never_give_a_payload_outside(
        mut datagram in prop::collection::vec(any::<u8>(), 0..200),
        head in 0usize..220,
        version_2 in any::<bool>(),
    ) {
        if let (true, Some(first)) = (version_2, datagram.first_mut()) {
            *first = *first & 0x3f | 0x80;
        }
        let last = datagram.last().copied().unwrap_or(0);
        if let Ok(header) = RtpHeader::parse(&datagram[..head.min(datagram.len())], datagram.len(), last) {
            prop_assert!(header.payload().start >= 12);
            prop_assert!(header.payload().start <= header.payload().end);
            prop_assert!(header.payload().end <= datagram.len());
        }
    }

    #[test]
    fn a_plain_header_is_read_as_any_other(
        mut datagram in prop::collection::vec(any::<u8>(), 0..40),
        head in 0usize..44,
        first in prop_oneof![Just(0x80_u8), any::<u8>()],
        more in prop_oneof![Just(0usize), Just(65_535), Just(65_536)],
    ) {
        datagram.first_mut().into_iter().for_each(|octet| *octet = first);
        let (head, octets) = (&datagram[..head.min(datagram.len())], datagram.len() + more);
        if let Some(plain) = RtpHeader::parse_plain(head, octets) {
            prop_assert_eq!(RtpHeader::parse(head, octets, 0), Ok(plain));
        } else {
            prop_assert!(first != 0x80 || head.len() < 12 || octets > 65_535);
        }
    }

    #[test]
    fn what_is_written_is_read(marker in any::<bool>(), pt in 0u8..128, sequence in any::<u16>(), timestamp in any::<u32>(), ssrc in any::<u32>()) {
        let written = FixedHeader {
            marker,
            payload_type: PayloadType(pt),
            sequence: SeqNum(sequence),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(ssrc),
        };
        let mut out = [0; 12];
        write_header(&mut out, &written);
        let read = parse(&out).unwrap();
        let back = FixedHeader {
            marker: read.marker,
            payload_type: read.payload_type,
            sequence: read.sequence,
            timestamp: read.timestamp,
            ssrc: read.ssrc,
        };
        prop_assert_eq!(back, written);
        prop_assert_eq!(read.payload(), 12..12);
    }
}
