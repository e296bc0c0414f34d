//! What the SDK says to wrong questions: one test for each line of the table in docs/sdk.md.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "torture/stage.rs"]
#[allow(dead_code, reason = "shared with the torture test")]
mod stage;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use media::{GrainIndex, Rate, VideoFormat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use shm::broker::{FlowRule, Who};
use shm::protocol::{BrokerMessage, Version};
use shm::{
    Broker, BrokerConfig, ClassError, Consumer, ConsumerClass, GrainStamp, OpenError, PagePolicy, ProduceError,
    Producer, Refusal, Session, SessionError, SubscribeOptions, WaitError,
};

use stage::{Stage, leased, name, tiny};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A flow of a pod, and a consumer of it.
fn pair(stage: &Stage) -> (Session, Producer, Consumer) {
    let session = Session::connect(&stage.socket()).unwrap();
    let mut producer = session.produce(&name("gfx"), tiny(), Some(8)).unwrap();
    let consumer = while_polling(&mut producer, || session.subscribe(&name("gfx"), leased(2))).unwrap();
    (session, producer, consumer)
}

/// Runs `ask` while the producer looks after its consumers.
fn while_polling<T: Send>(producer: &mut Producer, ask: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let asking = scope.spawn(ask);
        while !asking.is_finished() {
            producer.poll();
            thread::sleep(Duration::from_millis(1));
        }
        asking.join().unwrap()
    })
}

fn write(producer: &mut Producer, index: GrainIndex) -> Result<(), ProduceError> {
    producer.open(index, GrainStamp::default()).map(shm::Grain::commit)
}

#[test]
fn a_grain_out_of_order() {
    let stage = Stage::new();
    let (_session, mut producer, _consumer) = pair(&stage);
    let last = producer.index_now();
    write(&mut producer, last).unwrap();
    let index = GrainIndex(last.0 - 1);
    assert_eq!(write(&mut producer, index), Err(ProduceError::Open(OpenError::NotMonotone { index, last })));
    write(&mut producer, GrainIndex(last.0 + 1)).unwrap();
}

#[test]
fn a_grain_that_was_skipped() {
    let stage = Stage::new();
    let (_session, mut producer, mut consumer) = pair(&stage);
    let first = producer.index_now().0;
    for index in [first, first + 2] {
        write(&mut producer, GrainIndex(index)).unwrap();
    }
    assert_eq!(consumer.next(soon()).unwrap().index(), GrainIndex(first));
    let hole = consumer.get(GrainIndex(first + 1)).unwrap_err();
    assert!(hole.to_string().contains("gone"), "{hole}");
    assert_eq!(consumer.next(soon()).unwrap().index(), GrainIndex(first + 2));
}

#[test]
fn a_grain_a_day_ahead() {
    let stage = Stage::new();
    let (_session, mut producer, _consumer) = pair(&stage);
    let day = GrainIndex(producer.index_now().0 + 25 * 86_400);
    let error = write(&mut producer, day).unwrap_err();
    let ProduceError::TooFarAhead { index, now, limit } = error else { panic!("{error}") };
    assert_eq!((index, limit.0 - now.0), (day, 250));
    assert!([index, now, limit].iter().all(|value| error.to_string().contains(&value.to_string())), "{error}");
    write(&mut producer, now).unwrap();
}

#[test]
fn a_grain_that_stops_in_the_middle() {
    let stage = Stage::new();
    let (_session, mut producer, mut consumer) = pair(&stage);
    let index = producer.index_now();
    let mut grain = producer.open(index, GrainStamp::default()).unwrap();
    grain.publish(2);
    let key = grain.keep();
    let lease = consumer.next(soon()).unwrap();
    let late = consumer.wait(&lease, 4, Instant::now()).unwrap_err();
    assert_eq!(late, WaitError::TimedOut { index, slices: 4, reached: Some(2) });
    drop(producer.grain(key).unwrap());
    let state = consumer.wait(&lease, 4, soon()).unwrap();
    assert!(state.cancelled && state.slices == 2, "given up: {state:?}");
    producer.open(GrainIndex(index.0 + 1), GrainStamp::default()).unwrap().keep();
    let lease = consumer.next(soon()).unwrap();
    drop(producer);
    let gone = consumer.wait(&lease, 4, soon()).unwrap_err();
    assert_eq!(gone, WaitError::ProducerGone { index: lease.index() });
}

/// A step back of the clock by `back` grains looks like this: the present is before what was written.
#[test]
fn a_clock_that_steps_back() {
    let stage = Stage::new();
    let (_session, mut producer, _consumer) = pair(&stage);
    let last = GrainIndex(producer.index_now().0 + 200);
    write(&mut producer, last).unwrap();
    let index = producer.index_now();
    let error = write(&mut producer, index).unwrap_err();
    assert_eq!(error, ProduceError::Open(OpenError::NotMonotone { index, last }));
    assert!(error.to_string().contains(&last.to_string()), "{error}");
    // A new epoch begins with any index.
    producer.succeed(tiny(), None).unwrap();
    write(&mut producer, index).unwrap();
}

#[test]
fn a_flow_that_does_not_exist() {
    let stage = Stage::new();
    let session = Session::connect(&stage.socket()).unwrap();
    let error = session.subscribe(&name("none"), leased(1)).unwrap_err();
    assert!(matches!(error, SessionError::Refused(Refusal::NoSuchFlow)), "{error}");
}

