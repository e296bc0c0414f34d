//! Golden octets of every message, round trips, and what decoding makes of everything else.

use media::{Depth, FlowId, GrainIndex, Name, Rate, Sampling, VideoFormat};
use proptest::prelude::*;

use super::*;
use crate::{ConsumerClass, Geometry, Pages, Trust};

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

fn pod_messages() -> Vec<(PodMessage, String)> {
    let epoch = geometry().epoch;
    vec![
        (PodMessage::Hello { min: 1, max: 3 }, "0100 0c00 07000000 0100 0300".into()),
        (PodMessage::ListFlows { after: None }, "0200 4900 07000000 00*65".into()),
        (PodMessage::ListFlows { after: Some(name("cam-1")) }, format!("0200 4900 07000000 {CAM}")),
        (
            PodMessage::Produce { name: name("cam-1"), format: format(), slots: Some(8) },
            format!("0300 5c00 07000000 {CAM} 00 0800 {FORMAT}"),
        ),
        (
            PodMessage::Produce { name: name("cam-1"), format: format(), slots: None },
            format!("0300 5c00 07000000 {CAM} 00 0000 {FORMAT}"),
        ),
        (PodMessage::Mapped { epoch }, format!("0400 1800 07000000 {EPOCH}")),
        (PodMessage::Subscribe { name: name("cam-1"), class: leased() }, format!("0500 5500 07000000 {CAM} {LEASED}")),
        (
            PodMessage::Subscribe { name: name("cam-1"), class: ConsumerClass::Lossy },
            format!("0500 5500 07000000 {CAM} 00*12"),
        ),
        (
            PodMessage::Joined { join: 9, first: GrainIndex(0x0102_0304) },
            "0600 1800 07000000 0900000000000000 0403020100000000".into(),
        ),
        (PodMessage::NotJoined { join: 9 }, "0700 1000 07000000 0900000000000000".into()),
        (
            PodMessage::Evicted { join: 9, end: GrainIndex(258) },
            "0800 1800 07000000 0900000000000000 0201000000000000".into(),
        ),
        (PodMessage::Left { join: 9 }, "0900 1000 07000000 0900000000000000".into()),
        (PodMessage::Withdraw { epoch }, format!("0a00 1800 07000000 {EPOCH}")),
    ]
}

fn entry(origin: FlowOrigin) -> FlowEntry {
    FlowEntry { name: name("cam-1"), id: flow(), format: format(), origin, slots: 8, consumers: 3 }
}

fn broker_messages() -> Vec<(BrokerMessage, String)> {
    let epoch = geometry().epoch;
    let geometry_octets = geometry_octets();
    vec![
        (BrokerMessage::Welcome { version: 1, ring_abi: 1 }, "0180 1200 07000000 0100 0100000000000000".into()),
        (BrokerMessage::Flows { entries: vec![], more: false }, "0280 0a00 07000000 00 00".into()),
        (
            BrokerMessage::Flows {
                entries: vec![
                    entry(FlowOrigin::Gateway),
                    entry(FlowOrigin::Pod { uid: 1000, pid: Some(77) }),
                    entry(FlowOrigin::Pod { uid: 1000, pid: None }),
                ],
                more: true,
            },
            format!(
                "0280 5401 07000000 01 03 \
                 {CAM} {FLOW} {FORMAT} 00 00000000 00000000 0800 0300 \
                 {CAM} {FLOW} {FORMAT} 01 e8030000 4d000000 0800 0300 \
                 {CAM} {FLOW} {FORMAT} 01 e8030000 00000000 0800 0300"
            ),
        ),
        (BrokerMessage::Region { geometry: geometry() }, format!("0380 5c00 07000000 {geometry_octets}")),
        (BrokerMessage::Produced { epoch }, format!("0480 1800 07000000 {EPOCH}")),
        (
            BrokerMessage::Subscribed {
                geometry: geometry(),
                trust: Trust::Gateway,
                consumer: 5,
                nonce: 0x1122_3344_5566_7788,
                first: GrainIndex(258),
            },
            format!("0580 6e00 07000000 {geometry_octets} 01 05 8877665544332211 0201000000000000"),
        ),
        (
            BrokerMessage::Join { join: 9, epoch, consumer: 5, class: leased(), nonce: 0x1122_3344_5566_7788 },
            format!("0680 3500 07000000 0900000000000000 {EPOCH} 05 {LEASED} 8877665544332211"),
        ),
        (
            BrokerMessage::Refused(Refusal::Admission { slots: 8, k: 3, needed: 9, works: 2 }),
            "0780 2200 07000000 0f00 0800000000000000 0300020000000000 0900000000000000".into(),
        ),
        (
            BrokerMessage::Refused(Refusal::Placement(Reason::new("full: end a flow"))),
            "0780 7a00 07000000 1800 10 66756c6c3a20656e64206120666c6f77 00*95".into(),
        ),
    ]
}

