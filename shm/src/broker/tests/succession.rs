//! Flows that go on in another epoch.

use super::raw::Raw;
use super::*;
use crate::access::Peer;
use crate::broker::flow::WriterSide;
use crate::protocol::{BrokerMessage, PodMessage, RingRequest, SuccessionToken};
use crate::{ReadError, SessionError};

/// As `tiny`, but with twice the lines.
fn taller() -> VideoFormat {
    VideoFormat::new(16, 8, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

#[test]
fn a_producer_changes_its_format_at_a_stated_index() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut reader = session.subscribe(&name("gfx"), leased(2)).unwrap();
    let first = bench.snapshot("gfx").unwrap().epoch;
    worker.write(1);
    worker.write(2);
    let held = reader.reader().lease(GrainIndex(2)).unwrap();
    let mut producer = worker.stop();
    producer.succeed(taller(), Some(8)).unwrap();
    let second = producer.epoch();
    assert_ne!(first, second);
    let ended = reader.reader().lease(GrainIndex(3)).unwrap_err();
    assert_eq!(ended, ReadError::EpochEnded { end: GrainIndex(3), successor: Some(second) });
    // The old epoch's memory is there for those who have it.
    let mut out = vec![0; tiny().frame_octets() as usize];
    held.copy_lines(0..tiny().height(), &mut out).unwrap();
    assert!(out.iter().all(|octet| *octet == fill(2)));
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    assert_eq!(bench.event(), FlowEvent::Succeeded { name: name("gfx") });
    let flow = bench.snapshot("gfx").unwrap();
    assert_eq!((flow.epoch, flow.format, flow.succeeded), (second, taller().into(), false));
    until("the old epoch is withdrawn", || bench.broker.flows().len() == 1);
    assert!(bench.events.try_recv().is_err(), "the flow was never gone");
    assert_eq!(bench.broker.shared.lock().remainders.len(), 1, "the reader has its memory");
    drop((reader, held));
    until("it is released", || bench.broker.shared.lock().remainders.is_empty());
    // An index of the past, as after a step of the clock, is no matter in a new epoch.
    let open = |producer: &mut Producer, index| {
        let stamp = GrainStamp { tai: Tai::EPOCH, rtp: RtpTimestamp(0) };
        producer.writer().open(GrainIndex(index), stamp, Tai::EPOCH)
    };
    let key = open(&mut producer, 1).unwrap();
    let refused = producer.succeed(tiny(), None).unwrap_err();
    assert!(matches!(refused, SessionError::GrainOpen { index: GrainIndex(1) }), "{refused}");
    producer.writer().cancel(key);
    producer.succeed(tiny(), None).unwrap();
    open(&mut producer, 0).unwrap();
}

fn ring(flow: &str, succeeds: Option<SuccessionToken>) -> PodMessage {
    PodMessage::Produce(RingRequest { succeeds, slots: Some(2), ..RingRequest::new(name(flow), tiny()) })
}

/// Makes another one of a flow's producer.
fn with_peer(bench: &Bench, epoch: u128, change: impl FnOnce(&mut Peer)) {
    let mut state = bench.broker.shared.lock();
    match &mut state.flows.of_epoch_mut(epoch).unwrap().writer {
        WriterSide::Pod { peer, .. } => change(peer),
        WriterSide::Gateway { .. } => panic!("the gateway's"),
    }
}

#[test]
fn only_who_has_an_epochs_token_may_succeed_it() {
    let bench = Bench::new();
    let _own = bench.flow("cam", 8);
    let (raw, other) = (Raw::greeted(&bench), Raw::greeted(&bench));
    let (epoch, token) = raw.flow("gfx");
    let refusal = |flow: &str, token| {
        other.say(&ring(flow, token), 3);
        other.refusal()
    };
    assert_eq!(refusal("gfx", None), Refusal::NameTaken);
    assert_eq!(refusal("gfx", SuccessionToken::random().ok()), Refusal::NotYours);
    assert_eq!(refusal("cam", token), Refusal::NotYours, "of another flow");
    assert_eq!(refusal("none", token), Refusal::NotYours);
    with_peer(&bench, epoch, |peer| peer.uid += 1);
    assert_eq!(refusal("gfx", token), Refusal::NotYours, "another user's");
    with_peer(&bench, epoch, |peer| peer.uid -= 1);
    // On any connection, also where the kernel does not say which process it is of.
    with_peer(&bench, epoch, |peer| peer.pid = None);
    other.say(&ring("gfx", token), 3);
    assert!(matches!(other.hear(), (3, BrokerMessage::Region { .. }, _)));
    assert_eq!(refusal("gfx", token), Refusal::NameTaken, "once at a time");
}

#[test]
fn a_blocking_consumer_of_a_live_flow_is_refused() {
    let bench = Bench::new();
    let _own = bench.flow("cam", 8);
    let blocking = ConsumerClass::Blocking { k: 1 };
    let refused = bench.session().subscribe(&name("cam"), blocking).unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::Live)), "{refused}");
    assert!(refused.to_string().contains("lease"), "{refused}");
}
