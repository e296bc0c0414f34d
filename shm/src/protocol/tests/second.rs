//! Golden octets of version 2.

use media::{AncillaryFormat, AudioDepth, AudioFormat, FlowFormat};

use super::*;

pub(super) fn audio() -> FlowFormat {
    AudioFormat::new(16, 48_000, AudioDepth::L24, 48).unwrap().into()
}

fn ancillary() -> FlowFormat {
    AncillaryFormat::new(Rate::new(60_000, 1001).unwrap(), 0x0001_2340).unwrap().into()
}

/// As [`TOKEN`] has it.
pub(super) fn token() -> Option<SuccessionToken> {
    Some(SuccessionToken::of(0x1f1e_1d1c_1b1a_1918_1716_1514_1312_1110.try_into().unwrap()))
}

const TOKEN: &str = "101112131415161718191a1b1c1d1e1f";
const AUDIO: &str = "00 18 1000 3000 01 00 80bb0000 00000000";
const ANCILLARY: &str = "00 00 4023 0100 02 00 60ea0000 e9030000";

pub(super) fn pod_messages() -> Vec<(PodMessage, String)> {
    let ring = || RingRequest::new(name("cam-1"), format());
    let mut all = vec![
        (PodMessage::Hello { min: 1, max: 3 }, "0100 0c00 07000000 0100 0300".into()),
        (PodMessage::ListFlows { after: None }, "0200 4900 07000000 00*65".into()),
        (PodMessage::Produce(ring()), format!("0300 6f00 07000000 {CAM} 00 0000 {FORMAT} 0100 00 00*16")),
        (
            PodMessage::Produce(RingRequest {
                slots: Some(9),
                open_max: 3,
                blocking: Blocking::Allowed,
                wake: WakeMode::Inline,
                succeeds: token(),
                format: audio(),
                ..ring()
            }),
            format!("0300 6f00 07000000 {CAM} 01 0900 {AUDIO} 0300 01 {TOKEN}"),
        ),
        (
            PodMessage::Produce(RingRequest { format: ancillary(), wake: WakeMode::Housekeeping, ..ring() }),
            format!("0300 6f00 07000000 {CAM} 00 0000 {ANCILLARY} 0100 02 00*16"),
        ),
        (
            PodMessage::Subscribe { name: name("cam-1"), class: leased(), start: Start::Oldest },
            format!("0500 5600 07000000 {CAM} {LEASED} 01"),
        ),
        (
            PodMessage::Subscribe { name: name("cam-1"), class: ConsumerClass::Lossy, start: Start::Live },
            format!("0500 5600 07000000 {CAM} 00*12 00"),
        ),
        (
            PodMessage::Subscribe { name: name("cam-1"), class: ConsumerClass::Blocking { k: 3 }, start: Start::Live },
            format!("0500 5600 07000000 {CAM} 02 00 0300 00*8 00"),
        ),
        (PodMessage::Left { join: 9 }, "0900 1000 07000000 0900000000000000".into()),
    ];
    all.extend(new_pod_messages());
    all
}

/// Those that the first version does not have.
pub(super) fn new_pod_messages() -> Vec<(PodMessage, String)> {
    let epoch = geometry().epoch;
    let member = |stage| Member { epoch, join: 9, consumer: 5, class: leased(), nonce: 0x1122_3344_5566_7788, stage };
    vec![
        (
            PodMessage::Member(member(MemberStage::Live { first: GrainIndex(258) })),
            format!(
                "0b00 4600 07000000 {EPOCH} 0900000000000000 05 {LEASED} 8877665544332211 00 0201000000000000 00*8"
            ),
        ),
        (
            PodMessage::Member(member(MemberStage::Evicted { first: GrainIndex(258), end: GrainIndex(259) })),
            format!(
                "0b00 4600 07000000 {EPOCH} 0900000000000000 05 {LEASED} 8877665544332211 01 0201000000000000 \
                 0301000000000000"
            ),
        ),
        (PodMessage::Conclude { epoch }, format!("0d00 1800 07000000 {EPOCH}")),
        (PodMessage::Adopt { epoch, name: name("cam-1") }, format!("0c00 5900 07000000 {EPOCH} {CAM}")),
    ]
}

