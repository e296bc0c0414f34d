//! A client that keeps to nothing. Whatever it does, the broker serves the others.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicUsize;

use rustix::fs::{FallocateFlags, SealFlags};
use rustix::io::Errno;

use super::raw::Raw;
use super::*;
use crate::Mapping;
use crate::protocol::{BrokerMessage, MAX_MESSAGE_OCTETS, PodMessage, RingRequest, Version};
use crate::seqpacket::Wait;
use crate::{AttachError, LeasePage, SessionError};

/// The broker still does all that it should.
fn serves(bench: &Bench) {
    let worker = bench.flow("honest", 4);
    let mut reader = bench.session().subscribe(&name("honest"), leased(1)).unwrap();
    worker.write(1);
    check(reader.reader(), 1);
    drop(reader);
    until("the seat comes free", || bench.consumers("honest").is_empty());
    bench.broker.remove_flow(&name("honest")).unwrap();
}

#[test]
fn what_is_no_message_or_out_of_turn_ends_the_connection() {
    let bench = Bench::new();
    let hello = PodMessage::Hello { min: 1, max: 2 }.encode(1, Version::V1).unwrap();
    let cut = &hello[..hello.len() - 1];
    let out_of_turn = PodMessage::ListFlows { after: None }.encode(1, Version::V2).unwrap();
    let backwards = BrokerMessage::Welcome { version: 1, ring_abi: 1 }.encode(1, Version::V2).unwrap();
    let overlong = vec![1; MAX_MESSAGE_OCTETS + 1];
    let first: [&[u8]; 6] = [b"GET / HTTP/1.0", &[0; 8], cut, &out_of_turn, &backwards, &overlong];
    for octets in first {
        let raw = Raw::connect(&bench);
        raw.socket.send(octets, &[], Wait::Block).unwrap();
        assert!(raw.is_closed(), "{octets:?}");
    }
    let second = [hello.clone(), PodMessage::Mapped { epoch: 7 }.encode(1, Version::V2).unwrap(), vec![0xff; 100]];
    for octets in &second {
        let raw = Raw::greeted(&bench);
        raw.socket.send(octets, &[], Wait::Block).unwrap();
        assert!(raw.is_closed(), "{octets:?}");
    }
    assert_eq!(bench.broker.counters().protocol_errors, 9);
    serves(&bench);
}

#[test]
fn another_version_is_told_which_would_work() {
    let bench = Bench::new();
    let raw = Raw::connect(&bench);
    raw.say(&PodMessage::Hello { min: 7, max: 9 }, 1);
    assert_eq!(raw.refusal(), Refusal::Version { min: 1, max: 2 });
    assert!(raw.is_closed());
    serves(&bench);
}

#[test]
fn descriptors_that_nobody_asked_for_are_refused_or_end_the_connection_and_are_closed() {
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let message = PodMessage::ListFlows { after: None }.encode(2, Version::V2).unwrap();
    match raw.socket.send(&message, &[write.as_fd(), write.as_fd()], Wait::Block) {
        Err(errno) => assert_eq!(errno, Errno::PERM),
        // A kernel before 6.16.
        Ok(()) => assert!(raw.is_closed()),
    }
    drop((raw, write));
    // Blocks until the last copy is closed.
    assert_eq!(rustix::io::read(&read, &mut [0_u8; 1]), Ok(0));
    serves(&bench);
}

#[test]
fn a_flood_that_reads_no_answers_ends_and_one_that_reads_is_bounded() {
    let bench = Bench::with(|config| config.limits.requests = 4);
    let _idle = bench.broker.create_flow(&name("idle"), tiny(), Some(8)).unwrap();
    let deaf = Raw::greeted(&bench);
    let list = PodMessage::ListFlows { after: None }.encode(2, Version::V2).unwrap();
    until("the connection is closed", || {
        let _ = deaf.socket.send(&list, &[], Wait::Never);
        bench.broker.counters().stuck == 1
    });
    let eager = Raw::greeted(&bench);
    for request in 1..=6 {
        eager.subscribe("idle", ConsumerClass::Lossy, request);
    }
    assert_eq!(eager.refusal(), Refusal::Requests { limit: 4 });
    assert_eq!(eager.refusal(), Refusal::Requests { limit: 4 });
    serves(&bench);
    for _ in 0..4 {
        assert!(matches!(eager.refusal(), Refusal::WriterSilent { .. }));
    }
    // The requests are answered: there is room again.
    eager.subscribe("none", ConsumerClass::Lossy, 9);
    assert_eq!(eager.refusal(), Refusal::NoSuchFlow);
}

