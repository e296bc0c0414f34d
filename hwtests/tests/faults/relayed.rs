//! A stream that is relayed to sixty-four destinations, some of which do not answer or come by a port that stands still.

use std::net::UdpSocket;
use std::time::Duration;

use hwtests::crowd::{FLOWS, out};
use hwtests::gateway_bench::{self, GatewayBench, LIMIT, PORT, STUDIO, port_counter};
use hwtests::{Gateway, StuckPeer, eventually, rfc4175, stall, take_turn};

use crate::{can_run, is_logged, is_told, is_troubled};

/// Where the stream comes in.
const LISTEN: u16 = 6_000;
/// Nobody has this address.
const NOBODY: &str = "10.77.0.99";
/// It answers, and stops to drain.
const STUCK: &str = "10.79.0.1";

/// Destinations that do not answer, and those by the port that stands still.
fn is_nobody(number: u16) -> bool {
    (8..12).contains(&number)
}

fn is_stuck(number: u16) -> bool {
    (40..44).contains(&number)
}

fn objects() -> String {
    let mut objects = gateway_bench::port("net_af_packet:near", "")
        + "[[port]]\nname = \"side\"\ndevice = \"net_af_packet:near2\"\naddresses = [\"10.79.0.2/24\"]\n\
           packets_per_second = 20000\nhold_ms = 20\n"
        + &format!(
            "[[relay]]\nname = \"cam\"\nlisten = \"{PORT}:{LISTEN}\"\nbacklog_packets = 256\nbacklog_ms = 100\n"
        );
    for number in 0..FLOWS {
        let (host, interface) = match number {
            _ if is_nobody(number) => (NOBODY, "media"),
            _ if is_stuck(number) => (STUCK, "side"),
            _ => (STUDIO, "media"),
        };
        let sender = gateway_bench::sender_of("cam", &out(number), &format!("{host}:{}", 7_000 + number));
        objects += &sender.replace("[[crosspoint]]", &format!("interface = \"{interface}\"\n[[crosspoint]]"));
    }
    objects
}

/// Packets that the camera has sent, of 1,000 octets each.
struct Camera {
    socket: UdpSocket,
    sent: u64,
}

impl Camera {
    /// Half a second of 2,000 packets a second.
    fn play(&mut self) {
        for _ in 0..50 {
            for _ in 0..20 {
                let [high, low] = (self.sent as u16).to_be_bytes();
                let mut packet = vec![0x80, 97, high, low, 0, 0, high, low, 0, 0, 0, 9];
                packet.resize(1_000, low);
                self.socket.send_to(&packet, (PORT, LISTEN)).unwrap();
                self.sent += 1;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn of(gateway: &Gateway, number: u16, counter: &str) -> u64 {
    gateway.statistics().unwrap().of("sender", &out(number), counter).unwrap()
}

/// Every packet went to each of the healthy.
fn healthy_are_whole(gateway: &Gateway, sent: u64) {
    let healthy = || (0..FLOWS).filter(|number| !is_nobody(*number) && !is_stuck(*number));
    let statistics = gateway
        .settle(LIMIT, |now| {
            now.of("relay", "cam", "packets").is_ok_and(|packets| packets == sent)
                && healthy()
                    .all(|number| now.of("sender", &out(number), "packets_forwarded").is_ok_and(|own| own == sent))
        })
        .unwrap();
    for number in healthy() {
        let told = statistics.all("sender", &out(number));
        assert_eq!(statistics.of("sender", &out(number), "packets_forwarded").unwrap(), sent, "{number}: {told:?}");
        for counter in
            ["packets_dropped_backlog", "packets_dropped_unresolved", "packets_taken_back", "packets_refused"]
        {
            assert_eq!(statistics.of("sender", &out(number), counter).unwrap(), 0, "{number}: {told:?}");
        }
    }
    assert_eq!(statistics.of("relay", "cam", "packets_lost").unwrap(), 0);
    assert_eq!(
        port_counter(&statistics, "rx_no_mbufs"),
        0,
        "who does not take its packets keeps no buffer from the port"
    );
}

/// The worker is kept from its core for a tenth of a second: what comes meanwhile waits in the port's ring.
fn stands_still(gateway: &Gateway, camera: &mut Camera) {
    if let Some(reason) = stall::unavailable() {
        return eprintln!("SKIPPED: no thread can be stopped here: {reason}");
    }
    let worker = stall::thread_of(gateway.process().id(), "port-worker-0").unwrap();
    std::thread::scope(|scope| {
        let stalling = scope.spawn(|| stall::stall(worker, Duration::from_millis(100), 1, Duration::ZERO));
        while !stalling.is_finished() {
            camera.play();
        }
        stalling.join().unwrap().unwrap();
    });
    is_logged(gateway, "port-worker-0 stood still");
    healthy_are_whole(gateway, camera.sent);
}

#[test]
fn destinations_that_do_not_take_their_packets_cost_the_others_none() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let peer = StuckPeer::wire(&bench.rack, &format!("{STUCK}/24")).unwrap();
    let gateway = bench.start(&objects()).unwrap();
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    let found = |port: &str| gateway.statistics().unwrap().of("port", port, "neighbours_found").unwrap();
    eventually("who is there is found", || found("media") > 0 && found("side") > 0);
    let mut camera =
        Camera { socket: rfc4175::socket_in(&bench.studio, format!("{STUDIO}:0").parse().unwrap()).unwrap(), sent: 0 };
    camera.play();
    healthy_are_whole(&gateway, camera.sent);
    for number in (0..FLOWS).filter(|number| is_nobody(*number)) {
        assert_eq!(of(&gateway, number, "packets_dropped_unresolved"), camera.sent, "{number} is nobody's");
    }
    for number in (0..FLOWS).filter(|number| is_stuck(*number)) {
        assert_eq!(of(&gateway, number, "packets_forwarded"), camera.sent, "{number} is not stuck yet");
    }

    let silent = format!("sender {}: packets of its relay dropped for want of a next hop", out(8));
    is_told(&gateway, &silent);

    peer.stop_draining().unwrap();
    let dropped =
        || (0..FLOWS).filter(|number| is_stuck(*number)).map(|number| of(&gateway, number, "packets_dropped_backlog"));
    eventually("the stuck ones fall behind", || {
        camera.play();
        dropped().all(|dropped| dropped > 0)
    });
    let behind = format!("sender {}: packets of its relay dropped because they waited too long", out(40));
    is_told(&gateway, &behind);
    for _ in 0..3 {
        camera.play();
    }
    healthy_are_whole(&gateway, camera.sent);
    let held = || gateway.statistics().unwrap().of("relay", "cam", "packets_held").unwrap();
    eventually("what the stuck ones do not take is given back in time", || held() == 0);

    // It drains again: what comes from then on goes there too.
    peer.drain().unwrap();
    eventually("they follow again", || {
        let before: u64 = dropped().sum();
        camera.play();
        dropped().sum::<u64>() == before
    });
    healthy_are_whole(&gateway, camera.sent);
    eventually("status is content with them", || !is_troubled(&gateway, &behind));
    assert!(!is_troubled(&gateway, &format!("sender {}", out(0))), "the healthy are well");
    stands_still(&gateway, &mut camera);
    eventually("no packet is kept", || held() == 0);
    gateway.stop().unwrap();
}