pub(super) fn entry() -> FlowEntry {
    FlowEntry {
        name: name("cam-1"),
        id: flow(),
        format: audio(),
        origin: FlowOrigin::Pod { uid: 1000, pid: Some(77) },
        slots: 8,
        consumers: 3,
        epoch: Some(geometry().epoch),
        blocking: Blocking::Allowed,
        wake: WakeMode::Inline,
    }
}

fn geometry_octets() -> String {
    // As in the first version, but for the grains that may be open.
    format!("{EPOCH} {FLOW} {FORMAT} 0800 1000 3804 0500 0000600000000000 c0120000 001a4f00 01 00 0100 00*8")
}

pub(super) fn broker_messages() -> Vec<(BrokerMessage, String)> {
    let epoch = geometry().epoch;
    let geometry_octets = geometry_octets();
    let mut all = vec![
        (BrokerMessage::Welcome { version: 2, ring_abi: 1 }, "0180 1200 07000000 0200 0100000000000000".into()),
        (
            BrokerMessage::Flows { entries: vec![entry()], more: false },
            format!("0280 8a00 07000000 00 01 {CAM} {FLOW} {AUDIO} 01 e8030000 4d000000 0800 0300 {EPOCH} 01 01"),
        ),
        (BrokerMessage::Region { geometry: geometry() }, format!("0380 5c00 07000000 {geometry_octets}")),
        (BrokerMessage::Produced { epoch, token: token() }, format!("0480 2800 07000000 {EPOCH} {TOKEN}")),
        (BrokerMessage::Produced { epoch, token: None }, format!("0480 2800 07000000 {EPOCH} 00*16")),
        (
            BrokerMessage::Subscribed {
                geometry: geometry(),
                trust: Trust::Pod,
                consumer: 5,
                nonce: 0x1122_3344_5566_7788,
                first: GrainIndex(258),
                wake: WakeMode::Inline,
            },
            format!("0580 6f00 07000000 {geometry_octets} 00 05 8877665544332211 0201000000000000 01"),
        ),
        (
            BrokerMessage::Join {
                join: 9,
                epoch,
                consumer: 5,
                class: leased(),
                nonce: 0x1122_3344_5566_7788,
                start: Start::Oldest,
            },
            format!("0680 3600 07000000 0900000000000000 {EPOCH} 05 {LEASED} 8877665544332211 01"),
        ),
    ];
    all.extend(new_broker_messages());
    all
}

/// Those that the first version does not have.
pub(super) fn new_broker_messages() -> Vec<(BrokerMessage, String)> {
    let epoch = geometry().epoch;
    vec![
        (BrokerMessage::Evict { join: 9 }, "0880 1000 07000000 0900000000000000".into()),
        (
            BrokerMessage::Adopted { epoch, successor: Succession::Wanted, token: token() },
            format!("0980 2900 07000000 {EPOCH} 01 {TOKEN}"),
        ),
    ]
}