fn refusals() -> Vec<(Refusal, &'static str)> {
    vec![
        (Refusal::Version { min: 1, max: 2 }, "0100 0100000000000000 0200000000000000 00*8"),
        (Refusal::User { uid: 1000 }, "0200 e803000000000000 00*16"),
        (Refusal::Connections { limit: 256 }, "0300 0001000000000000 00*16"),
        (Refusal::UserConnections { uid: 1000, limit: 9 }, "0400 e803000000000000 0900000000000000 00*8"),
        (Refusal::Requests { limit: 16 }, "0500 1000000000000000 00*16"),
        (Refusal::Flows { limit: 8 }, "0600 0800000000000000 00*16"),
        (Refusal::NameTaken, "0700 00*24"),
        (Refusal::NoSuchFlow, "0800 00*24"),
        (Refusal::RingTooLarge { octets: 1 << 40, limit: 1 << 30 }, "0900 0000000000010000 0000004000000000 00*8"),
        (Refusal::Slots { slots: 1, min: 2, max: 1024 }, "0a00 0100000000000000 0200000000000000 0004000000000000"),
        (Refusal::Memory { octets: 4096, errno: 28 }, "0b00 0010000000000000 1c00000000000000 00*8"),
        (Refusal::NotSealed, "0c00 00*24"),
        (Refusal::NotMapped { waited_ms: 10 }, "0d00 0a00000000000000 00*16"),
        (Refusal::Lease { k: 9, limit: 5 }, "0e00 0900000000000000 0500000000000000 00*8"),
        (
            Refusal::Admission { slots: 8, k: 3, needed: 9, works: 2 },
            "0f00 0800000000000000 0300020000000000 0900000000000000",
        ),
        (Refusal::Consumers { limit: 64 }, "1000 4000000000000000 00*16"),
        (Refusal::WriterSilent { waited_ms: 2000 }, "1100 d007000000000000 00*16"),
        (Refusal::ProducerRefused, "1200 00*24"),
        (Refusal::FlowEnded, "1300 00*24"),
        (Refusal::Descriptors { errno: 24 }, "1400 1800000000000000 00*16"),
        (Refusal::Stopping, "1500 00*24"),
        (Refusal::PodMemory { octets: 1 << 30, left: 7 }, "1700 0000004000000000 0700000000000000 00*8"),
        (Refusal::UserConsumers { uid: 1000, limit: 32 }, "1600 e803000000000000 2000000000000000 00*8"),
    ]
}

#[test]
fn every_message_has_its_golden_octets() {
    for (message, golden) in pod_messages() {
        assert_eq!(message.encode(7), octets(&golden), "{message:?}");
        assert_eq!(PodMessage::decode(&octets(&golden)), Ok((7, message)));
    }
    for (message, golden) in broker_messages() {
        assert_eq!(message.encode(7), octets(&golden), "{message:?}");
        assert_eq!(BrokerMessage::decode(&octets(&golden)), Ok((7, message)));
    }
    for (refusal, golden) in refusals() {
        let golden = octets(&format!("0780 2200 07000000 {golden}"));
        assert_eq!(BrokerMessage::Refused(refusal).encode(7), golden, "{refusal:?}");
        assert_eq!(BrokerMessage::decode(&golden), Ok((7, BrokerMessage::Refused(refusal))));
    }
}

