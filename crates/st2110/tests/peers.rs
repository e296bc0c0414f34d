//! Packets that peers nobody here wrote have sent (FFmpeg 5.1 `bitpacked`, GStreamer 1.22
//! `rtpvrawpay`), captured on the loopback interface.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use media::{Depth, PayloadType, Rate, Sampling, VideoFormat};
use rtp::RtpHeader;
use st2110::{Segment, SegmentError, srd};

const FFMPEG_HD: &[u8] = include_bytes!("peers/ffmpeg_320x180_10bit.rtp");
const FFMPEG_NARROW: &[u8] = include_bytes!("peers/ffmpeg_2x1080_10bit.rtp");
const GSTREAMER: &[u8] = include_bytes!("peers/gstreamer_320x180_10bit.rtp");
const GSTREAMER_NARROW: &[u8] = include_bytes!("peers/gstreamer_2x1080_10bit.rtp");
const GSTREAMER_8_BIT: [&[u8]; 2] =
    [include_bytes!("peers/gstreamer_1280x720_8bit.rtp"), include_bytes!("peers/gstreamer_1280x720_8bit_second.rtp")];
const GSTREAMER_ODD: &[u8] = include_bytes!("peers/gstreamer_5x64_10bit.rtp");

fn segments(datagram: &[u8], width: u32, height: u32, depth: Depth) -> Vec<Result<Segment, SegmentError>> {
    let format = VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(5, 1).unwrap()).unwrap();
    let header = RtpHeader::parse(datagram, datagram.len(), *datagram.last().unwrap()).unwrap();
    assert_eq!(header.payload_type, PayloadType(96));
    let payload = &datagram[header.payload()];
    let payload_header = srd::parse(payload, payload.len()).unwrap();
    // Neither peer extends its sequence numbers.
    assert_eq!(payload_header.extended_sequence(), 0);
    payload_header.segments(&format).collect()
}

/// Row, first octet in the grain, octets.
fn places(segments: &[Result<Segment, SegmentError>]) -> Vec<(u16, u32, u16)> {
    segments.iter().map(|s| s.unwrap()).map(|s| (s.row, s.grain_start, s.octets)).collect()
}

#[test]
fn packets_that_straddle_two_rows() {
    let ffmpeg = segments(FFMPEG_HD, 320, 180, Depth::Bits10);
    assert_eq!(places(&ffmpeg), [(0, 0, 800), (1, 800, 645)]);
    let gstreamer = segments(GSTREAMER, 320, 180, Depth::Bits10);
    assert_eq!(places(&gstreamer), [(0, 0, 800), (1, 800, 570)]);
    for (datagram, segments) in [(FFMPEG_HD, ffmpeg), (GSTREAMER, gstreamer)] {
        let last = segments[1].unwrap();
        assert_eq!(12 + last.payload_start as usize + usize::from(last.octets), datagram.len());
    }
}

#[test]
fn packets_filled_with_over_a_hundred_rows() {
    for datagram in [FFMPEG_NARROW, GSTREAMER_NARROW] {
        let places = places(&segments(datagram, 2, 1080, Depth::Bits10));
        assert!(places.len() > 100, "{}", places.len());
        let (first, ..) = places[0];
        for (n, place) in (first..).zip(places) {
            assert_eq!(place, (n, u32::from(n) * 5, 5));
        }
    }
}

#[test]
fn packets_of_8_bits_one_after_the_other() {
    let first = places(&segments(GSTREAMER_8_BIT[0], 1280, 720, Depth::Bits8));
    let second = places(&segments(GSTREAMER_8_BIT[1], 1280, 720, Depth::Bits8));
    assert_eq!(first, [(0, 0, 1380)]);
    assert_eq!(second[0].1, first[0].1 + u32::from(first[0].2));
}

/// GStreamer cuts the last pgroup of an odd row short (12 octets for 5 pixels of 10 bits, where RFC 4175
/// §4 has 15): such a segment cannot be placed by pgroups and is counted.
#[test]
fn half_a_pgroup_at_the_end_of_an_odd_row_is_refused() {
    let segments = segments(GSTREAMER_ODD, 5, 64, Depth::Bits10);
    assert_eq!(segments.len(), 64);
    assert!(segments.iter().all(|s| *s == Err(SegmentError::LengthUnaligned)));
}
