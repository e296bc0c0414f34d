//! Flows of the gateway: joining, reading, leaving, being evicted, being refused.

use super::*;
use crate::{ReadError, SessionError, Trust};

#[test]
fn a_pod_reads_lines_of_a_grain_that_is_not_yet_committed() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let mut consumer = bench.session().subscribe(&name("cam"), leased(2)).unwrap();
    worker.write_lines(100, 2).unwrap();
    let index = consumer.reader().next_available().unwrap();
    let lease = consumer.reader().lease(index).unwrap();
    assert_eq!((index, consumer.reader().trust()), (GrainIndex(100), Trust::Gateway));
    assert_eq!(lease.state().unwrap().slices, 2);
    let lines = lease.lines(0..2).unwrap();
    assert!(lines.len() == 80 && lines.iter().all(|octet| *octet == fill(100)));
    assert!(lease.lines(0..3).is_none());
    worker.write(100);
    assert!(lease.state().unwrap().complete);
    assert_eq!(lease.lines(0..4).unwrap().len(), 160);
}

#[test]
fn what_the_gateway_shows_of_a_flow() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    assert_eq!(bench.event(), FlowEvent::Added { name: name("cam") });
    worker.write(5);
    let session = bench.session();
    let mut consumer = session.subscribe(&name("cam"), leased(2)).unwrap();
    worker.write(6);
    worker.write(7);
    check(consumer.reader(), 6);
    let flow = bench.snapshot("cam").unwrap();
    assert_eq!((flow.slots, flow.format, flow.origin), (8, tiny().into(), crate::FlowOrigin::Gateway));
    assert_eq!(flow.newest, Some(GrainIndex(7)));
    assert_eq!(flow.counters.unwrap().committed(), 3);
    let [shown] = flow.consumers[..] else { panic!("{:?}", flow.consumers) };
    assert_eq!(shown.state, ConsumerState::Live { first: GrainIndex(6) });
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(shown.holder, ConsumerHolder::Pod { uid, pid: Some(std::process::id()) });
    assert_eq!(shown.class, leased(2));
    assert_eq!((shown.lag, shown.held, shown.quarantined), (Some(1), 1, 0));
    assert_eq!((flow.standing, flow.evictions), (Standing::Current, 0));
    let listed = session.flows().unwrap();
    assert_eq!((listed.len(), listed[0].consumers, listed[0].slots), (1, 1, 8));
    bench.broker.remove_flow(&name("cam")).unwrap();
    assert_eq!(bench.event(), FlowEvent::Removed { name: name("cam") });
    until("the consumer hears it", || consumer.producer_gone());
    // What was mapped stays readable.
    check(consumer.reader(), 7);
    assert!(matches!(bench.broker.remove_flow(&name("cam")), Err(BrokerError::Refused(Refusal::NoSuchFlow))));
}

#[test]
fn the_gateway_reads_its_own_flow_and_gives_the_seat_back() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let mut reader = bench.broker.subscribe(&name("cam"), leased(2)).unwrap();
    worker.write(1);
    let lease = reader.lease(GrainIndex(1)).unwrap();
    assert_eq!(bench.consumers("cam")[0].holder, ConsumerHolder::Gateway);
    drop(reader);
    // The lease alone keeps the seat: a queue may still be sending from it.
    for index in 2..30 {
        let _ = worker.write_lines(index, 4);
    }
    assert!(lease.lines(0..4).unwrap().iter().all(|octet| *octet == fill(1)));
    assert_eq!(bench.consumers("cam").len(), 1);
    drop(lease);
    until("the seat comes free", || bench.consumers("cam").is_empty());
    let accounts = worker.accounts();
    assert_eq!((accounts.leased, accounts.quarantined), (0, 0));
    assert_eq!(bench.broker.counters().released, 1);
}

#[test]
fn a_connection_that_closes_takes_nothing_from_its_consumer() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let session = bench.session();
    let mut consumer = session.subscribe(&name("cam"), leased(2)).unwrap();
    drop(session);
    until("the connection closes", || bench.broker.shared.lock().connections.is_empty());
    for index in 1..30 {
        worker.write(index);
        check(consumer.reader(), index);
    }
    drop(consumer);
    until("the seat comes free", || bench.consumers("cam").is_empty());
}

