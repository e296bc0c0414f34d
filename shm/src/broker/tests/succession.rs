//! Flows that go on in another epoch.

use super::raw::Raw;
use super::*;
use crate::access::Peer;
use crate::broker::flow::WriterSide;
use crate::broker::membership::Subscriber;
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
    assert_eq!((flow.epoch, flow.format, flow.standing), (second, taller().into(), Standing::Current));
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
}

/// The next ring that a raw connection is told to let somebody into: the join and the epoch.
fn join_of(raw: &Raw) -> (u64, u128) {
    match raw.hear() {
        (0, BrokerMessage::Join { join, epoch, .. }, _) => (join, epoch),
        other => panic!("{other:?}"),
    }
}

impl Raw {
    /// A ring that waits to succeed an epoch: its own epoch, and what it takes to succeed that.
    fn successor(&self, flow: &str, token: Option<SuccessionToken>) -> (u128, Option<SuccessionToken>) {
        self.say(&ring(flow, token), 3);
        let epoch = match self.hear() {
            (3, BrokerMessage::Region { geometry }, _) => geometry.epoch,
            other => panic!("{other:?}"),
        };
        self.say(&PodMessage::Mapped { epoch }, 3);
        match self.hear() {
            (3, BrokerMessage::Produced { token, .. }, _) => (epoch, token),
            other => panic!("{other:?}"),
        }
    }

