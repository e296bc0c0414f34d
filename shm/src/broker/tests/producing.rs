//! Flows of pods: the sealing dance, the gateway and other pods as their readers, producers that go.

#[cfg(not(loom))]
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::{FlowOrigin, SessionError, Trust};

#[test]
fn the_gateway_and_a_pod_read_what_a_pod_produces() {
    let bench = Bench::new();
    let worker = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(bench.snapshot("gfx").unwrap().origin, FlowOrigin::Pod { uid, pid: Some(std::process::id()) });
    let mut gateway = bench.broker.subscribe(&name("gfx"), leased(1)).unwrap();
    let mut pod = bench.session().subscribe(&name("gfx"), leased(1)).unwrap();
    assert_eq!((gateway.trust(), pod.reader().trust()), (Trust::Pod, Trust::Pod));
    for index in 10..40 {
        worker.write(index);
        check(&mut gateway, index);
        check(pod.reader(), index);
    }
    let lease = pod.reader().lease(GrainIndex(39));
    assert!(lease.is_err(), "passed");
    assert_eq!(bench.consumers("gfx").len(), 2);
    drop((gateway, pod));
    until("both seats come free", || bench.consumers("gfx").is_empty());
    let accounts = worker.accounts();
    assert_eq!((accounts.leased, accounts.quarantined), (0, 0));
}

#[test]
fn a_producer_that_drops_ends_its_flow_and_its_readers_hear_it() {
    let bench = Bench::new();
    let worker = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut gateway = bench.broker.subscribe(&name("gfx"), leased(1)).unwrap();
    let mut pod = bench.session().subscribe(&name("gfx"), leased(1)).unwrap();
    worker.write(1);
    assert!(!pod.producer_gone());
    drop(worker.stop());
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    assert_eq!(bench.event(), FlowEvent::Removed { name: name("gfx") });
    until("the pod hears it", || pod.producer_gone());
    check(&mut gateway, 1);
    check(pod.reader(), 1);
    // The name is free for another epoch.
    let again = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    again.write(1);
    assert!(bench.snapshot("gfx").unwrap().consumers.is_empty());
}

#[test]
fn pods_go_on_without_the_broker() {
    let bench = Bench::new();
    let session = bench.session();
    let own = bench.flow("cam", 4);
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut reader = session.subscribe(&name("gfx"), leased(2)).unwrap();
    let of_gateway = session.subscribe(&name("cam"), leased(1)).unwrap();
    worker.write(1);
    bench.broker.stop();
    for index in 2..30 {
        worker.write(index);
        check(reader.reader(), index);
    }
    assert!(!reader.producer_gone());
    until("who read the gateway hears it", || of_gateway.producer_gone());
    assert!(matches!(session.flows(), Err(SessionError::Connect { .. })));
    drop(reader);
    until("the writer hears of its consumer", || worker.accounts().leased == 0);
    let producer = worker.stop();
    until("the producer hears it", || producer.broker_gone());
    drop(own);
}

#[test]
fn an_evicted_reader_of_a_pod_may_come_back() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut slow = session.subscribe(&name("gfx"), leased(2)).unwrap();
    for index in 1..12 {
        worker.write(index);
    }
    until("the eviction is known", || matches!(bench.consumers("gfx")[0].state, ConsumerState::Evicted { .. }));
    slow.reader().acknowledge_eviction().unwrap();
    until("the seat comes free", || bench.consumers("gfx").is_empty());
    let mut back = session.subscribe(&name("gfx"), leased(2)).unwrap();
    // The late closing of the first pipe does not touch the second membership in the same seat.
    drop(slow);
    for index in 12..40 {
        worker.write(index);
        check(back.reader(), index);
    }
    assert_eq!(bench.consumers("gfx").len(), 1);
}

#[test]
fn a_flow_outlives_the_gateways_reader_of_it() {
    let bench = Bench::new();
    let worker = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let epoch = bench.snapshot("gfx").unwrap().epoch;
    for round in 0..20 {
        let mut reader = bench.broker.subscribe(&name("gfx"), leased(2)).unwrap();
        worker.write(round + 1);
        let seat = bench.consumers("gfx")[0].number;
        bench.broker.evict(&name("gfx"), seat).unwrap();
        until("the writer evicts it", || reader.acknowledge_eviction().is_ok());
        drop(reader);
        until("its seat comes free", || bench.consumers("gfx").is_empty());
        // What the producer drops then says that this reader has left, not that the producer has.
        assert_eq!(bench.snapshot("gfx").map(|flow| flow.epoch), Some(epoch), "round {round}");
    }
}

