//! RTP header: any datagram, its header perhaps split. Input: octets of the first segment (1), datagram.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtp::RtpHeader;

fuzz_target!(|input: &[u8]| {
    let Some((&head, datagram)) = input.split_first() else { return };
    let last = datagram.last().copied().unwrap_or(0);
    let whole = RtpHeader::parse(datagram, datagram.len(), last);
    if let Ok(header) = whole {
        let payload = header.payload();
        assert!(12 <= payload.start && payload.start <= payload.end && payload.end <= datagram.len());
    }
    // A header read from the first segment is the header of the whole.
    let head = &datagram[..datagram.len().min(usize::from(head))];
    if let Ok(header) = RtpHeader::parse(head, datagram.len(), last) {
        assert_eq!(whole, Ok(header));
    }
});
