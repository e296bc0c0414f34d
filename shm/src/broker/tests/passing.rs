//! Descriptors whose closing waits, passed by a pod: nobody but its own connection waits with them.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::raw::Raw;
use super::*;
use crate::protocol::{BrokerMessage, PodMessage, Version};
use crate::seqpacket::Wait;

/// A socket with unsent octets that lingers for an hour. Once `reader` drops, closing it does not wait any more.
struct Lingering {
    socket: OwnedFd,
    reader: TcpStream,
}

impl Lingering {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (reader, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.write(&[0; 1 << 16]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let linger = libc::linger { l_onoff: 1, l_linger: 3600 };
        // SAFETY: the descriptor is open, and the pointer is to a live value of the size that is given.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            )
        };
        assert_eq!(set, 0);
        Self { socket: socket.into(), reader }
    }
}

/// A broker that has a record of a ring of this user, so that descriptors may be passed to it on any kernel.
fn expecting(change: impl FnOnce(&mut BrokerConfig)) -> Bench {
    let bench = Bench::new();
    let raw = Raw::greeted(&bench);
    let (epoch, _fds) = raw.produce("gfx");
    raw.say(&PodMessage::Mapped { epoch }, 2);
    assert!(matches!(raw.hear(), (2, BrokerMessage::Produced { .. }, _)));
    let Bench { dir, broker, .. } = bench;
    broker.stop();
    let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
    config.page_policy = PagePolicy::PlainOnly;
    change(&mut config);
    let (tell, events) = mpsc::channel();
    let broker = Broker::start(config, move |event| drop(tell.send(event))).unwrap();
    Bench { dir, broker, events }
}

/// Passes the socket with a message, and keeps nothing of it.
fn pass(bench: &Bench, raw: &Raw, octets: &[u8], lingering: Lingering) -> TcpStream {
    let Lingering { socket, reader } = lingering;
    // Nobody receives it before ours is closed: whoever closes the last one waits.
    let _state = bench.broker.shared.lock();
    raw.socket.send(octets, &[socket.as_fd(), socket.as_fd()], Wait::Never).unwrap();
    drop(socket);
    reader
}

fn adopt() -> Vec<u8> {
    PodMessage::Adopt { epoch: 7, name: name("gfx") }.encode(3, Version::V2).unwrap()
}

#[test]
fn a_descriptor_whose_closing_waits_stops_nobody_else() {
    let bench = expecting(|_| {});
    let list = PodMessage::ListFlows { after: None }.encode(3, Version::V2).unwrap();
    let mut readers = Vec::new();
    let mut raws = Vec::new();
    // With a ring that is brought; where none belongs; with what is no message.
    for octets in [&adopt(), &list, &b"x".to_vec()] {
        let raw = Raw::greeted(&bench);
        readers.push(pass(&bench, &raw, octets, Lingering::new()));
        raws.push(raw);
    }
    // And never received: it waits behind a breach.
    let raw = Raw::greeted(&bench);
    let Lingering { socket, reader } = Lingering::new();
    {
        let _state = bench.broker.shared.lock();
        raw.say_octets(b"no message");
        raw.socket.send(b"x", &[socket.as_fd()], Wait::Never).unwrap();
        drop(socket);
    }
    readers.push(reader);
    until("porters have all four", || {
        let state = bench.broker.shared.lock();
        state.closing.len() + state.connections.values().filter(|connection| connection.lent).count() == 4
    });
    // With all of them waiting, everybody else is served.
    let worker = bench.flow("cam", 8);
    let mut reader = bench.session().subscribe(&name("cam"), leased(1)).unwrap();
    worker.write(1);
    check(reader.reader(), 1);
    drop(reader);
    until("the seat comes free", || bench.consumers("cam").is_empty());
    drop((raws, raw));
    assert!(bench.broker.shared.lock().connections.values().any(|connection| connection.lent));
    drop(readers);
    all_closed(&bench);
}

fn all_closed(bench: &Bench) {
    until("all are closed", || {
        let state = bench.broker.shared.lock();
        state.closing.is_empty() && state.connections.is_empty()
    });
}

#[test]
fn connections_whose_closing_waits_count() {
    let bench = expecting(|config| config.limits.connections_per_uid = 2);
    let mut readers = Vec::new();
    for _ in 0..2 {
        let raw = Raw::greeted(&bench);
        readers.push(pass(&bench, &raw, &adopt(), Lingering::new()));
        drop(raw);
    }
    until("both are left", || bench.broker.shared.lock().connections.values().all(|connection| connection.lent));
    let third = Raw::connect(&bench);
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(third.refusal(), Refusal::UserConnections { uid, limit: 2 });
    drop(readers);
    all_closed(&bench);
    Raw::greeted(&bench);
}
