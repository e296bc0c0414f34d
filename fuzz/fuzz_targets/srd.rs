//! Payload header of raw video. Input: width (2), height (2), depth (1, odd is 10 bits), octets of the
//! first segment (1, times 16), RTP payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::{Depth, Rate, Sampling, VideoFormat};
use st2110::{Coverage, srd};

fuzz_target!(|input: &[u8]| {
    let Some((format, payload)) = input.split_first_chunk::<6>() else { return };
    let width = u32::from(u16::from_be_bytes([format[0], format[1]]));
    let height = u32::from(u16::from_be_bytes([format[2], format[3]]));
    let depth = if format[4] % 2 == 1 { Depth::Bits10 } else { Depth::Bits8 };
    let Ok(rate) = Rate::new(25, 1) else { return };
    let head = &payload[..payload.len().min(usize::from(format[5]) * 16)];
    let Ok(format) = VideoFormat::new(width, height, Sampling::YCbCr422, depth, rate) else { return };
    let Ok(header) = srd::parse(head, payload.len()) else { return };
    // Coverage of a large picture is slow to make, and no other than that of a small one.
    let mut coverage = (format.frame_octets() < 1 << 20).then(|| Coverage::new(&format));
    for segment in header.segments(&format).flatten() {
        let octets = u32::from(segment.octets);
        assert!(segment.pgroups > 0 && segment.row < format.height());
        assert!(segment.grain_start.checked_add(octets).is_some_and(|end| end <= format.frame_octets()));
        assert!((segment.payload_start + octets) as usize <= payload.len());
        if let Some(coverage) = &mut coverage {
            let new = coverage.mark(&segment);
            assert!(new <= u32::from(segment.pgroups));
            assert_eq!(coverage.mark(&segment), 0);
        }
    }
});
