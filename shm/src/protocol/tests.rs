//! Golden octets of every message, round trips, and what decoding makes of everything else.

mod first;
mod second;
mod seeds;

use media::{Depth, FlowId, GrainIndex, Name, Rate, Sampling, VideoFormat};
use proptest::prelude::*;

use super::*;
use crate::{ConsumerClass, Geometry, Pages, Start, Trust, WakeMode};

/// Octets from hexadecimal groups; `00*59` repeats one.
fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for group in text.split_whitespace() {
        if let Some((octet, count)) = group.split_once('*') {
            let octet = u8::from_str_radix(octet, 16).unwrap();
            out.extend(std::iter::repeat_n(octet, count.parse().unwrap()));
        } else {
            out.extend((0..group.len()).step_by(2).map(|at| u8::from_str_radix(&group[at..at + 2], 16).unwrap()));
        }
    }
    out
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn format() -> VideoFormat {
    VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, Rate::new(60_000, 1001).unwrap()).unwrap()
}

fn flow() -> FlowId {
    FlowId::from_octets(*b"0123456789abcdef")
}

fn geometry() -> Geometry {
    let made = Geometry::new(flow(), format(), 8, 1, Pages::Huge2M).unwrap();
    Geometry { epoch: 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100, ..made }
}

fn leased() -> ConsumerClass {
    ConsumerClass::Leased { k: 2, deadline_nanos: 500_000_000 }
}

const CAM: &str = "05 63616d2d31 00*59";
const FORMAT: &str = "01 0a 8007 3804 0000 60ea0000 e9030000";
const FLOW: &str = "30313233343536373839616263646566";
const EPOCH: &str = "000102030405060708090a0b0c0d0e0f";
const LEASED: &str = "01 00 0200 0065cd1d00000000";

fn geometry_octets() -> String {
    // slots, descs, slices, k_max; stride; slice, grain; hugepages; TAI base.
    format!("{EPOCH} {FLOW} {FORMAT} 0800 1000 3804 0500 0000600000000000 c0120000 001a4f00 01 00 0000 00*8")
}