#[test]
fn who_says_nothing_or_never_maps_loses_its_turn() {
    let bench = Bench::with(|config| config.limits.answer_ms = 50);
    let mute = Raw::connect(&bench);
    assert!(mute.is_closed());
    let lazy = Raw::greeted(&bench);
    let (epoch, fds) = lazy.produce("gfx");
    assert_eq!(lazy.refusal(), Refusal::NotMapped { waited_ms: 50 });
    assert!(bench.broker.flows().is_empty());
    // Its late acknowledgement is of nothing.
    lazy.say(&PodMessage::Mapped { epoch }, 2);
    assert!(lazy.is_closed());
    drop(fds);
    assert_eq!(bench.broker.counters().silent, 2);
    serves(&bench);
}

#[test]
fn closing_in_the_middle_of_the_dance_frees_the_name() {
    let bench = Bench::new();
    let early = Raw::greeted(&bench);
    early.say(&PodMessage::Produce(RingRequest::new(name("gfx"), tiny())), 2);
    drop(early);
    until("the name is free", || bench.session().produce(&name("gfx"), tiny(), Some(4)).is_ok());
    until("that flow ends", || bench.broker.flows().is_empty());
    let offered = Raw::greeted(&bench);
    let _kept = offered.produce("gfx");
    let refused = bench.session().produce(&name("gfx"), tiny(), Some(4)).unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::NameTaken)), "{refused}");
    drop(offered);
    until("the name is free", || bench.session().produce(&name("gfx"), tiny(), Some(4)).is_ok());
    // A consumer that asks and leaves.
    let worker = bench.flow("cam", 8);
    for _ in 0..20 {
        let raw = Raw::greeted(&bench);
        raw.subscribe("cam", leased(1), 2);
    }
    until("all seats come free", || bench.consumers("cam").is_empty());
    assert_eq!(worker.accounts().leased, 0);
    assert!(bench.broker.shared.lock().makings.is_empty());
}

#[test]
fn a_producer_that_seals_first_gets_no_flow() {
    let bench = Bench::new();
    for seals in [SealFlags::SEAL, SealFlags::FUTURE_WRITE.union(SealFlags::SEAL)] {
        for which in 0..2 {
            let raw = Raw::greeted(&bench);
            let (epoch, fds) = raw.produce("gfx");
            rustix::fs::fcntl_add_seals(&fds[which], seals).unwrap();
            raw.say(&PodMessage::Mapped { epoch }, 2);
            assert_eq!(raw.refusal(), Refusal::NotSealed);
            assert!(bench.broker.flows().is_empty());
        }
    }
    serves(&bench);
}

/// The octets of a ring that `Raw::produce` asks for.
fn asked_octets() -> u64 {
    making::plan(&name("gfx"), tiny().into(), 4, 1).unwrap().octets()
}

