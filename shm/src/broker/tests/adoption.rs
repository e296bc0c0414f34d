//! A broker that ends, pods that go on, and the broker that comes after it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::io::Errno;

use super::raw::Raw;
use super::*;
use crate::protocol::{AdoptionFault, BrokerMessage, Member, MemberStage, PodMessage, RingRequest};
use crate::seqpacket::Wait;
use crate::{FlowOrigin, ProduceOptions, ReadError, SessionError, Trust, WriteError, memfd};

fn config(dir: &Path) -> BrokerConfig {
    let mut config = BrokerConfig::new(dir.join("broker.sock"));
    config.page_policy = PagePolicy::PlainOnly;
    config
}

/// The same socket, and the next broker.
fn restarted(bench: Bench, change: impl FnOnce(&mut BrokerConfig)) -> Bench {
    let Bench { dir, broker, events } = bench;
    broker.stop();
    drop(events);
    start(dir, change)
}

fn start(dir: TempDir, change: impl FnOnce(&mut BrokerConfig)) -> Bench {
    let (tell, events) = mpsc::channel();
    let mut config = config(dir.path());
    change(&mut config);
    let broker = Broker::start(config, move |event| drop(tell.send(event))).unwrap();
    Bench { dir, broker, events }
}

fn records(bench: &Bench) -> Vec<PathBuf> {
    let folder = bench.dir.path().join("broker.sock.rings");
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn pods_go_on_while_a_broker_is_replaced_and_the_next_one_reads_their_flows() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(16)).unwrap());
    let mut pod = session.subscribe(&name("gfx"), leased(2)).unwrap();
    let before = bench.snapshot("gfx").unwrap().epoch;
    assert_eq!(records(&bench).len(), 1);
    let mut index = 0;
    let mut exchange = |pod: &mut crate::Consumer| {
        index += 1;
        worker.write(index);
        // Every grain, without a gap.
        match pod.reader().lease(GrainIndex(index)) {
            Ok(lease) => {
                let mut out = vec![0; tiny().frame_octets() as usize];
                lease.copy_lines(0..tiny().height(), &mut out).unwrap();
                assert!(out.iter().all(|octet| *octet == fill(index)), "grain {index}");
            }
            Err(ReadError::EpochEnded { end, successor }) => return Some((end, successor)),
            Err(error) => panic!("grain {index}: {error}"),
        }
        None
    };
    for _ in 0..5 {
        assert_eq!(exchange(&mut pod), None);
    }
    let Bench { dir, broker, events } = bench;
    broker.stop();
    drop(events);
    for _ in 0..20 {
        assert_eq!(exchange(&mut pod), None);
    }
    let bench = start(dir, |_| {});
    let mut end = None;
    until("the flow is taken over, and its writer goes over", || {
        end = end.or_else(|| exchange(&mut pod));
        end.is_some()
    });
    // Grain `index` is the first of the new epoch: it was written there.
    let (end, successor) = end.unwrap();
    assert_eq!(end, GrainIndex(index));
    until("the name moves on", || bench.snapshot("gfx").map(|flow| flow.epoch) == successor);
    let flow = bench.snapshot("gfx").unwrap();
    assert_ne!(flow.epoch, before);
    assert_eq!(bench.broker.counters().adopted, 1);
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    assert_eq!(bench.event(), FlowEvent::Succeeded { name: name("gfx") });
    assert!(matches!(flow.origin, FlowOrigin::Pod { .. }) && !flow.adopted);
    // The session finds the new broker by itself.
    let mut again = session.subscribe(&name("gfx"), leased(2)).unwrap();
    let mut gateway = bench.broker.subscribe(&name("gfx"), leased(2)).unwrap();
    for index in index + 1..index + 20 {
        worker.write(index);
        check(again.reader(), index);
        check(&mut gateway, index);
    }
    // The old epoch's memory is accounted until its reader has let go of it.
    until("the old epoch is withdrawn", || bench.broker.flows().len() == 1);
    assert_eq!(bench.broker.shared.lock().remainders.len(), 1);
    drop(pod);
    until("it is released", || bench.broker.shared.lock().remainders.is_empty());
    let producer = worker.stop();
    assert!(!producer.broker_gone());
    drop((producer, again, gateway));
    until("the flow ends", || bench.broker.flows().is_empty());
    until("its record is removed", || records(&bench).is_empty());
}

/// The epoch that waits to succeed flow "gfx".
fn waiting(bench: &Bench) -> Option<u128> {
    bench.broker.flows().iter().find(|flow| flow.standing == Standing::Waiting).map(|flow| flow.epoch)
}

