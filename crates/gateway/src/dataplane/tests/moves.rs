//! Placing on several workers, and moving between them.

use super::*;

/// A gateway with two workers, the receiver "cam" and the sender "out"; none where there is one core only.
fn two_workers() -> Option<(Plane, u16)> {
    let mut cores = worker::run::usable_cores();
    cores.truncate(2);
    if cores.len() < 2 {
        eprintln!("SKIPPED: two workers need two cores");
        return None;
    }
    let plane = Plane::on(cores);
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