#[test]
fn what_a_producer_keeps_of_a_ring_that_became_no_flow_counts() {
    let bench = Bench::with(|config| config.limits.octets_per_uid = 3 * asked_octets());
    let mut kept = Vec::new();
    // Sealed first; given up while it is sealed; withdrawn when it is a flow.
    for which in 0..3 {
        let raw = Raw::greeted(&bench);
        let (epoch, fds) = raw.produce("gfx");
        match which {
            0 => {
                rustix::fs::fcntl_add_seals(&fds[1], SealFlags::SEAL).unwrap();
                raw.say(&PodMessage::Mapped { epoch }, 2);
                assert_eq!(raw.refusal(), Refusal::NotSealed);
            }
            1 => {
                // In one step, so that the mason cannot be faster.
                let mut state = bench.broker.shared.lock();
                let connection = state.makings[&epoch].connection().unwrap();
                assert!(state.mapped(connection, epoch));
                state.disconnect(connection);
            }
            _ => {
                raw.say(&PodMessage::Mapped { epoch }, 2);
                raw.say(&PodMessage::Withdraw { epoch }, 0);
            }
        }
        kept.push(fds);
        until("it is put aside", || bench.broker.shared.lock().remainders.len() == kept.len());
    }
    let raw = Raw::greeted(&bench);
    raw.say(&PodMessage::Produce(RingRequest { slots: Some(4), ..RingRequest::new(name("gfx"), tiny()) }), 2);
    assert!(matches!(raw.refusal(), Refusal::UserMemory { left: 0, .. }));
    drop(kept);
    raw.produce("gfx");
}

/// Holds the thread that makes regions until it is let go.
struct Gate(Mutex<Receiver<()>>, Arc<AtomicUsize>);

impl PlacementHooks for Gate {
    fn place(&self, _: BorrowedFd<'_>, _: u64) -> std::io::Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

#[test]
fn who_asks_for_rings_and_leaves_queues_no_more_work_than_it_may_have() {
    let (open, gate) = mpsc::channel();
    let begun = Arc::new(AtomicUsize::new(0));
    let hooks = Box::new(Gate(Mutex::new(gate), Arc::clone(&begun)));
    let bench = Bench::placed(|config| config.limits.octets_per_uid = 3 * asked_octets(), hooks);
    let ask = || {
        let raw = Raw::greeted(&bench);
        let ring = RingRequest { slots: Some(4), ..RingRequest::new(name("gfx"), tiny()) };
        raw.say(&PodMessage::Produce(ring), 2);
        raw
    };
    for asked in 1..=3 {
        let raw = ask();
        until("the mason has begun with the first", || begun.load(Ordering::Relaxed) == 1);
        drop(raw);
        // Its name is free again; its memory is not.
        until("the broker saw it leave", || {
            let state = bench.broker.shared.lock();
            state.makings.len() == asked && state.makings.values().all(making::Making::is_abandoned)
        });
    }
    assert!(matches!(ask().refusal(), Refusal::UserMemory { left: 0, .. }));
    assert_eq!(bench.broker.shared.lock().makings.len(), 3);
    drop(open);
    until("the mason has seen that nobody waits", || bench.broker.shared.lock().makings.is_empty());
    assert_eq!(begun.load(Ordering::Relaxed), 1, "only the first was begun");
    assert!(matches!(ask().hear(), (2, BrokerMessage::Region { .. }, _)));
}

#[test]
fn holes_that_were_punched_before_the_seal_are_filled() {
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let (epoch, fds) = raw.produce("gfx");
    let octets = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| (stat.st_blocks * 512, stat.st_size)).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&fds[1], punch, 0, octets(&fds[1]).1 as u64).unwrap();
    assert_eq!(octets(&fds[1]).0, 0);
    raw.say(&PodMessage::Mapped { epoch }, 2);
    assert!(matches!(raw.hear(), (2, BrokerMessage::Produced { .. }, _)));
    let (held, size) = octets(&fds[1]);
    assert!(held >= size, "{held} of {size} octets are there");
    // And none can be punched any more, nor a new way to write be made.
    assert_eq!(rustix::fs::fallocate(&fds[1], punch, 0, 4096), Err(Errno::PERM));
    assert!(Mapping::map(fds[1].as_fd(), 4096, Access::ReadWrite).is_err());
}