#[test]
fn until_the_writer_goes_over_who_comes_is_let_into_the_ring_that_it_writes() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(16)).unwrap());
    let first = bench.snapshot("gfx").unwrap().epoch;
    worker.write_lines(1, 2).unwrap();
    let bench = restarted(bench, |_| {});
    until("a successor waits", || waiting(&bench).is_some());
    let mut pod = session.subscribe(&name("gfx"), leased(2)).unwrap();
    let gateway = bench.broker.subscribe(&name("gfx"), leased(2)).unwrap();
    assert_eq!((pod.reader().geometry().epoch, gateway.geometry().epoch), (first, first));
    assert_eq!(bench.event(), FlowEvent::Added { name: name("gfx") });
    assert!(bench.events.try_recv().is_err());
    // A gateway that goes away takes the successor that waits with it: the next one asks for another.
    let lost = waiting(&bench).unwrap();
    let bench = restarted(bench, |_| {});
    until("another successor waits", || waiting(&bench).is_some_and(|epoch| epoch != lost));
    assert_eq!((bench.broker.counters().adopted, bench.broker.counters().adoptions_refused), (1, 0));
    let second = waiting(&bench).unwrap();
    worker.write(1);
    until("the writer goes over", || bench.snapshot("gfx").unwrap().epoch == second);
    until("the old epoch ends", || bench.broker.flows().len() == 1);
    worker.write(2);
    let ended = pod.reader().lease(GrainIndex(2)).unwrap_err();
    assert_eq!(ended, ReadError::EpochEnded { end: GrainIndex(2), successor: Some(second) });
}

#[test]
fn a_format_may_change_while_a_successor_waits() {
    let bench = Bench::new();
    let mut producer = bench.session().produce(&name("gfx"), tiny(), Some(4)).unwrap();
    let bench = restarted(bench, |_| {});
    until("a successor waits", || waiting(&bench).is_some());
    let wider = VideoFormat::new(32, 4, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap();
    producer.succeed(wider, Some(4)).unwrap();
    until("only the new one is left", || {
        producer.writer();
        bench.broker.flows().len() == 1
    });
    let flow = bench.snapshot("gfx").unwrap();
    assert_eq!((flow.epoch, flow.format, flow.standing), (producer.epoch(), wider.into(), Standing::Current));
    assert_eq!(bench.broker.counters().refused, 0);
}

#[test]
fn a_writer_that_always_has_a_grain_open_goes_over_all_the_same() {
    let bench = Bench::new();
    let session = bench.session();
    let options = ProduceOptions { slots: Some(16), open_max: 2, ..ProduceOptions::default() };
    let mut producer = session.produce(&name("gfx"), tiny(), options).unwrap();
    let first = producer.epoch();
    let mut pod = std::thread::scope(|scope| {
        let joining = scope.spawn(|| session.subscribe(&name("gfx"), leased(4)));
        until("it is let in", || {
            producer.poll();
            joining.is_finished()
        });
        joining.join().unwrap().unwrap()
    });
    let mut index = producer.index_now();
    let begin = index;
    let open = |producer: &mut Producer, index| producer.open(index, GrainStamp::default()).unwrap().keep();
    let mut key = open(&mut producer, index);
    let bench = restarted(bench, |_| {});
    until("a successor waits", || {
        producer.poll();
        waiting(&bench).is_some()
    });
    until("it goes over", || {
        let next = GrainIndex(index.0 + 1);
        let following = open(&mut producer, next);
        let mut grain = producer.grain(key).unwrap();
        grain.lines_mut(0..4).unwrap().fill(fill(index.0));
        grain.commit();
        check(pod.reader(), index.0);
        (index, key) = (next, following);
        producer.epoch() != first
    });
    let second = producer.epoch();
    let ended = pod.reader().lease(index).unwrap_err();
    assert_eq!(ended, ReadError::EpochEnded { end: index, successor: Some(second) });
    assert!(index > begin);
    until("the old epoch ends", || {
        producer.poll();
        bench.broker.flows().len() == 1
    });
    producer.grain(key).unwrap().commit();
    assert_eq!(producer.grain(key).unwrap_err(), WriteError::NotOpen { index });
}

#[test]
fn an_adopted_flow_is_read_where_there_is_no_room_for_a_successor() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut pod = session.subscribe(&name("gfx"), leased(2)).unwrap();
    let epoch = bench.snapshot("gfx").unwrap().epoch;
    let bench = restarted(bench, |config| config.limits.octets_per_uid = 20 << 20);
    until("the flow is taken over", || bench.snapshot("gfx").is_some());
    let flow = bench.snapshot("gfx").unwrap();
    assert_eq!((flow.epoch, flow.adopted, flow.consumers.len()), (epoch, true, 1));
    assert_eq!((flow.consumers[0].class, flow.consumers[0].holder), (leased(2), ConsumerHolder::Outlived));
    let mut gateway = bench.broker.subscribe(&name("gfx"), leased(1)).unwrap();
    assert_eq!(gateway.trust(), Trust::Pod);
    assert_eq!(bench.consumers("gfx")[1].number, 1, "the first seat is taken");
    assert_eq!(bench.consumers("gfx")[1].holder, ConsumerHolder::Gateway);
    for index in 1..20 {
        worker.write(index);
        check(pod.reader(), index);
        check(&mut gateway, index);
    }
    // Its consumers are known by the producer's numbers.
    bench.broker.evict(&name("gfx"), 0).unwrap();
    until("the eviction", || matches!(bench.consumers("gfx")[0].state, ConsumerState::Evicted { .. }));
    drop(pod);
    until("its seat comes free", || bench.consumers("gfx").len() == 1);
    drop(worker.stop());
    until("the flow ends", || bench.broker.flows().is_empty());
}