    fn listed(&self) -> Vec<u128> {
        self.say(&PodMessage::ListFlows { after: None }, 4);
        match self.hear() {
            (4, BrokerMessage::Flows { entries, .. }, _) => entries.iter().filter_map(|entry| entry.epoch).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn standings(bench: &Bench) -> Vec<(u128, Standing)> {
    bench.broker.flows().iter().map(|flow| (flow.epoch, flow.standing)).collect()
}

#[test]
fn a_name_moves_on_when_the_old_epoch_is_concluded_and_takes_with_it_who_waits() {
    let bench = Bench::new();
    let (raw, other, reader) = (Raw::greeted(&bench), Raw::greeted(&bench), Raw::greeted(&bench));
    let (first, token) = raw.flow("gfx");
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    let (second, _) = other.successor("gfx", token);
    assert_eq!(reader.listed(), [first]);
    assert_eq!(standings(&bench), [(first, Standing::Current), (second, Standing::Waiting)]);
    // Who comes now is let into the ring that is written.
    reader.subscribe("gfx", ConsumerClass::Lossy, 5);
    let (join, epoch) = join_of(&raw);
    assert_eq!(epoch, first);
    raw.say(&PodMessage::Joined { join, first: GrainIndex(0) }, 0);
    let (_, BrokerMessage::Subscribed { geometry, .. }, _) = reader.hear() else { panic!("not let in") };
    assert_eq!(geometry.epoch, first);
    assert!(bench.events.try_recv().is_err(), "nothing has happened");
    // Who waits at the end of the old epoch is let into the new one, and only its own producer can say that it ends.
    reader.subscribe("gfx", ConsumerClass::Lossy, 6);
    let (late, _) = join_of(&raw);
    other.say(&PodMessage::Conclude { epoch: first }, 0);
    raw.say(&PodMessage::Conclude { epoch: first }, 0);
    let (join, epoch) = join_of(&other);
    assert_eq!(epoch, second);
    // The old one's answer comes too late.
    raw.say(&PodMessage::Joined { join: late, first: GrainIndex(7) }, 0);
    other.say(&PodMessage::Joined { join, first: GrainIndex(3) }, 0);
    let (6, BrokerMessage::Subscribed { geometry, first: begin, .. }, _) = reader.hear() else { panic!("refused") };
    assert_eq!((geometry.epoch, begin), (second, GrainIndex(3)));
    assert_eq!(bench.event(), FlowEvent::Succeeded { name: name("gfx") });
    assert_eq!(reader.listed(), [second]);
    assert_eq!(standings(&bench), [(second, Standing::Current), (first, Standing::Concluded)]);
    raw.say(&PodMessage::Withdraw { epoch: first }, 0);
    until("the old epoch ends", || bench.broker.flows().len() == 1);
    assert!(bench.events.try_recv().is_err(), "the name moved before");
    other.say(&PodMessage::Withdraw { epoch: second }, 0);
    assert_eq!(bench.event(), FlowEvent::Removed { name: name("gfx") });
}

#[test]
fn a_successor_that_ends_early_takes_nothing_with_it() {
    let bench = Bench::new();
    let (raw, other, third) = (Raw::greeted(&bench), Raw::greeted(&bench), Raw::greeted(&bench));
    let (first, token) = raw.flow("gfx");
    let (second, of_second) = other.successor("gfx", token);
    other.say(&PodMessage::Withdraw { epoch: second }, 0);
    until("it is withdrawn", || standings(&bench) == [(first, Standing::Current)]);
    third.say(&ring("gfx", of_second), 3);
    assert_eq!(third.refusal(), Refusal::NotYours, "what it took to succeed it is worth nothing now");
    third.say(&ring("gfx", None), 3);
    assert_eq!(third.refusal(), Refusal::NameTaken);
    // Several may wait; the name goes to the first of them that is left.
    let (fourth, _) = other.successor("gfx", token);
    let (fifth, of_fifth) = third.successor("gfx", token);
    let (sixth, _) = Raw::greeted(&bench).successor("gfx", of_fifth);
    until("its connection closes", || standings(&bench).iter().all(|(epoch, _)| *epoch != sixth));
    drop(other);
    until("so does that one's", || standings(&bench).iter().all(|(epoch, _)| *epoch != fourth));
    assert_eq!(standings(&bench), [(first, Standing::Current), (fifth, Standing::Waiting)]);
    drop(raw);
    until("the name moves on", || standings(&bench) == [(fifth, Standing::Current)]);
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    assert_eq!(bench.event(), FlowEvent::Succeeded { name: name("gfx") });
}

/// Connections are heard in any order.
#[test]
fn a_successor_that_is_concluded_before_its_turn_has_none() {
    let bench = Bench::new();
    let (raw, other, third) = (Raw::greeted(&bench), Raw::greeted(&bench), Raw::greeted(&bench));
    let (first, token) = raw.flow("gfx");
    let (second, of_second) = other.successor("gfx", token);
    let (last, _) = third.successor("gfx", of_second);
    other.say(&PodMessage::Conclude { epoch: second }, 0);
    let is = |expected: &[(u128, Standing)]| standings(&bench) == expected;
    let ends = (second, Standing::Concluded);
    until("it is heard", || is(&[(first, Standing::Current), (last, Standing::Waiting), ends]));
    raw.say(&PodMessage::Conclude { epoch: first }, 0);
    until("the name moves on", || bench.broker.flows()[0].epoch == last);
    third.say(&PodMessage::Conclude { epoch: last }, 0);
    assert_eq!(third.listed(), [last], "nobody follows");
}

#[test]
fn who_asks_while_the_old_producer_closes_is_let_into_the_successor() {
    let bench = Bench::new();
    let (raw, other) = (Raw::greeted(&bench), Raw::greeted(&bench));
    let (_, token) = raw.flow("gfx");
    let (second, _) = other.successor("gfx", token);
    let (answer, _waiting) = mpsc::sync_channel(1);
    {
        // The broker has not seen it yet.
        let mut state = bench.broker.shared.lock();
        drop(raw);
        let subscriber = Subscriber::Gateway(answer);
        state.subscribe(&subscriber, None, &name("gfx"), ConsumerClass::Lossy, Start::Live).unwrap();
        assert_eq!(state.flows.current(&name("gfx")), Some(second));
    }
    assert_eq!(join_of(&other).1, second);
}

#[test]
fn a_flow_that_the_gateway_ends_is_not_succeeded() {
    let bench = Bench::new();
    let (raw, other) = (Raw::greeted(&bench), Raw::greeted(&bench));
    let (_, token) = raw.flow("gfx");
    other.successor("gfx", token);
    bench.broker.remove_flow(&name("gfx")).unwrap();
    assert!(raw.is_closed() && other.is_closed());
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    assert_eq!(bench.event(), FlowEvent::Removed { name: name("gfx") });
    assert!(bench.broker.flows().is_empty() && bench.events.try_recv().is_err());
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
