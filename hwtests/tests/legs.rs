//! A stream that comes twice (ST 2022-7), by two ports of one gateway: the leg that is ahead loses packets, whole pictures,
//! and then its link; the other is a picture behind and brings them all. Not a line is lost. Needs root, and a flypackd
//! with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::process::Command;

use hwtests::gateway_bench::{self, GatewayBench, LIMIT, MEDIA, PERIOD, PORT, STUDIO, format};
use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::rfc4175::{self, Extras, Stream};
use hwtests::{eventually, take_turn};

const FRAMES: usize = 40;
/// Frames by which the second leg is behind: 20 ms. The gateway bridges 100, as a virtual machine may stand still for 50 in
/// between.
const BEHIND: usize = 1;
/// When the first leg's link goes down, and when it is up again.
const CUT: std::ops::Range<usize> = 15..30;

/// The second wire's ends.
const SECOND_STUDIO: &str = "10.78.0.1";
const SECOND_PORT: &str = "10.78.0.2";

/// What the first leg does not bring, beside what the cut costs.
fn loses(frame: usize, packet: usize) -> bool {
    packet % 3 == 1 || frame == 7
}

fn camera(bench: &GatewayBench, from: &str, to: &str) -> UdpSocket {
    let socket = rfc4175::socket_in(&bench.studio, format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(format!("{to}:{MEDIA}")).unwrap();
    socket
}

fn set_link(bench: &GatewayBench, state: &str) {
    let words = ["-n", bench.studio.name(), "link", "set", "far", state];
    assert!(Command::new("ip").args(words).status().unwrap().success(), "ip {words:?}");
}

#[test]
fn what_one_port_misses_comes_by_the_other() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let address = format!("{SECOND_STUDIO}/24");
    let peer = Link { namespace: &bench.studio, interface: "far2", addresses: &[&address] };
    netdev::wire(Netdev { namespace: &bench.rack, name: "near2" }, peer, 1500).unwrap();
    let second = format!(
        "[[port]]\nname = \"second\"\ndevice = \"net_af_packet:near2\"\naddresses = [\"{SECOND_PORT}/24\"]\n\
         packets_per_second = 20000\nhold_ms = 20\n"
    );
    let leg = format!("second_destination = \"{SECOND_PORT}:{MEDIA}\"\nskew_ms = 100\n");
    let port = gateway_bench::port("net_af_packet:near", "");
    let mut gateway = bench.start(&[port, second, gateway_bench::receiver(), leg].concat()).unwrap();
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    let mut recv = bench.recv(&mut gateway, "cam", FRAMES).unwrap();

    let pictures = rfc4175::noise(&format(), FRAMES, 7);
    let packets = rfc4175::straddling(&format(), 200);
    let mut stream = Stream { format: format(), ssrc: 9, sequence: 0, extras: Extras::default() };
    let frames = pictures.iter().zip(0_u32..);
    let frames: Vec<_> = frames.map(|(picture, n)| stream.datagrams(picture, n * 1_800, &packets)).collect();
    let legs = [camera(&bench, STUDIO, PORT), camera(&bench, SECOND_STUDIO, SECOND_PORT)];
    for turn in 0..FRAMES + BEHIND {
        if turn == CUT.start || turn == CUT.end {
            set_link(&bench, if turn == CUT.start { "down" } else { "up" });
        }
        if let Some(datagrams) = frames.get(turn) {
            let kept = datagrams.iter().enumerate().filter(|(packet, _)| !loses(turn, *packet));
            // A link that is down refuses them.
            kept.for_each(|(_, datagram)| drop(legs[0].send(datagram)));
        }
        if let Some(datagrams) = turn.checked_sub(BEHIND).and_then(|frame| frames.get(frame)) {
            datagrams.iter().for_each(|datagram| assert!(legs[1].send(datagram).is_ok()));
        }
        std::thread::sleep(PERIOD);
    }
    recv.finish(LIMIT).unwrap();
    let received = std::fs::read(bench.file("cam.raw")).unwrap();
    assert!(received == pictures.concat(), "not every picture is what was sent");
    let statistics = gateway.statistics().unwrap();
    let of = |counter: &str| statistics.of("receiver", "cam", counter).unwrap();
    let all = statistics.all("receiver", "cam");
    assert_eq!((of("lines_lost"), of("packets_lost"), of("grains_complete")), (0, 0, FRAMES as u64), "{all:?}");

    let receivers = gateway.ask("receivers").unwrap();
    let legs = receivers["receivers"][0]["legs"].as_array().unwrap().clone();
    let sent = (FRAMES * packets.len()) as u64;
    assert_eq!(legs[1]["packets"], sent, "{legs:?}");
    assert!(legs[0]["packets"].as_u64().unwrap() < sent && legs[0]["packets_lost"].as_u64().unwrap() > 0, "{legs:?}");
    gateway.stop().unwrap();
}