/// A ring of a pod without manners that an earlier broker made: its epoch and its descriptors.
fn orphan() -> (Bench, u128, Vec<OwnedFd>) {
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let (epoch, fds) = raw.produce("gfx");
    raw.say(&PodMessage::Mapped { epoch }, 2);
    assert!(matches!(raw.hear(), (2, BrokerMessage::Produced { .. }, _)));
    (restarted(bench, |_| {}), epoch, fds)
}

fn bring(raw: &Raw, epoch: u128, flow: &str, fds: [&OwnedFd; 2]) {
    let message = PodMessage::Adopt { epoch, name: name(flow) };
    let octets = message.encode(9, raw.version).unwrap();
    match raw.socket.send(&octets, &fds.map(AsFd::as_fd), Wait::Block) {
        // Of who has no ring to bring the broker lets none be passed.
        Err(Errno::PERM) => raw.say(&message, 9),
        sent => sent.unwrap(),
    }
}

fn member(epoch: u128, consumer: u8, join: u64) -> PodMessage {
    let stage = MemberStage::Live { first: GrainIndex(0) };
    PodMessage::Member(Member { epoch, join, consumer, class: leased(1), nonce: 7, stage })
}

#[test]
fn what_is_not_the_ring_of_a_record_is_refused_and_others_see_nothing() {
    let (bench, epoch, fds) = orphan();
    let worker = bench.flow("cam", 8);
    let mut reader = bench.session().subscribe(&name("cam"), leased(1)).unwrap();
    let raw = Raw::greeted(&bench);
    let fault = |expected| assert_eq!(raw.refusal(), Refusal::Adoption(expected));
    let whole = [&fds[0], &fds[1]];
    bring(&raw, epoch ^ 1, "gfx", whole);
    fault(AdoptionFault::NoRecord);
    bring(&raw, epoch, "other", whole);
    fault(AdoptionFault::Name);
    let not_its = |fd: &OwnedFd| AdoptionFault::Memory { inode: rustix::fs::fstat(fd).unwrap().st_ino };
    bring(&raw, epoch, "gfx", [&fds[1], &fds[0]]);
    fault(not_its(&fds[1]));
    // Memory of the same size and seals, which the gateway did not make.
    let geometry = crate::fixture::geometry(4, 4);
    let foreign = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
    let unsealed = foreign.producer_fds().unwrap();
    bring(&raw, epoch, "gfx", [&fds[0], &unsealed.data]);
    fault(not_its(&unsealed.data));
    let (read, _write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    bring(&raw, epoch, "gfx", [&read, &fds[1]]);
    // What is no memory is not even asked what it is.
    fault(AdoptionFault::Memory { inode: 0 });
    // Seats taken twice, one consumer twice, of another ring, and more than there are.
    raw.say(&member(epoch, 3, 1), 0);
    raw.say(&member(epoch, 3, 2), 0);
    bring(&raw, epoch, "gfx", whole);
    fault(AdoptionFault::Seat { seat: 3 });
    raw.say(&member(epoch, 3, 1), 0);
    raw.say(&member(epoch, 4, 1), 0);
    bring(&raw, epoch, "gfx", whole);
    fault(AdoptionFault::Seat { seat: 4 });
    raw.say(&member(epoch ^ 1, 3, 1), 0);
    bring(&raw, epoch, "gfx", whole);
    fault(AdoptionFault::Mixed);
    (0..65).for_each(|join| raw.say(&member(epoch, 0, join), 0));
    bring(&raw, epoch, "gfx", whole);
    fault(AdoptionFault::Members { limit: 64 });
    assert_eq!(bench.broker.counters().adoptions_refused, 9);
    // After all of it the ring itself is taken, once.
    raw.say(&member(epoch, 3, 1), 0);
    bring(&raw, epoch, "gfx", whole);
    assert!(matches!(raw.hear(), (9, BrokerMessage::Adopted { .. }, _)));
    assert_eq!(bench.consumers("gfx")[0].number, 3);
    let second = Raw::greeted(&bench);
    bring(&second, epoch, "gfx", whole);
    assert_eq!(second.refusal(), Refusal::Adoption(AdoptionFault::Known));
    worker.write(1);
    check(reader.reader(), 1);
    drop((raw, second));
    until("the flow ends with its producer", || bench.snapshot("gfx").is_none());
}

/// Nobody can make such a record but this user; then the memory itself still tells.
fn name_in_record(bench: &Bench, epoch: u128, data: &OwnedFd) {
    let mut state = bench.broker.shared.lock();
    state.left_records.get_mut(&epoch).unwrap().data = brought::identity(data).unwrap();
}

#[test]
fn an_adopted_ring_is_succeeded_by_the_token_of_the_gateway_that_took_it() {
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let (epoch, fds) = raw.produce("gfx");
    raw.say(&PodMessage::Mapped { epoch }, 2);
    let (_, BrokerMessage::Produced { token: Some(before), .. }, _) = raw.hear() else { panic!("no token") };
    let bench = restarted(bench, |_| {});
    let raw = Raw::greeted(&bench);
    bring(&raw, epoch, "gfx", [&fds[0], &fds[1]]);
    let (_, BrokerMessage::Adopted { token: Some(now), .. }, _) = raw.hear() else { panic!("no token") };
    let other = Raw::greeted(&bench);
    let succeed = |token| {
        let ring = RingRequest { succeeds: Some(token), slots: Some(2), ..RingRequest::new(name("gfx"), tiny()) };
        other.say(&PodMessage::Produce(ring), 3);
    };
    succeed(before);
    assert_eq!(other.refusal(), Refusal::NotYours);
    succeed(now);
    assert!(matches!(other.hear(), (3, BrokerMessage::Region { .. }, _)));
}

#[test]
fn memory_that_is_not_a_sealed_ring_is_refused_though_its_record_names_it() {
    let (bench, epoch, fds) = orphan();
    let raw = Raw::greeted(&bench);
    let refused = |data: &OwnedFd, fault| {
        name_in_record(&bench, epoch, data);
        bring(&raw, epoch, "gfx", [&fds[0], data]);
        assert_eq!(raw.refusal(), Refusal::Adoption(fault));
    };
    let geometry = crate::fixture::geometry(4, 4);
    let foreign = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
    let unsealed = foreign.producer_fds().unwrap().data;
    refused(&unsealed, AdoptionFault::Seals { actual: memfd::BIRTH_SEALS.bits() });
    let sealed = foreign.seal().unwrap();
    drop(sealed.consumer_fds().unwrap());
    // Sealed, and smaller than the record says: the control region tells first.
    let record = || bench.broker.shared.lock().left_records[&epoch].geometry;
    let slots = |slots| bench.broker.shared.lock().left_records.get_mut(&epoch).unwrap().geometry.slots = slots;
    let (control, octets) = (record().control_octets(), record().data_octets());
    slots(8);
    refused(&unsealed, AdoptionFault::Holes { octets: control });
    slots(4);
    // As large, and never faulted in: whoever touches it may be ended by that.
    let hollow = memfd::create("hollow", octets, Pages::Plain).unwrap();
    rustix::fs::fcntl_add_seals(&hollow, memfd::RING_SEALS).unwrap();
    refused(&hollow, AdoptionFault::Holes { octets: 0 });
    assert!(bench.broker.flows().is_empty());
}

#[test]
fn a_consumer_cannot_bring_the_ring_that_it_reads() {
    let (bench, epoch, fds) = orphan();
    let raw = Raw::greeted(&bench);
    // Of the same user, as pods often are.
    let read_only = |fd: &OwnedFd| memfd::read_only(fd.as_fd()).unwrap();
    let (control, data) = (read_only(&fds[0]), read_only(&fds[1]));
    for whole in [[&control, &data], [&control, &fds[1]], [&fds[0], &data]] {
        bring(&raw, epoch, "gfx", whole);
        assert_eq!(raw.refusal(), Refusal::Adoption(AdoptionFault::ReadOnly));
    }
    // What another user made is no ring of this gateway's. Only root can make it look so.
    if rustix::fs::fchown(&fds[1], Some(rustix::fs::Uid::from_raw(4711)), None).is_ok() {
        bring(&raw, epoch, "gfx", [&fds[0], &fds[1]]);
        assert_eq!(raw.refusal(), Refusal::Adoption(AdoptionFault::Owner { uid: 4711 }));
        rustix::fs::fchown(&fds[1], Some(rustix::process::geteuid()), None).unwrap();
    }
    bring(&raw, epoch, "gfx", [&fds[0], &fds[1]]);
    assert!(matches!(raw.hear(), (9, BrokerMessage::Adopted { .. }, _)));
}

#[test]
fn a_name_is_kept_until_its_users_producer_is_back_or_a_minute_has_passed() {
    let (bench, epoch, fds) = orphan();
    let uid = rustix::process::geteuid().as_raw();
    let owned_by = |uid| bench.broker.shared.lock().left_records.get_mut(&epoch).unwrap().uid = uid;
    let produced = || bench.session().produce(&name("gfx"), tiny(), Some(4));
    owned_by(uid + 1);
    let refused = produced().unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::NameKept)), "{refused}");
    // Other names are free, and so is this one for the operator and its own user.
    drop(bench.session().produce(&name("cam"), tiny(), Some(4)).unwrap());
    drop(bench.flow("gfx", 4));
    bench.broker.remove_flow(&name("gfx")).unwrap();
    owned_by(uid);
    drop(produced().unwrap());
    until("that flow ends", || bench.snapshot("gfx").is_none());
    let raw = Raw::greeted(&bench);
    bring(&raw, epoch, "gfx", [&fds[0], &fds[1]]);
    assert!(matches!(raw.hear(), (9, BrokerMessage::Adopted { .. }, _)));
    drop(raw);
    // Nobody brings it.
    let (bench, epoch, _fds) = orphan();
    bench.broker.shared.lock().left_records.get_mut(&epoch).unwrap().uid = uid + 1;
    assert!(bench.session().produce(&name("gfx"), tiny(), Some(4)).is_err());
    bench.broker.shared.lock().since -= adopting::RETURN;
    until("it is given up", || bench.session().produce(&name("gfx"), tiny(), Some(4)).is_ok());
    until("its record is removed", || records(&bench).is_empty());
}