/// Each message has these octets in this version, and is what they decode to.
fn golden(
    pods: &[(PodMessage, String)],
    brokers: &[(BrokerMessage, String)],
    refusals: &[(Refusal, &'static str)],
    version: Version,
) {
    for (message, golden) in pods {
        assert_eq!(message.encode(7, version).unwrap(), octets(golden), "{message:?}");
        assert_eq!(PodMessage::decode(&octets(golden), version).as_ref(), Ok(&(7, message.clone())));
    }
    for (message, golden) in brokers {
        assert_eq!(message.encode(7, version).unwrap(), octets(golden), "{message:?}");
        assert_eq!(BrokerMessage::decode(&octets(golden), version).as_ref(), Ok(&(7, message.clone())));
    }
    for (refusal, golden) in refusals {
        let mut golden = octets(&format!("0780 0000 07000000 {golden}"));
        golden[2] = golden.len() as u8;
        assert_eq!(BrokerMessage::Refused(*refusal).encode(7, version).unwrap(), golden, "{refusal:?}");
        assert_eq!(BrokerMessage::decode(&golden, version), Ok((7, BrokerMessage::Refused(*refusal))));
    }
}

/// Every message of both versions, encoded.
fn all() -> Vec<(Vec<u8>, Version)> {
    let mut all = Vec::new();
    let lists = [
        (first::pod_messages(), first::broker_messages(), Version::V1),
        (second::pod_messages(), second::broker_messages(), Version::V2),
    ];
    for (pods, brokers, version) in lists {
        all.extend(pods.into_iter().map(|(message, _)| (message.encode(3, version).unwrap(), version)));
        all.extend(brokers.into_iter().map(|(message, _)| (message.encode(3, version).unwrap(), version)));
    }
    all
}

#[test]
fn every_refusal_says_what_would_work_or_what_to_do() {
    for (refusal, _) in first::refusals().into_iter().chain(second::refusals()) {
        let text = refusal.to_string();
        assert!(text.contains(':') || matches!(refusal, Refusal::NotMapped { .. }), "{text}");
    }
}

#[test]
fn the_longest_page_of_flows_fits_a_message() {
    let entries = vec![second::entry(); MAX_FLOWS_A_PAGE];
    let message = BrokerMessage::Flows { entries, more: true };
    let encoded = message.encode(1, Version::V2).unwrap();
    assert!(encoded.len() <= MAX_MESSAGE_OCTETS);
    assert_eq!(BrokerMessage::decode(&encoded, Version::V2), Ok((1, message)));
}

#[test]
fn messages_cut_short_or_with_more_behind_are_refused() {
    for (whole, version) in all() {
        for octets in 0..whole.len() {
            let mut cut = whole[..octets].to_vec();
            assert!(decodes(&cut, version).is_err(), "{octets} of {}", whole.len());
            // The same with a header that says so.
            if let Some(length) = cut.get_mut(2..4) {
                length.copy_from_slice(&(octets as u16).to_le_bytes());
                assert!(decodes(&cut, version).is_err(), "{octets} of {}, length set", whole.len());
            }
        }
        let mut longer = [whole.as_slice(), &[0]].concat();
        assert!(matches!(decodes(&longer, version), Err(DecodeError::Length { .. })));
        let octets = longer.len() as u16;
        longer[2..4].copy_from_slice(&octets.to_le_bytes());
        assert_eq!(decodes(&longer, version), Err(DecodeError::Trailing { octets: 1 }));
    }
}

/// By the direction that the kind says.
fn decodes(datagram: &[u8], version: Version) -> Result<(), DecodeError> {
    if datagram.get(1).is_some_and(|high| high & 0x80 != 0) {
        BrokerMessage::decode(datagram, version).map(drop)
    } else {
        PodMessage::decode(datagram, version).map(drop)
    }
}

#[test]
fn what_a_field_cannot_mean_is_refused() {
    let subscribe = octets(&format!("0500 5500 07000000 {CAM} {LEASED}"));
    let with = |at: usize, octet: u8| {
        let mut changed = subscribe.clone();
        changed[at] = octet;
        PodMessage::decode(&changed, Version::V1)
    };
    assert!(with(8, 5).is_ok());
    assert_eq!(with(8, 0), Err(DecodeError::Field("name")), "no name, but octets of one");
    assert_eq!(with(8, 4), Err(DecodeError::Field("name")), "octets behind the name");
    assert_eq!(with(8, 65), Err(DecodeError::Field("name")), "longer than the field");
    assert_eq!(with(9, b'/'), Err(DecodeError::Field("name")));
    assert_eq!(with(9, 0xff), Err(DecodeError::Field("name")));
    assert_eq!(with(73, 2), Err(DecodeError::Field("consumer class")));
    assert_eq!(with(73, 0), Err(DecodeError::Field("consumer class")), "lossy, but with K");
    assert_eq!(with(74, 1), Err(DecodeError::Field("spare octet")));
    assert_eq!(with(75, 0), Err(DecodeError::Field("consumer class")), "leases nothing");
    assert_eq!(with(84, 0x80), Err(DecodeError::Field("consumer class")), "a deadline in the past");
    assert_eq!(with(0, 0x55), Err(DecodeError::Kind(0x55)));
}

#[test]
fn a_geometry_that_would_reach_outside_is_refused() {
    let golden = octets(&format!("0380 5c00 07000000 {}", geometry_octets()));
    // The octets of the numbers, from `slots` to `grain`.
    for at in 56..80 {
        let mut changed = golden.clone();
        changed[at] ^= 0x81;
        if let Ok((_, BrokerMessage::Region { geometry })) = BrokerMessage::decode(&changed, Version::V1) {
            geometry.check().unwrap();
            let end = u64::from(geometry.slots - 1) * geometry.slot_stride + u64::from(geometry.grain_octets);
            assert!(end <= geometry.data_octets());
        }
    }
}

#[test]
fn versions_meet_where_both_can() {
    assert_eq!(Version::common(1, 1), Some(Version::V1));
    assert_eq!(Version::common(1, 2), Some(Version::V2));
    assert_eq!(Version::common(0, 9), Some(Version::V2));
    assert_eq!(Version::common(2, 2), Some(Version::V2));
    assert_eq!(Version::common(3, 9), None);
    assert_eq!(Version::common(0, 0), None);
    assert_eq!(Version::common(5, 1), None, "an empty range");
}

proptest! {
    #[test]
    fn any_octets_are_decoded_or_refused(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        for version in [Version::V1, Version::V2] {
            let _ = PodMessage::decode(&datagram, version);
            let _ = BrokerMessage::decode(&datagram, version);
        }
    }

    /// Near misses: a real message with some octets changed decodes to what encodes to the same octets, or not at all.
    #[test]
    fn what_decodes_encodes_to_the_same_octets(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (mut datagram, version) = which.get(&all()).clone();
        for (at, octet) in changes {
            *at.get_mut(&mut datagram) = octet;
        }
        if let Ok((request, message)) = PodMessage::decode(&datagram, version) {
            prop_assert_eq!(message.encode(request, version), Ok(datagram));
        } else if let Ok((request, message)) = BrokerMessage::decode(&datagram, version) {
            prop_assert_eq!(message.encode(request, version), Ok(datagram));
        }
    }
}
