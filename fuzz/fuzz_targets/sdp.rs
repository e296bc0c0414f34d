//! SDP: any text is refused or read, and what was read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::Rate;
use st2110::VideoSdp;

fuzz_target!(|text: &str| {
    let Ok(sdp) = VideoSdp::parse(text, Rate::new(25, 1).ok()) else { return };
    let written = sdp.to_sdp();
    let again = VideoSdp::parse(&written, None).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!((again.format, again.destination, again.ttl), (sdp.format, sdp.destination, sdp.ttl));
    assert_eq!((again.packing, again.limit, again.sender_type), (sdp.packing, sdp.limit, sdp.sender_type));
    assert_eq!((again.is_ptp_locked(), again.other), (sdp.is_ptp_locked(), sdp.other));
});