#[test]
fn another_user_cannot_bring_a_ring() {
    let (bench, epoch, fds) = orphan();
    let uid = rustix::process::geteuid().as_raw();
    bench.broker.shared.lock().left_records.get_mut(&epoch).unwrap().uid = uid + 1;
    let raw = Raw::greeted(&bench);
    bring(&raw, epoch, "gfx", [&fds[0], &fds[1]]);
    assert_eq!(raw.refusal(), Refusal::Adoption(AdoptionFault::User { uid }));
    // Nor can one whom the kernel shows as everybody.
    bench.broker.shared.lock().left_records.get_mut(&epoch).unwrap().uid = uid;
    bench.broker.shared.lock().access.overflow = Some(uid);
    bring(&raw, epoch, "gfx", [&fds[0], &fds[1]]);
    assert_eq!(raw.refusal(), Refusal::Adoption(AdoptionFault::Unmapped { uid }));
}

#[test]
fn descriptors_that_belong_to_no_message_end_the_connection_and_are_closed() {
    let (bench, epoch, fds) = orphan();
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let raw = Raw::greeted(&bench);
    raw.say_with(&PodMessage::ListFlows { after: None }, 3, &[&write, &write]);
    assert!(raw.is_closed());
    for wrong in [vec![&write], vec![&write, &write, &write]] {
        let raw = Raw::greeted(&bench);
        raw.say_with(&PodMessage::Adopt { epoch, name: name("gfx") }, 3, &wrong);
        assert!(raw.is_closed());
    }
    drop(write);
    // Blocks until the last copy is closed.
    assert_eq!(rustix::io::read(&read, &mut [0_u8; 1]), Ok(0));
    // Without any it is told what is wrong.
    let raw = Raw::greeted(&bench);
    raw.say(&PodMessage::Adopt { epoch: 7, name: name("gfx") }, 3);
    assert_eq!(raw.refusal(), Refusal::Adoption(AdoptionFault::NoRecord));
    raw.say(&PodMessage::Adopt { epoch, name: name("gfx") }, 3);
    assert_eq!(raw.refusal(), Refusal::Adoption(AdoptionFault::Memory { inode: 0 }));
    drop(fds);
}

