//! The broker protocol, both directions. Input: one datagram. What decodes must encode to the same octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shm::protocol::{BrokerMessage, PodMessage};

fuzz_target!(|datagram: &[u8]| {
    if let Ok((request, message)) = PodMessage::decode(datagram) {
        assert_eq!(message.encode(request), datagram);
    }
    if let Ok((request, message)) = BrokerMessage::decode(datagram) {
        if let BrokerMessage::Region { geometry } | BrokerMessage::Subscribed { geometry, .. } = &message {
            assert!(geometry.check().is_ok());
        }
        assert_eq!(message.encode(request), datagram);
    }
});