#[test]
fn an_evicted_consumer_keeps_its_quota_until_it_acknowledges() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let session = bench.session();
    let mut slow = session.subscribe(&name("cam"), leased(5)).unwrap();
    worker.write(1);
    let lease = slow.reader().lease(GrainIndex(1)).unwrap();
    let mut index = 1;
    until("the eviction", || {
        index += 1;
        worker.write(index);
        matches!(bench.consumers("cam")[0].state, ConsumerState::Evicted { .. })
    });
    let flow = bench.snapshot("cam").unwrap();
    assert_eq!((flow.evictions, flow.consumers[0].held, flow.consumers[0].quarantined), (1, 0, 6));
    // 2 + (5 + 1) are taken: evict-and-rejoin gains nothing.
    let refused = session.subscribe(&name("cam"), leased(1)).unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::Admission { slots: 8, k: 1, needed: 10, works: 0 })));
    let lossy = session.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap();
    assert!(lease.lines(0..4).unwrap().iter().all(|octet| *octet == fill(1)));
    assert!(slow.reader().acknowledge_eviction().is_err(), "a lease is out");
    drop(lease);
    slow.reader().acknowledge_eviction().unwrap();
    until("the quota comes back", || session.subscribe(&name("cam"), leased(1)).is_ok());
    drop((slow, lossy));
    until("all seats come free", || bench.consumers("cam").is_empty());
    assert_eq!(worker.accounts().quarantined, 0);
    assert_eq!(bench.broker.counters().evicted, 1);
}

#[test]
fn leases_that_do_not_fit_are_refused_and_lossy_is_offered() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let session = bench.session();
    let refusal = |class| match session.subscribe(&name("cam"), class).unwrap_err() {
        SessionError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    };
    assert_eq!(refusal(leased(6)), Refusal::Lease { k: 6, limit: 5 });
    let two = session.subscribe(&name("cam"), leased(2)).unwrap();
    let full = refusal(leased(3));
    assert_eq!(full, Refusal::Admission { slots: 8, k: 3, needed: 9, works: 2 });
    assert!(full.to_string().ends_with("ask for a lease of 2, or for lossy"), "{full}");
    let other = bench.broker.subscribe(&name("cam"), leased(2)).unwrap();
    assert!(matches!(
        bench.broker.subscribe(&name("cam"), leased(1)),
        Err(SubscribeError::Refused(Refusal::Admission { works: 0, .. }))
    ));
    let mut lossy = session.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap();
    worker.write(1);
    check(lossy.reader(), 1);
    assert_eq!(
        lossy.reader().lease(GrainIndex(2)).unwrap_err(),
        ReadError::NotYet { index: GrainIndex(2), newest: Some(GrainIndex(1)) }
    );
    drop((two, other));
    assert_eq!(session.subscribe(&name("nobody"), leased(1)).unwrap_err().to_string(), {
        format!("the gateway refused: {}", Refusal::NoSuchFlow)
    });
}

#[test]
fn one_user_does_not_take_every_seat() {
    let bench = Bench::with(|config| config.limits.consumers_per_uid = 3);
    let worker = bench.flow("cam", 8);
    let session = bench.session();
    let seats: Vec<_> = (0..3).map(|_| session.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap()).collect();
    let refused = session.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::UserConsumers { limit: 3, .. })), "{refused}");
    // The gateway's own are not of that user.
    let own: Vec<_> = (0..61).map(|_| bench.broker.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap()).collect();
    assert!(matches!(
        bench.broker.subscribe(&name("cam"), ConsumerClass::Lossy),
        Err(SubscribeError::Refused(Refusal::Consumers { limit: 64 }))
    ));
    drop((seats, own));
    until("all seats come free", || bench.consumers("cam").is_empty());
    drop(worker);
}