#[test]
fn files_that_are_no_records_are_ignored_and_counted() {
    let bench = Bench::new();
    let producer = bench.session().produce(&name("gfx"), tiny(), Some(4)).unwrap();
    let own = records(&bench).pop().unwrap();
    let whole = fs::read(&own).unwrap();
    let folder = own.parent().unwrap().to_owned();
    let Bench { dir, broker, .. } = bench;
    broker.stop();
    let name_of = |text: &str| folder.join(text);
    fs::write(name_of("noise.ring"), b"noise").unwrap();
    fs::write(name_of(&format!("{:032x}.ring", 7)), &whole).unwrap();
    fs::write(name_of(&format!("{:032x}.ring", 8)), &whole[..whole.len() - 1]).unwrap();
    fs::write(name_of(&format!("{:032x}.ring", 9)), vec![0; 1 << 20]).unwrap();
    fs::create_dir(name_of(&format!("{:032x}.ring", 10))).unwrap();
    std::os::unix::fs::symlink(&own, name_of(&format!("{:032x}.ring", 11))).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        name_of(&format!("{:032x}.ring", 12)),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    // What a broker was writing when it was killed is nobody's; what only looks like it is left.
    let half = name_of(&format!("{:032x}.ring.new", 13));
    fs::write(&half, &whole[..10]).unwrap();
    fs::write(name_of("noise.ring.new"), b"noise").unwrap();
    let bench = start(dir, |_| {});
    assert_eq!(bench.broker.counters().records_ignored, 8);
    assert!(!half.exists() && name_of("noise.ring.new").exists());
    until("the flow is taken over", || bench.snapshot("gfx").is_some());
    drop(producer);
    // A record that others could have written is none of ours.
    until("the flow ends", || bench.broker.flows().is_empty());
    until("its record is removed", || !own.exists());
    fs::write(&own, &whole).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o666)).unwrap();
    let bench = restarted(bench, |_| {});
    assert_eq!(bench.broker.counters().records_ignored, 9);
    // Nor is a folder.
    let Bench { dir, broker, .. } = bench;
    broker.stop();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = Broker::start(config(dir.path()), |_| {}).unwrap_err();
    let uid = rustix::process::geteuid().as_raw();
    assert!(matches!(refused, BrokerError::RecordsNotOurs { uid: owner, mode, .. } if (owner, mode) == (uid, 0o40777)));
    assert!(refused.to_string().contains("mode 40777"), "{refused}");
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&folder, &elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    let refused = Broker::start(config(dir.path()), |_| {}).unwrap_err();
    assert!(matches!(refused, BrokerError::RecordsNotOurs { mode: 0o120777, .. }), "a link: {refused}");
    let mut elsewhere = config(dir.path());
    elsewhere.records = Some(dir.path().join("missing/rings"));
    let refused = Broker::start(elsewhere, |_| {}).unwrap_err();
    assert!(matches!(refused, BrokerError::Records { .. }), "{refused}");
    assert!(refused.to_string().contains("parent must exist"), "{refused}");
}

#[test]
fn a_producer_whose_record_is_lost_goes_on_alone() {
    let bench = Bench::new();
    let session = bench.session();
    let worker = Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut pod = session.subscribe(&name("gfx"), leased(1)).unwrap();
    let record = records(&bench).pop().unwrap();
    let Bench { dir, broker, .. } = bench;
    broker.stop();
    fs::remove_file(record).unwrap();
    let bench = start(dir, |_| {});
    let refusal = Refusal::Adoption(AdoptionFault::NoRecord);
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(bench.event(), FlowEvent::NotAdopted { name: name("gfx"), uid, refusal });
    assert_eq!(bench.broker.counters().adoptions_refused, 1);
    for index in 1..20 {
        worker.write(index);
        check(pod.reader(), index);
    }
    let producer = worker.stop();
    until("its producer is told", || producer.stranded() == Some(refusal));
    assert!(producer.broker_gone());
    assert!(bench.broker.flows().is_empty());
}
