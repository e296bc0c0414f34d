//! Placing on several workers, and moving between them.

use std::net::SocketAddr;

use control::{HeardLegSpec, RelaySpec};

use super::*;

/// A gateway with two workers, the receiver "cam" and the sender "out"; none where there is one core only.
fn two_workers() -> Option<(Plane, u16)> {
    two_workers_with(KernelTxConfig::default().paths)
}

/// The same, with room for so many paths on each worker.
fn two_workers_with(paths: u16) -> Option<(Plane, u16)> {
    let mut cores = worker::run::usable_cores();
    cores.truncate(2);
    if cores.len() < 2 {
        eprintln!("SKIPPED: two workers need two cores");
        return None;
    }
    let plane = Plane::with_paths(cores, paths);
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    plane.gateway.add_receiver(&receiver("127.0.0.1", port)).unwrap();
    plane.gateway.add_sender(&SenderSpec::new(name("out"), "127.0.0.1:9".parse().unwrap())).unwrap();
    Some((plane, port))
}

fn workers(plane: &Plane) -> [Option<String>; 2] {
    [plane.gateway.receivers().remove(0).worker, plane.gateway.senders().remove(0).worker]
}

fn worker_n(number: u32) -> Option<String> {
    Some(format!("worker-{number}"))
}

/// Sends what is no RTP, and waits until the receiver has counted it.
fn knock(plane: &Plane, port: u16, times: u64) {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let malformed = || {
        let counters = plane.gateway.receivers().remove(0).counters;
        counters.into_iter().find(|(name, _)| *name == "rtp_malformed").unwrap().1
    };
    stranger.send_to(b"knock", ("127.0.0.1", port)).unwrap();
    while malformed() < times {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_new_goes_to_the_worker_with_the_least_to_do() {
    let Some((plane, _)) = two_workers() else { return };
    assert_eq!(workers(&plane), [worker_n(0), worker_n(1)]);
    let loads = |plane: &Plane| -> Vec<u64> {
        plane.gateway.node().workers.iter().take(2).map(|worker| worker.placed_packets_per_second).collect()
    };
    // 320 x 180 at 50: 120 packets a frame; what the sender will send nobody knows yet.
    assert_eq!(loads(&plane), [6_000, 260_000]);
    plane.take("cam");
    assert_eq!(loads(&plane)[0], 6_000);
    assert!(loads(&plane)[1] < 10_000, "the same pictures: {:?}", loads(&plane));
    plane.gateway.remove_sender(&name("out")).unwrap();
    plane.gateway.remove_receiver(&name("cam")).unwrap();
    assert_eq!(loads(&plane), [0, 0]);
}

#[test]
fn a_receiver_and_a_sender_are_moved_and_go_on() {
    let Some((plane, port)) = two_workers() else { return };
    plane.take("cam");
    knock(&plane, port, 1);
    let (cam, out) = (StreamName::Receiver(name("cam")), StreamName::Sender(name("out")));
    plane.gateway.move_stream(&cam, "worker-1").unwrap();
    assert_eq!(workers(&plane), [worker_n(1), worker_n(1)]);
    knock(&plane, port, 2);
    plane.gateway.move_stream(&out, "0").unwrap();
    assert_eq!(workers(&plane), [worker_n(1), worker_n(0)]);
    let read = &plane.gateway.flows()[0].consumers;
    assert_eq!(read.len(), 1, "the sender reads its flow as before");
    let refused = plane.gateway.move_stream(&cam, "worker-7").unwrap_err();
    assert!(refused.to_string().contains("worker-0, worker-1"), "{refused}");
    plane.gateway.move_stream(&cam, "worker-0").unwrap();
    knock(&plane, port, 3);
    plane.gateway.remove_receiver(&name("cam")).unwrap();
    plane.gateway.remove_sender(&name("out")).unwrap();
    assert!(plane.gateway.node().workers.iter().all(|worker| worker.receivers + worker.senders == 0));
}

#[test]
fn a_sender_that_cannot_be_moved_goes_on_with_its_flow() {
    // Each worker has room for one path, and both are taken.
    let Some((plane, _)) = two_workers_with(1) else { return };
    plane.take("cam");
    plane.gateway.add_sender(&SenderSpec::new(name("second"), "127.0.0.1:10".parse().unwrap())).unwrap();
    assert_eq!(workers(&plane), [worker_n(0), worker_n(1)]);
    let out = StreamName::Sender(name("out"));
    let refused = plane.gateway.move_stream(&out, "worker-0").unwrap_err();
    assert!(refused.to_string().contains("1"), "{refused}");
    assert_eq!(workers(&plane), [worker_n(0), worker_n(1)]);
    // Another reader has no room in this ring: were the first one gone, the rival would be let in.
    let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
    let rival = plane.gateway.parts().broker.subscribe(&name("cam"), class);
    assert!(rival.is_err() && plane.gateway.flows()[0].consumers.len() == 1, "it has its source");
    plane.gateway.remove_sender(&name("second")).unwrap();
    plane.gateway.move_stream(&out, "worker-0").unwrap();
    assert_eq!(workers(&plane), [worker_n(0), worker_n(0)]);
}

#[test]
fn a_relay_counts_for_what_comes_in_and_its_senders_are_its_workers() {
    let Some((plane, _)) = two_workers() else { return };
    plane.gateway.remove_receiver(&name("cam")).unwrap();
    let listen = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    plane.gateway.add_relay(&RelaySpec::new(name("wild"), listen)).unwrap();
    let loads = |plane: &Plane| -> Vec<u64> {
        plane.gateway.node().workers.iter().take(2).map(|worker| worker.placed_packets_per_second).collect()
    };
    assert_eq!(loads(&plane), [260_000, 260_000], "what is not known counts for much");
    plane.take("wild");
    assert_eq!(loads(&plane), [520_000, 0], "the relay's worker sends");
    assert_eq!(plane.gateway.senders().remove(0).worker, worker_n(0));
    let refused = plane.gateway.move_stream(&StreamName::Sender(name("out")), "worker-1").unwrap_err().to_string();
    assert!(refused.contains("move the relay"), "{refused}");
    let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
    camera.send_to(b"knock", listen).unwrap();
    while plane.gateway.relays()[0].counters.iter().all(|(name, value)| *name != "packets" || *value == 0) {
        std::thread::yield_now();
    }
    plane.gateway.tick(Instant::now() + IN_AN_HOUR);
    assert_eq!(loads(&plane), [2, 0], "one packet an hour, in and out");
    plane.gateway.remove_relay(&name("wild")).unwrap();
    assert_eq!(loads(&plane), [0, 260_000]);
    plane.gateway.remove_sender(&name("out")).unwrap();
    assert_eq!(loads(&plane), [0, 0]);
}

/// Moves a relay to and fro while packets come by its ways in turn, and a sender forwards them.
fn moved_with_its_sender(ways: &[SocketAddr]) {
    let Some((plane, _)) = two_workers() else { return };
    let (camera, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let second =
        ways.get(1).map(|destination| HeardLegSpec { destination: *destination, sources: Vec::new(), interface: None });
    plane.gateway.add_relay(&RelaySpec { second, ..RelaySpec::new(name("wild"), ways[0]) }).unwrap();
    let sender = SenderSpec::new(name("far"), far.local_addr().unwrap());
    plane.gateway.add_sender(&sender).unwrap();
    let entries = vec![(name("far"), name("wild"))];
    plane.gateway.apply(&CrosspointTable { version: 1, entries }).unwrap();
    let worker = |plane: &Plane| (plane.gateway.relays().remove(0).worker, plane.gateway.senders().remove(0).worker);
    let mut next = 0_u16;
    for to in [1, 0, 0, 1] {
        plane.gateway.move_stream(&StreamName::Relay(name("wild")), &to.to_string()).unwrap();
        assert_eq!(worker(&plane), (worker_n(to), worker_n(to)));
        // All of one picture: what waits for the next one would get nothing.
        for way in ways.iter().cycle().take(4) {
            let header = [0x80, 96, (next >> 8) as u8, next as u8, 0, 0, 0, 9, 0, 0, 0, 7, 1, 2, 3];
            camera.send_to(&header, way).unwrap();
            let mut got = [0; 64];
            assert_eq!(far.recv(&mut got).unwrap(), header.len());
            assert_eq!(got[12..15], [1, 2, 3]);
            next += 1;
        }
    }
    let relay = plane.gateway.relays().remove(0);
    let count = |counter| relay.counters.iter().find(|(name, _)| *name == counter).unwrap().1;
    assert_eq!((count("packets"), count("packets_lost"), relay.senders), (16, 0, 1));
}

fn unused() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_relay_is_moved_with_its_senders() {
    moved_with_its_sender(&[unused()]);
}

#[test]
fn a_relay_of_two_legs_is_moved_with_both() {
    moved_with_its_sender(&[unused(), unused()]);
}

#[test]
fn a_relay_that_cannot_be_moved_goes_on() {
    // Each worker has room for one path, and both are taken.
    let Some((plane, _)) = two_workers_with(1) else { return };
    let listen = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    plane.gateway.add_relay(&RelaySpec::new(name("wild"), listen)).unwrap();
    let wild = StreamName::Relay(name("wild"));
    plane.gateway.move_stream(&wild, "0").unwrap();
    plane.take("wild");
    let spec = SenderSpec::new(name("second"), "127.0.0.1:10".parse().unwrap());
    plane.gateway.add_sender(&spec).unwrap();
    plane.gateway.move_stream(&StreamName::Sender(name("second")), "1").unwrap();
    plane.gateway.move_stream(&wild, "1").unwrap_err();
    assert_eq!(plane.gateway.relays().remove(0).worker, worker_n(0));
    let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
    let header = [0x80, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 1, 2, 3];
    camera.send_to(&header, listen).unwrap();
    let forwarded = |plane: &Plane| {
        let counters = plane.gateway.senders().remove(0).counters;
        counters.into_iter().find(|(name, _)| *name == "packets_forwarded").unwrap().1
    };
    while forwarded(&plane) == 0 {
        std::thread::yield_now();
    }
    plane.gateway.remove_sender(&name("second")).unwrap();
    plane.gateway.move_stream(&wild, "1").unwrap();
    assert_eq!(plane.gateway.relays().remove(0).worker, worker_n(1));
}