#[test]
fn a_flow_of_another_format() {
    let stage = Stage::new();
    let (session, mut producer, _consumer) = pair(&stage);
    let wider = VideoFormat::new(32, 4, tiny().sampling(), tiny().depth(), Rate::new(50, 1).unwrap()).unwrap();
    let options = SubscribeOptions { expect: Some(wider.into()), ..leased(1).into() };
    let error = while_polling(&mut producer, || session.subscribe_with(&name("gfx"), options)).unwrap_err();
    let SessionError::Format { expected, found } = &error else { panic!("{error}") };
    assert_eq!((*expected, *found), (wider.into(), tiny().into()));
    assert!(error.to_string().contains("16x4p25") && error.to_string().contains("32x4p50"), "{error}");
}

#[test]
fn a_class_that_nobody_can_be_of() {
    let stage = Stage::new();
    let (session, _producer, _consumer) = pair(&stage);
    let deadline = |deadline_nanos| ConsumerClass::Leased { k: 2, deadline_nanos };
    let cases = [
        (leased(0), ClassError::NoGrains),
        (ConsumerClass::Blocking { k: 0 }, ClassError::NoGrains),
        (deadline(0), ClassError::Deadline { nanos: 0 }),
        (deadline(-5), ClassError::Deadline { nanos: -5 }),
    ];
    for (class, wanted) in cases {
        let error = session.subscribe(&name("gfx"), class).unwrap_err();
        assert!(matches!(error, SessionError::Class(found) if found == wanted), "{error}");
    }
    // The gateway still listens.
    assert_eq!(session.flows().unwrap().len(), 1);
}

fn broker(change: impl FnOnce(&mut BrokerConfig)) -> (tempfile::TempDir, Broker, Session) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
    config.page_policy = PagePolicy::PlainOnly;
    change(&mut config);
    let broker = Broker::start(config, |_| {}).unwrap();
    let session = Session::connect(&dir.path().join("broker.sock")).unwrap();
    (dir, broker, session)
}

#[test]
fn a_flow_that_is_not_allowed() {
    let me = rustix::process::geteuid().as_raw();
    let (_dir, _broker, session) = broker(|config| config.rules = vec![nobody("secret*")]);
    let error = session.produce(&name("secret-1"), tiny(), Some(8)).unwrap_err();
    let SessionError::Refused(Refusal::Flow { uid, .. }) = &error else { panic!("{error}") };
    assert_eq!(*uid, me);
    assert!(error.to_string().contains("secret-1"), "{error}");
    assert!(session.produce(&name("open-1"), tiny(), Some(8)).is_err(), "what no rule names is nobody's");
}

fn nobody(pattern: &str) -> FlowRule {
    let none = || Who::Listed { uids: Vec::new(), gids: Vec::new() };
    FlowRule { flows: pattern.parse().unwrap(), read: none(), produce: none() }
}

#[test]
fn hugepages_that_are_exhausted() {
    let free = std::fs::read_to_string("/proc/meminfo").unwrap();
    let free = free.lines().find_map(|line| line.strip_prefix("HugePages_Free:")?.trim().parse::<u64>().ok());
    if free.unwrap_or(0) >= 1024 {
        println!("SKIPPED: {free:?} hugepages are free, which no ring of this test exhausts");
        return;
    }
    let (_dir, _broker, session) = broker(|config| {
        config.page_policy = PagePolicy::HugeOnly;
        config.limits.ring_octets = 1 << 40;
        config.limits.pod_octets = 1 << 40;
        config.limits.octets_per_uid = 1 << 40;
    });
    let error = session.produce(&name("gfx"), tiny(), Some(1024)).unwrap_err();
    let SessionError::Refused(Refusal::Memory { octets, errno }) = &error else { panic!("{error}") };
    assert_eq!(*octets, 1024 << 21);
    assert_ne!(*errno, 0);
}

#[test]
fn a_socket_whose_folder_is_missing() {
    let missing = Path::new("/nowhere/at/all/broker.sock");
    let error = Session::connect(missing).unwrap_err();
    let SessionError::Connect { path, source } = &error else { panic!("{error}") };
    assert_eq!((&**path, *source), (missing, Errno::NOENT));
    assert!(error.to_string().contains("start flypackd"), "{error}");
}

/// A gateway of times to come, which speaks versions 7 to 9 only.
#[test]
fn a_gateway_of_another_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let gateway = thread::spawn(move || {
        let pod = rustix::net::accept(&listener).unwrap();
        let mut hello = [0_u8; 4096];
        rustix::net::recv(&pod, &mut hello, RecvFlags::empty()).unwrap();
        let request = u32::from_le_bytes(hello[4..8].try_into().unwrap());
        let no = BrokerMessage::Refused(Refusal::Version { min: 7, max: 9 });
        rustix::net::send(&pod, &no.encode(request, Version::OLDEST).unwrap(), SendFlags::empty()).unwrap();
    });
    let error = Session::connect(&path).unwrap_err();
    assert!(matches!(error, SessionError::Refused(Refusal::Version { min: 7, max: 9 })), "{error}");
    gateway.join().unwrap();
}