#[test]
fn a_producer_that_lies_about_joins_harms_only_its_own_flow() {
    let bench = Bench::with(|config| config.limits.join_ms = 300);
    let raw = Raw::greeted(&bench);
    let (epoch, _fds) = raw.produce("gfx");
    raw.say(&PodMessage::Mapped { epoch }, 2);
    assert!(matches!(raw.hear(), (2, BrokerMessage::Produced { .. }, _)));
    let worker = bench.flow("cam", 8);
    let honest = bench.session().subscribe(&name("cam"), leased(1)).unwrap();
    // Answers for joins that are not its own, or do not exist.
    for join in 0..50 {
        raw.say(&PodMessage::Left { join }, 0);
        raw.say(&PodMessage::Evicted { join, end: GrainIndex(0) }, 0);
        raw.say(&PodMessage::NotJoined { join }, 0);
        raw.say(&PodMessage::Joined { join, first: GrainIndex(0) }, 0);
    }
    raw.say(&PodMessage::Withdraw { epoch: 1 }, 0);
    let victim = bench.session();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| victim.subscribe(&name("gfx"), leased(1)));
        let (_, message, fds) = raw.hear();
        let BrokerMessage::Join { join, consumer, .. } = message else { panic!("{message:?}") };
        assert_eq!((consumer, fds.len()), (0, 4));
        // The lease page is read-only here, and cannot be made larger or smaller.
        assert!(LeasePage::map_received(&fds[0], Access::ReadWrite).is_err());
        // Noise in the life pipes says nothing.
        rustix::io::write(&fds[2], b"noise").unwrap();
        // It says that the consumer is in, and has not let it in.
        raw.say(&PodMessage::Joined { join, first: GrainIndex(3) }, 0);
        let refused = asked.join().unwrap().unwrap_err();
        // It never wrote a header either.
        let lied = matches!(refused, SessionError::Attach(AttachError::Header { .. } | AttachError::NotJoined));
        assert!(lied, "{refused}");
    });
    // Never answering is refused after a while.
    let silent = bench.session().subscribe(&name("gfx"), ConsumerClass::Lossy).unwrap_err();
    assert!(matches!(silent, SessionError::Refused(Refusal::WriterSilent { waited_ms: 300 })), "{silent}");
    worker.write(1);
    assert!(!honest.producer_gone());
    assert_eq!(bench.consumers("cam").len(), 1);
    assert!(matches!(bench.consumers("cam")[0].state, ConsumerState::Live { .. }));
    drop(raw);
    until("its flow ends", || bench.snapshot("gfx").is_none());
    serves(&bench);
}

#[test]
fn a_consumer_cannot_reach_more_than_its_lease_page() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let raw = Raw::greeted(&bench);
    raw.subscribe("cam", leased(1), 2);
    let (_, message, fds) = raw.hear();
    assert!(matches!(message, BrokerMessage::Subscribed { .. }), "{message:?}");
    let [control, data, page, life, _producer, _bell] = &fds[..] else { panic!("{}", fds.len()) };
    for ring in [control, data] {
        assert!(Mapping::map(ring.as_fd(), 4096, Access::ReadWrite).is_err());
        // Root, or the same user, can open it again for writing; the seal holds all the same.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(ring));
        if let Ok(writable) = rustix::fs::open(path.as_str(), rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty()) {
            assert!(Mapping::map(writable.as_fd(), 4096, Access::ReadWrite).is_err());
            assert_eq!(rustix::io::pwrite(&writable, b"x", 0), Err(Errno::PERM));
        }
    }
    assert_eq!(rustix::fs::ftruncate(page, 0), Err(Errno::PERM));
    assert_eq!(rustix::fs::ftruncate(page, 1 << 30), Err(Errno::PERM));
    // Garbage in the page stalls nobody; writing into the life pipe neither.
    rustix::io::write(life, b"noise").unwrap();
    for garbage in [u64::MAX, 1 << 47, 0] {
        rustix::io::pwrite(page, &garbage.to_le_bytes().repeat(512), 0).unwrap();
        for index in 0..20 {
            let next = bench.snapshot("cam").unwrap().newest.map_or(1, |newest| newest.0 + 1);
            worker.write(next + index);
        }
    }
    drop(fds);
    until("the seat comes free", || bench.consumers("cam").is_empty());
    let accounts = worker.accounts();
    assert_eq!((accounts.leased, accounts.quarantined, accounts.free + accounts.done), (0, 0, 8));
    serves(&bench);
}