/// Those that the first version does not have.
pub(super) fn refusals() -> Vec<(Refusal, &'static str)> {
    let flow = Reason::new("cam-1");
    vec![
        (Refusal::UserFlows { uid: 1000, limit: 8 }, "1900 e803000000000000 0800000000000000 00*8"),
        (
            Refusal::UserMemory { uid: 1000, octets: 1 << 30, left: 7 },
            "1a00 e803000000000000 0000004000000000 0700000000000000",
        ),
        (Refusal::UserSlots { uid: 1000, k: 4, left: 3 }, "1b00 e803000000000000 0400000000000000 0300000000000000"),
        (Refusal::Flow { uid: 1000, right: FlowRight::Read, flow }, "1c00 e8030000 00 05 63616d2d31 00*106"),
        (Refusal::Flow { uid: 1000, right: FlowRight::Produce, flow }, "1c00 e8030000 01 05 63616d2d31 00*106"),
        (Refusal::Live, "1d00 00*24"),
        (Refusal::OpenGrains { open_max: 9, max: 8 }, "1e00 0900000000000000 0800000000000000 00*8"),
        (Refusal::NotYours, "1f00 00*24"),
        (Refusal::LiveOnly, "2200 00*24"),
        (Refusal::NameKept, "2100 00*24"),
        (Refusal::Adoption(AdoptionFault::NoRecord), "2000 0100000000000000 00*16"),
        (Refusal::Adoption(AdoptionFault::User { uid: 1000 }), "2000 0200000000000000 e803000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Name), "2000 0300000000000000 00*16"),
        (Refusal::Adoption(AdoptionFault::Memory { inode: 77 }), "2000 0400000000000000 4d00000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Seals { actual: 0x36 }), "2000 0500000000000000 3600000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Mapping { octets: 1 << 30 }), "2000 0600000000000000 0000004000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Known), "2000 0700000000000000 00*16"),
        (Refusal::Adoption(AdoptionFault::NameTaken), "2000 0800000000000000 00*16"),
        (Refusal::Adoption(AdoptionFault::Seat { seat: 3 }), "2000 0900000000000000 0300000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Members { limit: 64 }), "2000 0a00000000000000 4000000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Mixed), "2000 0b00000000000000 00*16"),
        (Refusal::Adoption(AdoptionFault::ReadOnly), "2000 0c00000000000000 00*16"),
        (Refusal::Adoption(AdoptionFault::Owner { uid: 1000 }), "2000 0d00000000000000 e803000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Holes { octets: 4096 }), "2000 0e00000000000000 0010000000000000 00*8"),
        (Refusal::Adoption(AdoptionFault::Unmapped { uid: 65534 }), "2000 0f00000000000000 feff000000000000 00*8"),
    ]
}

#[test]
fn every_message_has_its_golden_octets() {
    golden(&pod_messages(), &broker_messages(), &refusals(), Version::V2);
    // The old refusals are the same.
    golden(&[], &[], &first::refusals(), Version::V2);
}

#[test]
fn a_token_is_never_printed() {
    let (message, _) = &pod_messages()[3];
    let printed = format!("{message:?}");
    assert!(printed.contains("SuccessionToken(..)"), "{printed}");
    let token: u128 = 0x1f1e_1d1c_1b1a_1918_1716_1514_1312_1110;
    assert!(!printed.contains(&token.to_string()) && !printed.contains("1f1e1d"), "{printed}");
}

#[test]
fn only_a_ring_that_is_brought_travels_with_a_pods_descriptors() {
    for (message, _) in pod_messages() {
        let expected = if matches!(message, PodMessage::Adopt { .. }) { 2 } else { 0 };
        assert_eq!(message.descriptors(), expected);
        let taken: Vec<usize> = (0..4).filter(|count| message.takes(*count)).collect();
        assert_eq!(taken, if expected == 2 { vec![0, 2] } else { vec![0] });
    }
}

#[test]
fn formats_that_mean_nothing_are_refused() {
    let with = |format: &str, at: usize, octet: u8| {
        let mut golden = octets(&format!("0300 6f00 07000000 {CAM} 00 0000 {format} 0100 00 00*16"));
        golden[8 + 65 + 3 + at] = octet;
        PodMessage::decode(&golden, Version::V2).map(drop)
    };
    assert!(with(AUDIO, 0, 0).is_ok() && with(ANCILLARY, 0, 0).is_ok());
    assert_eq!(with(AUDIO, 0, 1), Err(DecodeError::Field("spare octet")));
    assert_eq!(with(AUDIO, 1, 20), Err(DecodeError::Field("depth")));
    assert_eq!(with(AUDIO, 2, 65), Err(DecodeError::Field("audio format")));
    assert_eq!(with(AUDIO, 6, 3), Err(DecodeError::Field("kind of format")));
    assert_eq!(with(AUDIO, 8, 0x81), Err(DecodeError::Field("audio format")));
    assert_eq!(with(AUDIO, 12, 1), Err(DecodeError::Field("spare octet")));
    assert_eq!(with(ANCILLARY, 1, 8), Err(DecodeError::Field("spare octet")));
    assert_eq!(with(ANCILLARY, 2, 0x41), Err(DecodeError::Field("ancillary format")));
    assert_eq!(with(ANCILLARY, 12, 0), Err(DecodeError::Field("rate")));
}
