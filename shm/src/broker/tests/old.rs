//! Version 1 of the protocol: pods of old SDKs against this broker, and this SDK against an old gateway. What the old
//! side says is written here octet by octet, as it was when there was no other version.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::listener::{Listener, Lock};
use super::raw::Raw;
use super::*;
use crate::fixture::TestRing;
use crate::protocol::{BrokerMessage, PodMessage, Version};
use crate::seqpacket::{Received, SeqPacket, Wait};
use crate::{FlowOrigin, LeasePage, Mail, Mapping, Notice, SessionError, SubscribeOptions, WakeMode};

/// `kind u16, octets u16, request u32`, then the parts of the body.
fn message(kind: u16, request: u32, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let octets = 8 + body.len() as u16;
    [&kind.to_le_bytes()[..], &octets.to_le_bytes(), &request.to_le_bytes(), &body].concat()
}

/// A name in its field of 65 octets.
fn name_field(text: &str) -> Vec<u8> {
    let mut field = vec![text.len() as u8];
    field.extend(text.as_bytes());
    field.resize(65, 0);
    field
}

/// `tiny()` as 16 octets.
const TINY: [u8; 16] = [1, 10, 16, 0, 4, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0];
/// A lease of two grains without a deadline.
const LEASED: [u8; 12] = [1, 0, 2, 0, 255, 255, 255, 255, 255, 255, 255, 127];
const HELLO: [u8; 12] = [1, 0, 12, 0, 1, 0, 0, 0, 1, 0, 1, 0];

fn greeted(bench: &Bench) -> Raw {
    let raw = Raw::connect(bench);
    raw.say_octets(&HELLO);
    let welcome = [1, 0x80, 18, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(raw.hear_octets().0, welcome);
    raw
}

#[test]
fn an_old_pod_lists_and_reads() {
    let bench = Bench::new();
    let worker = bench.flow("cam", 8);
    let audio = media::AudioFormat::new(2, 48_000, media::AudioDepth::L16, 48).unwrap();
    let _mic = bench.broker.create_flow(&name("mic"), audio, Some(8)).unwrap();
    let seen = bench.session().flows().unwrap();
    assert_eq!(seen.iter().map(|flow| flow.format).collect::<Vec<_>>(), [tiny().into(), audio.into()]);
    let pod = greeted(&bench);
    // It is shown what it knows.
    pod.say_octets(&message(5, 6, &[&name_field("mic"), &LEASED]));
    assert_eq!(pod.hear_octets().0, message(0x8007, 6, &[&[8, 0], &[0; 24]]));
    pod.say_octets(&message(2, 7, &[&[0; 65]]));
    let (list, fds) = pod.hear_octets();
    assert_eq!((list.len(), fds.len()), (8 + 2 + 110, 0));
    let of_gateway = [0; 9];
    let id = *bench.snapshot("cam").unwrap().id.octets().first_chunk::<16>().unwrap();
    let entry = [&name_field("cam")[..], &id, &TINY, &of_gateway, &[8, 0, 0, 0]];
    assert_eq!(list, message(0x8002, 7, &[&[0, 1], &entry.concat()]));

    pod.say_octets(&message(5, 8, &[&name_field("cam"), &LEASED]));
    let (subscribed, fds) = pod.hear_octets();
    assert_eq!((&subscribed[..8], fds.len()), (&[5, 0x80, 0x6e, 0, 8, 0, 0, 0][..], 5));
    // Spare octets of the geometry are still 0.
    assert_eq!(subscribed[8 + 73..8 + 76], [0; 3]);
    let (_, answer) = BrokerMessage::decode(&subscribed, Version::V1).unwrap();
    let BrokerMessage::Subscribed { geometry, trust, consumer, nonce, .. } = answer else { panic!("{answer:?}") };
    let [control, data, page, life, producer] = <[OwnedFd; 5]>::try_from(fds).unwrap();
    let parts = ReaderParts {
        geometry,
        control: Mapping::map(control.as_fd(), geometry.control_octets(), Access::ReadOnly).unwrap(),
        data: Mapping::map(data.as_fd(), geometry.data_octets(), Access::ReadOnly).unwrap().into(),
        lease: LeasePage::map_received(&page, Access::ReadWrite).unwrap(),
        consumer,
        class: leased(2),
        nonce,
        trust,
        life: Some(life),
    };
    let mut reader = FrameReader::new(parts).unwrap();
    for index in 1..30 {
        worker.write(index);
        check(&mut reader, index);
    }
    drop((reader, producer));
    until("the seat comes free", || bench.consumers("cam").is_empty());
}

#[test]
fn an_old_pod_produces_and_lets_consumers_in() {
    let bench = Bench::new();
    let pod = greeted(&bench);
    pod.say_octets(&message(3, 2, &[&name_field("gfx"), &[0, 8, 0], &TINY]));
    let (region, fds) = pod.hear_octets();
    assert_eq!((&region[..8], fds.len()), (&[3, 0x80, 0x5c, 0, 2, 0, 0, 0][..], 2));
    let (_, BrokerMessage::Region { geometry }) = BrokerMessage::decode(&region, Version::V1).unwrap() else {
        panic!()
    };
    let map = |fd: &OwnedFd, octets| Mapping::map(fd.as_fd(), octets, Access::ReadWrite).unwrap();
    let (control, data) = (map(&fds[0], geometry.control_octets()), map(&fds[1], geometry.data_octets()));
    let mailbox = Arc::new(Mailbox::new());
    let mut writer = FrameWriter::new(geometry, control, data, Arc::clone(&mailbox)).unwrap();
    let epoch = geometry.epoch.to_le_bytes();
    pod.say_octets(&message(4, 2, &[&epoch]));
    assert_eq!(pod.hear_octets().0, message(0x8004, 2, &[&epoch]));
    assert_eq!(bench.snapshot("gfx").unwrap().wake, WakeMode::None);

    let session = bench.session();
    let mut consumer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| session.subscribe(&name("gfx"), leased(2)).unwrap());
        let (join, fds) = pod.hear_octets();
        assert_eq!((&join[..8], fds.len()), (&[6, 0x80, 0x35, 0, 0, 0, 0, 0][..], 3));
        assert_eq!((&join[16..32], &join[33..45]), (&epoch[..], &LEASED[..]));
        let (number, seat, nonce) = (&join[8..16], join[32], u64::from_le_bytes(join[45..53].try_into().unwrap()));
        let lease = Arc::new(LeasePage::map_received(&fds[0], Access::ReadOnly).unwrap());
        let mail = Mail::Join { consumer: seat, class: leased(2), start: Start::Live, lease, nonce };
        mailbox.post(mail).unwrap();
        writer.poll(Tai::EPOCH);
        let Some(Notice::Joined { eff, .. }) = mailbox.take_notice() else { panic!() };
        pod.say_octets(&message(6, 0, &[number, &eff.0.to_le_bytes()]));
        // Its end of its life pipe goes with it.
        (asked.join().unwrap(), fds)
    });
    for index in 1..30 {
        write(&mut writer, index, tiny().height(), Tai::EPOCH).unwrap();
        check(consumer.0.reader(), index);
    }
    assert_eq!(consumer.0.wake_mode(), WakeMode::None);
    // What it does not know is not said to it.
    let oldest = SubscribeOptions { start: Start::Oldest, ..leased(1).into() };
    let refused = session.subscribe_with(&name("gfx"), oldest).unwrap_err();
    assert!(matches!(refused, SessionError::Refused(Refusal::LiveOnly)), "{refused}");
    let refused = bench.broker.evict(&name("gfx"), 0).unwrap_err();
    assert!(matches!(refused, EvictError::OldProducer { .. }), "{refused}");
    assert!(bench.snapshot("gfx").is_some());
}

