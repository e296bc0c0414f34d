//! Golden octets, each reason by itself, truncation at every length, random octets.

use super::*;
use media::{Depth, Rate, Sampling};
use proptest::prelude::*;

fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(25, 1).unwrap()).unwrap()
}

fn hd() -> VideoFormat {
    format(1920, 1080, Depth::Bits10)
}

/// A payload: extended sequence number 0x0102, headers from (length, row word, offset word), then data.
fn payload(headers: &[(u16, u16, u16)], data_octets: usize) -> Vec<u8> {
    let mut octets = vec![1, 2];
    for &(length, row, offset) in headers {
        for word in [length, row, offset] {
            octets.extend(word.to_be_bytes());
        }
    }
    octets.extend((0..data_octets).map(|n| n as u8));
    octets
}

fn segments(octets: &[u8], format: &VideoFormat) -> Vec<Result<Segment, SegmentError>> {
    parse(octets, octets.len()).unwrap().segments(format).collect()
}

#[test]
fn golden_octets_are_read() {
    // The packet of the packetiser's golden header: 1020 octets of row 0 from pixel 1512, 240 of row 1.
    let octets = payload(&[(1020, 0, 0x8000 | 1512), (240, 1, 0)], 1260);
    let header = parse(&octets, octets.len()).unwrap();
    assert_eq!((header.extended_sequence(), header.segment_count()), (0x0102, 2));
    let want = [
        Segment { row: 0, first_pgroup: 756, pgroups: 204, grain_start: 3780, octets: 1020, payload_start: 14 },
        Segment { row: 1, first_pgroup: 0, pgroups: 48, grain_start: 4800, octets: 240, payload_start: 1034 },
    ];
    let got: Vec<Segment> = header.segments(&hd()).map(Result::unwrap).collect();
    assert_eq!(got, want);
}

#[test]
fn every_reason_is_found() {
    for (header, want) in [
        ((10, 0x8000, 0), SegmentError::Field),
        ((10, 1080, 0), SegmentError::Row),
        ((10, 0x7fff, 0), SegmentError::Row),
        ((10, 0, 1920), SegmentError::Offset),
        ((10, 0, 0x7fff), SegmentError::Offset),
        ((10, 0, 7), SegmentError::OffsetUnaligned),
        ((0, 0, 0), SegmentError::Zero),
        ((12, 0, 0), SegmentError::LengthUnaligned),
        ((10, 0, 1918), SegmentError::RowEnd),
        ((4805, 0, 0), SegmentError::RowEnd),
        ((0xffff, 0, 0), SegmentError::RowEnd),
        ((15, 0, 0), SegmentError::Truncated),
    ] {
        assert_eq!(segments(&payload(&[header], 10), &hd()), [Err(want)], "{header:?}");
    }
}

#[test]
fn a_bad_segment_does_not_take_the_good_ones_with_it() {
    let octets = payload(&[(5, 0, 0x8000), (5, 2000, 0x8000), (5, 2, 0x8000), (50, 3, 0)], 15);
    let got = segments(&octets, &hd());
    assert_eq!(got[0].unwrap().payload_start, 26);
    assert_eq!(got[1], Err(SegmentError::Row));
    let third = got[2].unwrap();
    assert_eq!((third.row, third.payload_start, third.grain_start), (2, 36, 9600));
    assert_eq!(got[3], Err(SegmentError::Truncated));
}

#[test]
fn a_chain_that_does_not_end_rejects_the_packet() {
    let octets = payload(&[(5, 0, 0x8000), (5, 1, 0x8000)], 5);
    assert_eq!(parse(&octets, octets.len()).unwrap_err(), SrdError::ChainTooLong);
    let endless = [0xff; 1400];
    assert_eq!(parse(&endless, 1400).unwrap_err(), SrdError::ChainTooLong);
}

#[test]
fn headers_in_a_later_part_of_the_buffer_are_told_from_missing_ones() {
    let octets = payload(&[(5, 0, 0x8000), (5, 1, 0)], 10);
    for head in 0..14 {
        assert_eq!(parse(&octets[..head], octets.len()).unwrap_err(), SrdError::Split, "{head}");
    }
    assert!(parse(&octets[..14], octets.len()).is_ok());
    // The rest of the buffer would not hold them either.
    for (head, payload, want) in
        [(0, 1, SrdError::TooShort), (5, 7, SrdError::TooShort), (8, 13, SrdError::ChainTooLong)]
    {
        assert_eq!(parse(&octets[..head], payload).unwrap_err(), want, "{head} of {payload}");
    }
}