#[test]
fn a_producer_whose_writer_sleeps_is_said_to_and_keeps_its_flow() {
    let bench = Bench::with(|config| config.limits.join_ms = 50);
    let session = bench.session();
    let producer = session.produce(&name("gfx"), tiny(), Some(8)).unwrap();
    let refused = session.subscribe(&name("gfx"), leased(5)).unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::WriterSilent { waited_ms: 50 })), "{refused}");
    assert!(matches!(
        bench.broker.subscribe(&name("gfx"), ConsumerClass::Lossy),
        Err(SubscribeError::Refused(Refusal::WriterSilent { waited_ms: 50 }))
    ));
    let worker = Worker::start(producer);
    until("the seats come free", || bench.consumers("gfx").is_empty());
    let mut reader = session.subscribe(&name("gfx"), leased(5)).unwrap();
    worker.write(1);
    check(reader.reader(), 1);
}

#[test]
fn rings_that_are_too_large_or_too_many_are_refused() {
    let bench = Bench::with(|config| {
        config.limits.ring_octets = 20 << 20;
        config.limits.pod_octets = 24 << 20;
        config.limits.flows = 3;
    });
    let session = bench.session();
    let refusal = |flow: &str, slots| match session.produce(&name(flow), tiny(), slots).unwrap_err() {
        SessionError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    };
    assert!(
        matches!(refusal("gfx", Some(16)), Refusal::RingTooLarge { octets, limit: 0x0140_0000 } if octets > 32 << 20)
    );
    assert_eq!(refusal("gfx", Some(2000)), Refusal::Slots { slots: 2000, min: 2, max: 1024 });
    let large = session.produce(&name("large"), tiny(), Some(9)).unwrap();
    let left = (24 << 20) - (18 << 20) - large_control_octets();
    assert!(matches!(refusal("gfx", Some(4)), Refusal::PodMemory { left: told, .. } if told == left));
    drop(large);
    until("the flow ends", || bench.broker.flows().is_empty());
    let kept: Vec<_> =
        ["a", "b", "c"].map(|flow| session.produce(&name(flow), tiny(), Some(2)).unwrap()).into_iter().collect();
    assert_eq!(refusal("d", Some(2)), Refusal::Flows { limit: 3 });
    assert_eq!(refusal("a", Some(2)), Refusal::NameTaken);
    drop(kept);
    until("the flows end", || bench.broker.flows().is_empty());
    session.produce(&name("d"), tiny(), None).unwrap();
}

/// The control region of a ring of nine slots.
fn large_control_octets() -> u64 {
    making::plan(&name("large"), tiny().into(), 9, 1).unwrap().control_octets()
}

#[test]
fn a_flow_that_the_gateway_ends_is_gone_for_its_readers_too() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut reader = session.subscribe(&name("gfx"), leased(2)).unwrap();
    bench.broker.remove_flow(&name("gfx")).unwrap();
    assert!(session.flows().unwrap().is_empty());
    // Between the pods it goes on: the producer lives, and nobody took the ring away.
    worker.write(1);
    check(reader.reader(), 1);
    assert!(!reader.producer_gone());
    let producer = worker.stop();
    until("the producer is told", || producer.broker_gone());
}

#[cfg(not(loom))]
#[test]
fn the_gateway_sleeps_on_a_pods_flow_until_a_grain_is_opened() {
    let bench = Bench::new();
    let worker = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut reader = bench.broker.subscribe(&name("gfx"), leased(3)).unwrap();
    for index in 1..20 {
        assert!(reader.arm(), "grain {index} is not there yet");
        worker.write(index);
        let mut alarm = [PollFd::from_borrowed_fd(reader.alarm().unwrap(), PollFlags::IN)];
        assert_eq!(poll(&mut alarm, Some(&Timespec { tv_sec: 60, tv_nsec: 0 })), Ok(1), "grain {index} rings");
        reader.disarm();
        assert!(!reader.arm(), "grain {index} is there");
        reader.disarm();
        check(&mut reader, index);
        reader.skip_to(GrainIndex(index + 1));
    }
    // For its own flows the gateway has no alarm: the writer is a thread of its own.
    let _own = bench.flow("own", 8);
    let mut own = bench.broker.subscribe(&name("own"), ConsumerClass::Lossy).unwrap();
    assert!(!own.arm());
}
