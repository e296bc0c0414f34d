//! Access lists and quotas: refusals that name the user, the flow and what is left.

use super::raw::Raw;
use super::*;
use crate::SessionError;
use crate::broker::{FlowRule, Who};
use crate::protocol::{BrokerMessage, FlowRight, PodMessage, Reason};

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn listed(uids: &[u32]) -> Who {
    Who::Listed { uids: uids.to_vec(), gids: Vec::new() }
}

fn refusal<T: fmt::Debug>(result: Result<T, SessionError>) -> Refusal {
    match result {
        Err(SessionError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A writer refuses those who hold fewer grains than it has open at a time.
#[test]
fn a_consumer_need_not_know_how_many_grains_may_be_open() {
    let bench = Bench::new();
    let _worker = Worker::start(bench.broker.create_flow_open(&name("cam"), tiny(), Some(16), 3).unwrap());
    let held = |class: ConsumerClass| {
        let _consumer = bench.session().subscribe(&name("cam"), class).unwrap();
        let consumers = bench.consumers("cam");
        consumers[0].class.holds()
    };
    assert_eq!(held(leased(1)), Some(3));
    until("its seat comes free", || bench.consumers("cam").is_empty());
    assert_eq!(held(leased(4)), Some(4));
}

#[test]
fn flows_that_one_may_not_read_are_refused_and_not_listed() {
    let other = uid() + 1;
    let bench = Bench::with(|config| {
        config.rules = vec![
            FlowRule { flows: "cam-*".parse().unwrap(), read: listed(&[uid()]), produce: listed(&[other]) },
            FlowRule { flows: "secret".parse().unwrap(), read: listed(&[other]), produce: Who::Everyone },
        ];
    });
    let _cam = bench.flow("cam-1", 8);
    let session = bench.session();
    let secret = session.produce(&name("secret"), tiny(), Some(4)).unwrap();
    let listed: Vec<_> = session.flows().unwrap().into_iter().map(|flow| flow.name).collect();
    assert_eq!(listed, [name("cam-1")]);
    let right = |right, flow: &str| Refusal::Flow { uid: uid(), right, flow: Reason::new(flow) };
    let read = |flow: &str| session.subscribe(&name(flow), leased(1));
    assert!(read("cam-1").is_ok());
    assert_eq!(refusal(read("secret")), right(FlowRight::Read, "secret"));
    assert_eq!(refusal(read("none")), right(FlowRight::Read, "none"), "whether it exists is not told");
    assert_eq!(refusal(session.produce(&name("cam-2"), tiny(), None)), right(FlowRight::Produce, "cam-2"));
    // The gateway is bound by none of them: the writer is asked, which nobody polls.
    drop(secret);
    assert_eq!(bench.broker.counters().refused, 3);
}

#[test]
fn one_users_leases_of_a_ring_are_bounded_and_quarantine_counts() {
    let bench = Bench::with(|config| config.limits.slots_per_uid = 6);
    let worker = bench.flow("cam", 32);
    let session = bench.session();
    let mut slow = session.subscribe(&name("cam"), leased(3)).unwrap();
    let read = |k| session.subscribe(&name("cam"), leased(k));
    assert_eq!(refusal(read(2)), Refusal::UserSlots { uid: uid(), k: 2, left: 2 });
    let one = read(1).unwrap();
    assert_eq!(refusal(read(1)), Refusal::UserSlots { uid: uid(), k: 1, left: 0 });
    drop(one);
    until("its seat comes free", || bench.consumers("cam").len() == 1);
    // Nobody else is bound by it, nor who holds nothing.
    let lossy = session.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap();
    let own = bench.broker.subscribe(&name("cam"), leased(4)).unwrap();
    let held = slow.reader();
    (1..12).for_each(|index| worker.write(index));
    until("the eviction", || bench.snapshot("cam").unwrap().evictions > 0);
    assert_eq!(refusal(read(2)), Refusal::UserSlots { uid: uid(), k: 2, left: 2 });
    held.acknowledge_eviction().unwrap();
    until("the quota comes back", || read(2).is_ok());
    drop((lossy, own));
}

#[test]
fn one_users_rings_are_bounded_until_nobody_has_them() {
    let bench = Bench::with(|config| config.limits.octets_per_uid = 20 << 20);
    let session = bench.session();
    let produce = |flow: &str, slots| session.produce(&name(flow), tiny(), Some(slots));
    let worker = Worker::start(produce("first", 8).unwrap());
    let control = making::plan(&name("first"), tiny().into(), 8, 1).unwrap().control_octets();
    let left = (4 << 20) - control;
    let full = |refusal| matches!(refusal, Refusal::UserMemory { left: told, .. } if told == left);
    assert!(full(refusal(produce("second", 4))));
    let reader = session.subscribe(&name("first"), leased(1)).unwrap();
    drop(worker.stop());
    until("the flow ends", || bench.broker.flows().is_empty());
    // A consumer still has the memory, and somebody has to answer for it.
    assert!(full(refusal(produce("second", 4))));
    drop(reader);
    until("the memory is released", || produce("second", 4).is_ok());
    // So it is with a ring that was offered and never became a flow.
    until("that flow is gone", || bench.broker.shared.lock().check_memory(uid(), 20 << 20).is_ok());
    let raw = Raw::greeted(&bench);
    let (epoch, fds) = raw.produce("offered");
    raw.say(&PodMessage::Withdraw { epoch }, 0);
    drop(raw);
    until("it is given up", || bench.broker.shared.lock().makings.is_empty());
    assert!(bench.broker.shared.lock().check_memory(uid(), 20 << 20).is_err());
    drop(fds);
    assert!(bench.broker.shared.lock().check_memory(uid(), 20 << 20).is_ok());
}

#[test]
fn what_an_earlier_broker_left_counts_until_it_is_brought_or_given_up() {
    let octets = making::plan(&name("gfx"), tiny().into(), 4, 1).unwrap().octets();
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let (epoch, fds) = raw.produce("gfx");
    raw.say(&PodMessage::Mapped { epoch }, 2);
    assert!(matches!(raw.hear(), (2, BrokerMessage::Produced { .. }, _)));
    let Bench { dir, broker, .. } = bench;
    broker.stop();
    let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
    config.page_policy = PagePolicy::PlainOnly;
    config.limits.octets_per_uid = octets;
    let (tell, events) = mpsc::channel();
    let broker = Broker::start(config, move |event| drop(tell.send(event))).unwrap();
    let bench = Bench { dir, broker, events };
    let refused = refusal(bench.session().produce(&name("other"), tiny(), Some(4)));
    assert_eq!(refused, Refusal::UserMemory { uid: uid(), octets, left: 0 });
    // Brought back it counts once.
    let raw = Raw::greeted(&bench);
    raw.say_with(&PodMessage::Adopt { epoch, name: name("gfx") }, 3, &[&fds[0], &fds[1]]);
    assert!(matches!(raw.hear(), (3, BrokerMessage::Adopted { .. }, _)));
    drop((raw, fds));
    until("it is released", || bench.session().produce(&name("other"), tiny(), Some(4)).is_ok());
}

#[test]
fn lease_pages_that_are_kept_count_against_whoever_keeps_them() {
    let bench = Bench::with(|config| config.limits.consumers_per_uid = 2);
    let _worker = bench.flow("cam", 16);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let raw = Raw::greeted(&bench);
        raw.subscribe("cam", leased(1), 2);
        let (_, message, mut fds) = raw.hear();
        assert!(matches!(message, BrokerMessage::Subscribed { .. }), "{message:?}");
        kept.push(fds.swap_remove(2));
        drop(fds);
        until("its seat comes free", || bench.consumers("cam").is_empty());
    }
    let join = || bench.session().subscribe(&name("cam"), leased(1));
    assert_eq!(refusal(join()), Refusal::UserConsumers { uid: uid(), limit: 2 });
    drop(kept.pop());
    let consumer = join().unwrap();
    // The gateway is bound by none of it.
    drop(bench.broker.subscribe(&name("cam"), leased(1)).unwrap());
    drop((kept, consumer));
    until("no page is left", || {
        let mut state = bench.broker.shared.lock();
        state.collect_released();
        state.left_pages.is_empty()
    });
}

/// The page goes to the producer with the question, before anything comes of it.
#[test]
fn lease_pages_of_joins_that_came_to_nothing_are_counted_too() {
    let bench = Bench::new();
    let (raw, asker) = (Raw::greeted(&bench), Raw::greeted(&bench));
    raw.flow("gfx");
    let kept = || bench.broker.shared.lock().left_pages.len();
    asker.subscribe("gfx", leased(1), 5);
    let (_, message, page) = raw.hear();
    let BrokerMessage::Join { join, .. } = message else { panic!("{message:?}") };
    raw.say(&PodMessage::NotJoined { join }, 0);
    assert_eq!(asker.refusal(), Refusal::ProducerRefused);
    assert_eq!(kept(), 1);
    drop(page);
    until("it is let go", || {
        bench.broker.shared.lock().collect_released();
        kept() == 0
    });
}

#[test]
fn pods_cannot_use_up_the_flows_of_the_gateway() {
    let bench = Bench::with(|config| config.limits.flows = 1);
    let own = |flow: &str| bench.broker.create_flow(&name(flow), tiny(), Some(4)).unwrap();
    let _before = [own("a"), own("b")];
    let session = bench.session();
    let _pods = session.produce(&name("c"), tiny(), Some(4)).unwrap();
    assert_eq!(refusal(session.produce(&name("d"), tiny(), Some(4))), Refusal::Flows { limit: 1 });
    let _after = own("d");
}

#[test]
fn one_users_flows_are_bounded() {
    let bench = Bench::with(|config| config.limits.flows_per_uid = 2);
    let session = bench.session();
    let produce = |flow: &str| session.produce(&name(flow), tiny(), Some(2));
    let kept = [produce("a").unwrap(), produce("b").unwrap()];
    assert_eq!(refusal(produce("c")), Refusal::UserFlows { uid: uid(), limit: 2 });
    drop(kept);
    until("there is room again", || produce("c").is_ok());
}

#[test]
fn more_open_grains_than_a_ring_can_have_are_refused() {
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let ring = |open_max, slots| crate::protocol::RingRequest {
        open_max,
        slots: Some(slots),
        ..crate::protocol::RingRequest::new(name("gfx"), tiny())
    };
    for (open_max, slots) in [(0, 8), (9, 32), (8, 8)] {
        raw.say(&PodMessage::Produce(ring(open_max, slots)), 3);
        assert_eq!(raw.refusal(), Refusal::OpenGrains { open_max, max: 8 });
    }
    raw.say(&PodMessage::Produce(ring(3, 8)), 3);
    let (_, message, _fds) = raw.hear();
    assert!(matches!(message, BrokerMessage::Region { geometry } if geometry.open_max == 3));
}