#[test]
fn an_old_pod_is_told_of_new_refusals_in_old_words() {
    let bench = Bench::new();
    let pod = greeted(&bench);
    // It begins with the version's own refusals, of unchanged octets.
    pod.say_octets(&message(5, 8, &[&name_field("none"), &LEASED]));
    let no_such_flow = [&8_u16.to_le_bytes()[..], &[0; 24]].concat();
    assert_eq!(pod.hear_octets().0, message(0x8007, 8, &[&no_such_flow]));
    // And what only the second version says ends its connection.
    pod.say_octets(&message(12, 9, &[&[0; 16], &name_field("gfx")]));
    assert!(pod.is_closed());
    assert_eq!(bench.broker.counters().protocol_errors, 1);
}

/// A gateway that speaks version 1 only, for one connection.
struct OldGateway {
    listener: Listener,
    _lock: Lock,
}

impl OldGateway {
    fn start(dir: &TempDir) -> Self {
        let access = SocketAccess::new(0o600, None, &[]).unwrap();
        let (listener, _lock) = Listener::open(&dir.path().join("broker.sock"), &access).unwrap();
        Self { listener, _lock }
    }

    /// The next connection, greeted.
    fn accept(&self) -> Raw {
        let mut found = None;
        until("somebody connects", || {
            found = self.listener.accept().unwrap();
            found.is_some()
        });
        let socket = SeqPacket::from_fd(found.unwrap());
        rustix::io::ioctl_fionbio(&socket, false).unwrap();
        let raw = Raw { socket, version: Version::V1 };
        // It speaks 1 to 2, and this gateway 1.
        assert_eq!(raw.hear_octets().0, [1, 0, 12, 0, 1, 0, 0, 0, 1, 0, 2, 0]);
        raw.say_octets(&message(0x8001, 1, &[&[1, 0], &1_u64.to_le_bytes()]));
        raw
    }
}

