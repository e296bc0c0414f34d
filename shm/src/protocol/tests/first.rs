//! Golden octets of version 1. Pods that are built against it are out there: these never change.

use super::*;

pub(super) fn pod_messages() -> Vec<(PodMessage, String)> {
    let epoch = geometry().epoch;
    vec![
        (PodMessage::Hello { min: 1, max: 3 }, "0100 0c00 07000000 0100 0300".into()),
        (PodMessage::ListFlows { after: None }, "0200 4900 07000000 00*65".into()),
        (PodMessage::ListFlows { after: Some(name("cam-1")) }, format!("0200 4900 07000000 {CAM}")),
        (
            PodMessage::Produce(RingRequest { slots: Some(8), ..RingRequest::new(name("cam-1"), format()) }),
            format!("0300 5c00 07000000 {CAM} 00 0800 {FORMAT}"),
        ),
        (
            PodMessage::Produce(RingRequest::new(name("cam-1"), format())),
            format!("0300 5c00 07000000 {CAM} 00 0000 {FORMAT}"),
        ),
        (PodMessage::Mapped { epoch }, format!("0400 1800 07000000 {EPOCH}")),
        (
            PodMessage::Subscribe { name: name("cam-1"), class: leased(), start: Start::Live },
            format!("0500 5500 07000000 {CAM} {LEASED}"),
        ),
        (
            PodMessage::Subscribe { name: name("cam-1"), class: ConsumerClass::Lossy, start: Start::Live },
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

pub(super) fn entry(origin: FlowOrigin) -> FlowEntry {
    FlowEntry {
        name: name("cam-1"),
        id: flow(),
        format: format().into(),
        origin,
        slots: 8,
        consumers: 3,
        epoch: None,
        blocking: Blocking::Refused,
        wake: WakeMode::None,
    }
}

pub(super) fn broker_messages() -> Vec<(BrokerMessage, String)> {
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
        (BrokerMessage::Produced { epoch, token: None }, format!("0480 1800 07000000 {EPOCH}")),
        (
            BrokerMessage::Subscribed {
                geometry: geometry(),
                trust: Trust::Gateway,
                consumer: 5,
                nonce: 0x1122_3344_5566_7788,
                first: GrainIndex(258),
                wake: WakeMode::None,
            },
            format!("0580 6e00 07000000 {geometry_octets} 01 05 8877665544332211 0201000000000000"),
        ),
        (
            BrokerMessage::Join {
                join: 9,
                epoch,
                consumer: 5,
                class: leased(),
                nonce: 0x1122_3344_5566_7788,
                start: Start::Live,
            },
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

pub(super) fn refusals() -> Vec<(Refusal, &'static str)> {
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
    golden(&pod_messages(), &broker_messages(), &refusals(), Version::V1);
}

#[test]
fn what_only_the_second_version_says_is_no_message() {
    for (message, octets_of_second) in second::new_pod_messages() {
        assert!(message.encode(7, Version::V1).is_err(), "{message:?}");
        assert!(PodMessage::decode(&octets(&octets_of_second), Version::V1).is_err(), "{message:?}");
    }
    for (message, octets_of_second) in second::new_broker_messages() {
        assert!(message.encode(7, Version::V1).is_err(), "{message:?}");
        assert!(BrokerMessage::decode(&octets(&octets_of_second), Version::V1).is_err(), "{message:?}");
    }
}

#[test]
fn what_the_first_version_cannot_say_is_told_apart() {
    let ring = || RingRequest::new(name("cam-1"), format());
    let unspeakable = [
        PodMessage::Produce(RingRequest { format: second::audio(), ..ring() }),
        PodMessage::Produce(RingRequest { open_max: 2, ..ring() }),
        PodMessage::Produce(RingRequest { blocking: Blocking::Allowed, ..ring() }),
        PodMessage::Produce(RingRequest { succeeds: second::token(), ..ring() }),
        PodMessage::Subscribe { name: name("cam-1"), class: leased(), start: Start::Oldest },
    ];
    for message in unspeakable {
        let error = message.encode(1, Version::V1).unwrap_err();
        assert_eq!(error.speaks, Version::V1);
        assert!(error.to_string().contains("needs broker protocol 2"), "{error}");
        assert!(message.encode(1, Version::V2).is_ok());
    }
}

#[test]
fn refusals_of_the_second_version_are_told_as_the_nearest_of_the_first() {
    for (refusal, _) in second::refusals() {
        let told = BrokerMessage::Refused(refusal).encode(3, Version::V1).unwrap();
        let (_, BrokerMessage::Refused(nearest)) = BrokerMessage::decode(&told, Version::V1).unwrap() else { panic!() };
        assert_ne!(nearest, refusal);
        assert!(refusals().iter().any(|(first, _)| std::mem::discriminant(first) == std::mem::discriminant(&nearest)));
    }
}