#[test]
fn every_truncation_is_an_error_or_leaves_segments_out() {
    let octets = payload(&[(5, 0, 0x8000), (10, 1, 0x8000), (5, 2, 0)], 20);
    for length in 0..=octets.len() {
        let cut = &octets[..length];
        match (length, parse(cut, length)) {
            (0..8, Err(error)) => assert_eq!(error, SrdError::TooShort),
            (8..20, Err(error)) => assert_eq!(error, SrdError::ChainTooLong),
            (20.., Ok(header)) => {
                let whole = [25, 35, 40].iter().filter(|end| **end <= length).count();
                let got: Vec<_> = header.segments(&hd()).collect();
                assert!(got[..whole].iter().all(Result::is_ok), "{length}");
                assert!(got[whole..].iter().all(|s| *s == Err(SegmentError::Truncated)), "{length}");
            }
            (length, other) => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn two_pixel_pictures_with_over_a_hundred_rows_in_a_packet_are_read() {
    let format = format(2, 1080, Depth::Bits10);
    let rows = 130u16;
    let headers: Vec<_> = (0..rows).map(|row| (5, row, if row + 1 < rows { 0x8000 } else { 0 })).collect();
    let octets = payload(&headers, 650);
    assert!(octets.len() <= 1440);
    let got = segments(&octets, &format);
    assert_eq!(got.len(), 130);
    for (row, segment) in got.into_iter().enumerate() {
        let segment = segment.unwrap();
        assert_eq!((usize::from(segment.row), segment.grain_start as usize), (row, row * 5));
        assert_eq!(segment.payload_start as usize, 2 + 130 * 6 + row * 5);
    }
}

#[test]
fn the_last_pgroup_of_an_odd_width_is_whole() {
    let format = format(5, 1, Depth::Bits8);
    let got = segments(&payload(&[(12, 0, 0)], 12), &format)[0].unwrap();
    assert_eq!((got.pgroups, got.octets), (3, 12));
    assert!(segments(&payload(&[(4, 0, 4)], 4), &format)[0].is_ok());
    assert_eq!(segments(&payload(&[(4, 0, 6)], 4), &format), [Err(SegmentError::Offset)]);
}

#[test]
fn the_far_corner_of_the_largest_picture_is_reached() {
    let format = format(32_767, 32_767, Depth::Bits10);
    let got = segments(&payload(&[(5, 32_766, 32_766)], 5), &format)[0].unwrap();
    assert_eq!(got.grain_start + 5, format.frame_octets());
}

#[test]
fn labels_are_distinct() {
    let labels = SrdError::ALL.iter().map(|e| e.label()).chain(SegmentError::ALL.iter().map(|e| e.label()));
    assert_eq!(labels.collect::<std::collections::BTreeSet<_>>().len(), 11);
}

proptest! {
    /// Whatever comes: no panic, and what is called good lies inside grain and payload.
    #[test]
    fn random_octets_never_reach_outside(
        octets in prop::collection::vec(prop_oneof![Just(0u8), 0u8..8, any::<u8>()], 0..400),
        head in 0usize..420,
        width in 1u32..700,
        height in 1u32..1200,
        ten_bits in any::<bool>(),
    ) {
        let format = format(width, height, if ten_bits { Depth::Bits10 } else { Depth::Bits8 });
        if let Ok(header) = parse(&octets[..head.min(octets.len())], octets.len()) {
            let mut count = 0;
            for segment in header.segments(&format) {
                count += 1;
                let Ok(s) = segment else { continue };
                prop_assert!(u64::from(s.grain_start) + u64::from(s.octets) <= u64::from(format.frame_octets()));
                prop_assert!(s.payload_start as usize + usize::from(s.octets) <= octets.len());
                prop_assert_eq!(u32::from(s.octets), u32::from(s.pgroups) * u32::from(format.pgroup().octets));
                prop_assert_eq!(s.grain_start / format.row_octets(), u32::from(s.row));
                prop_assert_eq!((s.grain_start + u32::from(s.octets) - 1) / format.row_octets(), u32::from(s.row));
            }
            prop_assert_eq!(count, header.segment_count());
        }
    }
}

proptest! {
    /// A segment that is alone in its packet, or is not.
    #[test]
    fn a_sole_segment_is_read_as_any_other(
        header in (prop_oneof![Just(1_200_u16), 0..1_300_u16], 0..1_200_u16, prop_oneof![Just(480_u16), 0..4_000_u16]),
        rest in prop_oneof![Just(0_u16), Just(0x8000)],
        cut in prop_oneof![Just(0_usize), 0..1_220_usize],
        head in prop_oneof![Just(1_220_usize), 0..30_usize],
    ) {
        let octets = payload(&[(header.0, header.1, header.2 | rest)], 1_200);
        let octets = &octets[..octets.len() - cut.min(octets.len())];
        let (head, format) = (&octets[..head.min(octets.len())], hd());
        let read = parse(head, octets.len()).ok().map(|read| read.segments(&format).collect::<Vec<_>>());
        let one = match read.as_deref() {
            Some([Ok(segment)]) => Some(*segment),
            _ => None,
        };
        prop_assert_eq!(sole(head, octets.len(), &SampleGrid::new(&format)), one);
    }
}

#[test]
fn a_divisor_divides_every_number() {
    for value in (1..=64).chain([255, 256, 257, 32_767, 32_768, 65_534, u16::MAX]) {
        let divisor = Divisor::new(value);
        for number in 0..=u16::MAX {
            let whole = number.is_multiple_of(value).then_some(number / value);
            assert_eq!(divisor.whole(number), whole, "{number} by {value}");
        }
    }
}
