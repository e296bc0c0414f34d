//! The broker protocol, both directions, both versions. Input: one datagram. What decodes must encode to the same
//! octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shm::protocol::{BrokerMessage, PodMessage, Version};

fuzz_target!(|datagram: &[u8]| {
    for version in [Version::V1, Version::V2] {
        if let Ok((request, message)) = PodMessage::decode(datagram, version) {
            assert!(message.descriptors() <= 2);
            assert_eq!(message.encode(request, version).as_deref(), Ok(datagram));
        }
        if let Ok((request, message)) = BrokerMessage::decode(datagram, version) {
            if let BrokerMessage::Region { geometry } | BrokerMessage::Subscribed { geometry, .. } = &message {
                assert!(geometry.check().is_ok());
            }
            assert!(message.descriptors(version) <= shm::protocol::MAX_DESCRIPTORS);
            assert_eq!(message.encode(request, version).as_deref(), Ok(datagram));
        }
    }
});