#[test]
fn every_refusal_says_what_would_work_or_what_to_do() {
    for (refusal, _) in refusals() {
        let text = refusal.to_string();
        assert!(text.contains(':') || matches!(refusal, Refusal::NotMapped { .. }), "{text}");
    }
}

#[test]
fn the_longest_page_of_flows_fits_a_message() {
    let entries = vec![entry(FlowOrigin::Pod { uid: u32::MAX, pid: Some(1) }); MAX_FLOWS_A_PAGE];
    let message = BrokerMessage::Flows { entries, more: true };
    assert!(message.encode(1).len() <= MAX_MESSAGE_OCTETS);
    assert_eq!(BrokerMessage::decode(&message.encode(1)), Ok((1, message)));
}

#[test]
fn messages_cut_short_or_with_more_behind_are_refused() {
    let pods = pod_messages().into_iter().map(|(message, _)| message.encode(3));
    let brokers = broker_messages().into_iter().map(|(message, _)| message.encode(3));
    for whole in pods.chain(brokers) {
        for octets in 0..whole.len() {
            let mut cut = whole[..octets].to_vec();
            assert!(decodes(&cut).is_err(), "{octets} of {}", whole.len());
            // The same with a header that says so.
            if let Some(length) = cut.get_mut(2..4) {
                length.copy_from_slice(&(octets as u16).to_le_bytes());
                assert!(decodes(&cut).is_err(), "{octets} of {}, length set", whole.len());
            }
        }
        let mut longer = [whole.as_slice(), &[0]].concat();
        assert!(matches!(decodes(&longer), Err(DecodeError::Length { .. })));
        let octets = longer.len() as u16;
        longer[2..4].copy_from_slice(&octets.to_le_bytes());
        assert_eq!(decodes(&longer), Err(DecodeError::Trailing { octets: 1 }));
    }
}

/// By the direction that the kind says.
fn decodes(datagram: &[u8]) -> Result<(), DecodeError> {
    if datagram.get(1).is_some_and(|high| high & 0x80 != 0) {
        BrokerMessage::decode(datagram).map(drop)
    } else {
        PodMessage::decode(datagram).map(drop)
    }
}

#[test]
fn what_a_field_cannot_mean_is_refused() {
    let subscribe = octets(&format!("0500 5500 07000000 {CAM} {LEASED}"));
    let with = |at: usize, octet: u8| {
        let mut changed = subscribe.clone();
        changed[at] = octet;
        PodMessage::decode(&changed)
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
        if let Ok((_, BrokerMessage::Region { geometry })) = BrokerMessage::decode(&changed) {
            geometry.check().unwrap();
            let end = u64::from(geometry.slots - 1) * geometry.slot_stride + u64::from(geometry.grain_octets);
            assert!(end <= geometry.data_octets());
        }
    }
}

#[test]
fn versions_meet_where_both_can() {
    assert_eq!(common_version(1, 1), Some(1));
    assert_eq!(common_version(0, 9), Some(1));
    assert_eq!(common_version(2, 9), None);
    assert_eq!(common_version(0, 0), None);
    assert_eq!(common_version(5, 1), None, "an empty range");
}

proptest! {
    #[test]
    fn any_octets_are_decoded_or_refused(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = PodMessage::decode(&datagram);
        let _ = BrokerMessage::decode(&datagram);
    }

    /// Near misses: a real message with some octets changed decodes to what encodes to the same octets, or not at all.
    #[test]
    fn what_decodes_encodes_to_the_same_octets(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let pods = pod_messages().into_iter().map(|(message, _)| message.encode(3));
        let brokers = broker_messages().into_iter().map(|(message, _)| message.encode(3));
        let all: Vec<Vec<u8>> = pods.chain(brokers).collect();
        let mut datagram = which.get(&all).clone();
        for (at, octet) in changes {
            *at.get_mut(&mut datagram) = octet;
        }
        if let Ok((request, message)) = PodMessage::decode(&datagram) {
            prop_assert_eq!(message.encode(request), datagram);
        } else if let Ok((request, message)) = BrokerMessage::decode(&datagram) {
            prop_assert_eq!(message.encode(request), datagram);
        }
    }
}