fn send(raw: &Raw, octets: &[u8], fds: &[BorrowedFd<'_>]) {
    raw.socket.send(octets, fds, Wait::Block).unwrap();
}

#[test]
fn this_sdk_lists_and_reads_at_an_old_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = OldGateway::start(&dir);
    let mut ring = TestRing::new(8, 4);
    std::thread::scope(|scope| {
        let pod = scope.spawn(|| {
            let session = Session::connect(&dir.path().join("broker.sock")).unwrap();
            let flows = session.flows().unwrap();
            let audio = media::AudioFormat::new(2, 48_000, media::AudioDepth::L16, 48).unwrap();
            let unknown = session.produce(&name("mic"), audio, None).unwrap_err();
            (flows, unknown, session.subscribe(&name("cam"), leased(2)).unwrap())
        });
        let raw = gateway.accept();
        assert_eq!(raw.hear_octets().0, message(2, 2, &[&[0; 65]]));
        let id = ring.region.geometry().flow.octets();
        let entry = [&name_field("cam")[..], &id, &TINY, &[0; 9], &[8, 0, 0, 0]].concat();
        raw.say_octets(&message(0x8002, 2, &[&[0, 1], &entry]));
        // The flow of audio: nothing is asked on its connection.
        let silent = gateway.accept();
        assert!(matches!(
            silent.socket.receive(&mut [0; 2048], 0, Wait::Block),
            Ok(Received::Closed) | Err(rustix::io::Errno::CONNRESET)
        ));
        assert_eq!(raw.hear_octets().0, message(5, 3, &[&name_field("cam"), &LEASED]));
        let (page, nonce) = ring.ask(0, leased(2));
        ring.writer.poll(ring.now);
        let fds = ring.region.consumer_fds().unwrap();
        let page = page.consumer_fd().unwrap();
        let (life, watch) = (crate::pipe::life_pipe().unwrap(), crate::pipe::life_pipe().unwrap());
        let geometry = *ring.region.geometry();
        let answer = BrokerMessage::Subscribed {
            geometry,
            trust: crate::Trust::Gateway,
            consumer: 0,
            nonce,
            first: GrainIndex(0),
            wake: WakeMode::None,
        };
        let passed = [fds.control.as_fd(), fds.data.as_fd(), page.as_fd(), life.0.as_fd(), watch.1.as_fd()];
        send(&raw, &answer.encode(3, Version::V1).unwrap(), &passed);
        let (flows, unknown, mut consumer) = pod.join().unwrap();
        assert_eq!((flows.len(), flows[0].epoch, flows[0].origin), (1, None, FlowOrigin::Gateway));
        assert!(matches!(unknown, SessionError::Encode(_)), "{unknown}");
        assert!(unknown.to_string().contains("needs broker protocol 2"), "{unknown}");
        for index in 1..20 {
            ring.grain(index).unwrap();
            let lease = consumer.reader().lease(GrainIndex(index)).unwrap();
            assert!(lease.state().unwrap().complete);
        }
    });
}

#[test]
fn this_sdk_produces_at_an_old_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = OldGateway::start(&dir);
    std::thread::scope(|scope| {
        let pod = scope.spawn(|| {
            let session = Session::connect(&dir.path().join("broker.sock")).unwrap();
            Worker::start(session.produce(&name("gfx"), tiny(), Some(8)).unwrap())
        });
        let _session = gateway.accept();
        let raw = gateway.accept();
        assert_eq!(raw.hear_octets().0, message(3, 2, &[&name_field("gfx"), &[0, 8, 0], &TINY]));
        let geometry = crate::fixture::geometry(8, 4);
        let region = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let fds = region.producer_fds().unwrap();
        let offer = BrokerMessage::Region { geometry }.encode(2, Version::V1).unwrap();
        send(&raw, &offer, &[fds.control.as_fd(), fds.data.as_fd()]);
        let epoch = geometry.epoch.to_le_bytes();
        assert_eq!(raw.hear_octets().0, message(4, 2, &[&epoch]));
        region.seal().unwrap();
        raw.say_octets(&message(0x8004, 2, &[&epoch]));
        let worker = pod.join().unwrap();
        // A consumer comes, without a bell.
        let page = LeasePage::create().unwrap();
        let (life, producer) = (crate::pipe::life_pipe().unwrap(), crate::pipe::life_pipe().unwrap());
        let join = message(0x8006, 0, &[&9_u64.to_le_bytes(), &epoch, &[0], &LEASED, &77_u64.to_le_bytes()]);
        let shown = page.producer_fd().unwrap();
        send(&raw, &join, &[shown.as_fd(), life.1.as_fd(), producer.0.as_fd()]);
        let joined = PodMessage::Joined { join: 9, first: GrainIndex(0) };
        assert_eq!(PodMessage::decode(&raw.hear_octets().0, Version::V1).unwrap(), (0, joined));
        worker.write(1);
        drop(life.0);
        assert_eq!(raw.hear_octets().0, message(9, 0, &[&9_u64.to_le_bytes()]));
        drop(worker.stop());
        assert_eq!(raw.hear_octets().0, message(10, 0, &[&epoch]));
    });
}