#[test]
fn a_writer_that_does_not_run_is_said_to_and_the_seat_comes_back_when_it_does() {
    let bench = Bench::with(|config| config.limits.join_ms = 50);
    let writer = bench.broker.create_flow(&name("cam"), tiny(), Some(8)).unwrap();
    let other = bench.flow("other", 4);
    let session = bench.session();
    let waiting = std::thread::scope(|scope| {
        let asked = scope.spawn(|| session.subscribe(&name("cam"), leased(5)));
        // Meanwhile the broker serves others.
        let mut reader = bench.session().subscribe(&name("other"), leased(1)).unwrap();
        other.write(1);
        check(reader.reader(), 1);
        asked.join().unwrap()
    });
    assert!(matches!(waiting, Err(SessionError::Refused(Refusal::WriterSilent { waited_ms: 50 }))), "{waiting:?}");
    assert!(matches!(
        bench.broker.subscribe(&name("cam"), leased(1)),
        Err(SubscribeError::Refused(Refusal::Admission { .. }))
    ));
    assert_eq!(bench.consumers("cam")[0].state, ConsumerState::Leaving);
    let worker = Worker::start(writer);
    until("the seat comes free", || bench.consumers("cam").is_empty());
    let mut consumer = session.subscribe(&name("cam"), leased(5)).unwrap();
    worker.write(1);
    check(consumer.reader(), 1);
}

#[test]
fn who_waits_for_a_flow_that_ends_is_told() {
    let bench = Bench::new();
    let _writer = bench.broker.create_flow(&name("cam"), tiny(), Some(8)).unwrap();
    let session = bench.session();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| session.subscribe(&name("cam"), leased(1)));
        until("the request", || !bench.consumers("cam").is_empty());
        bench.broker.remove_flow(&name("cam")).unwrap();
        let refused = asked.join().unwrap().unwrap_err();
        assert!(matches!(refused, SessionError::Refused(Refusal::FlowEnded)), "{refused}");
    });
}

#[test]
fn flows_are_listed_page_by_page_in_the_order_of_their_names() {
    let bench = Bench::new();
    let names: Vec<String> = (0..29).map(|number| format!("cam-{number:02}")).collect();
    let _writers: Vec<_> =
        names.iter().rev().map(|flow| bench.broker.create_flow(&name(flow), tiny(), Some(2)).unwrap()).collect();
    let listed = bench.session().flows().unwrap();
    assert_eq!(listed.iter().map(|flow| flow.name.as_str()).collect::<Vec<_>>(), names);
}

#[test]
fn flows_that_cannot_be_made_are_refused() {
    let bench = Bench::new();
    let _cam = bench.broker.create_flow(&name("cam"), tiny(), None).unwrap();
    assert_eq!(bench.snapshot("cam").unwrap().slots, 8);
    let refused = |flow: &str, slots| bench.broker.create_flow(&name(flow), tiny(), slots).unwrap_err().to_string();
    assert_eq!(refused("cam", None), Refusal::NameTaken.to_string());
    assert_eq!(refused("new", Some(1)), Refusal::Slots { slots: 1, min: 2, max: 1024 }.to_string());
}

#[test]
fn the_operator_evicts_whom_it_wants() {
    let bench = Bench::new();
    let own = bench.flow("cam", 8);
    let pods = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let session = bench.session();
    for flow in ["cam", "gfx"] {
        let write = |index| if flow == "cam" { own.write(index) } else { pods.write(index) };
        let mut consumer = session.subscribe(&name(flow), leased(2)).unwrap();
        let mut other = session.subscribe(&name(flow), leased(1)).unwrap();
        write(1);
        check(consumer.reader(), 1);
        let number = bench.consumers(flow)[0].number;
        bench.broker.evict(&name(flow), number).unwrap();
        until("the eviction", || matches!(bench.consumers(flow)[0].state, ConsumerState::Evicted { .. }));
        write(2);
        assert!(consumer.reader().lease(GrainIndex(2)).is_err());
        check(other.reader(), 2);
        assert_eq!(bench.snapshot(flow).unwrap().evictions, 1);
        let again = bench.broker.evict(&name(flow), number).unwrap_err();
        assert_eq!(again, EvictError::NotReading { flow: name(flow), consumer: number });
        let nobody = bench.broker.evict(&name(flow), 63).unwrap_err();
        let consumers = bench.consumers(flow).iter().map(|consumer| consumer.number).collect();
        assert_eq!(nobody, EvictError::NoSuchConsumer { flow: name(flow), consumer: 63, consumers });
        assert!(bench.broker.evict(&name(flow), 200).is_err());
    }
    let none = bench.broker.evict(&name("none"), 0).unwrap_err();
    assert_eq!(none, EvictError::NoSuchFlow { flow: name("none") });
}
