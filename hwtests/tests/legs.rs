//! A stream that comes twice (ST 2022-7), by two ports of one gateway: the leg that is ahead loses packets, whole pictures,
//! and then its link; the other is a picture behind and brings them all. The same of a peer that nobody here wrote. Not a
//! line is lost. Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::process::Command;

use hwtests::gateway_bench::{self, GatewayBench, LIMIT, MEDIA, PERIOD, PORT, STUDIO, format};
use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::rfc4175::{self, Extras, Stream};
use hwtests::{Gateway, Launch, Peer, eventually, ping, take_turn};

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

/// Two wires, and a gateway with a port on each that receives `cam` by both.
fn stage() -> (GatewayBench, Gateway) {
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
    let gateway = bench.start(&[port, second, gateway_bench::receiver(), leg].concat()).unwrap();
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    // A port takes a while to defend its addresses, and what is sent to one without a neighbour is lost.
    eventually("the second port answers pings", || ping(&bench.studio, SECOND_PORT.parse().unwrap(), LIMIT).unwrap());
    (bench, gateway)
}

/// The pictures came in whole, and no line of them was lost.
fn is_whole(bench: &GatewayBench, gateway: &Gateway, pictures: &[Vec<u8>]) {
    let received = std::fs::read(bench.file("cam.raw")).unwrap();
    let came = received.chunks(pictures[0].len());
    let others: Vec<usize> = came.zip(pictures).enumerate().filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
    let statistics = gateway.statistics().unwrap();
    let all = statistics.all("receiver", "cam");
    assert!(others.is_empty() && received.len() == pictures.concat().len(), "not as sent: {others:?}; {all:?}");
    let of = |counter: &str| statistics.of("receiver", "cam", counter).unwrap();
    let frames = pictures.len() as u64;
    assert_eq!((of("lines_lost"), of("packets_lost"), of("grains_complete")), (0, 0, frames), "{all:?}");
}

/// Packets, and those lost, by each leg.
fn by_legs(gateway: &Gateway) -> [(u64, u64); 2] {
    let receivers = gateway.ask("receivers").unwrap();
    let leg = |at: usize| {
        let leg = &receivers["receivers"][0]["legs"][at];
        (leg["packets"].as_u64().unwrap(), leg["packets_lost"].as_u64().unwrap())
    };
    [leg(0), leg(1)]
}

#[test]
fn what_one_port_misses_comes_by_the_other() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let (bench, mut gateway) = stage();
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
    is_whole(&bench, &gateway, &pictures);
    let [first, second] = by_legs(&gateway);
    let sent = (FRAMES * packets.len()) as u64;
    assert_eq!(second, (sent, 0));
    assert!(first.0 < sent && first.1 > 0, "{first:?}");
    gateway.stop().unwrap();
}

/// GStreamer sends each packet twice, and a third of those by the first way never leave.
#[test]
fn what_gstreamer_sends_by_two_ways_is_whole_although_one_of_them_loses() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    if !Peer::Gstreamer.is_installed() {
        eprintln!("SKIPPED: GStreamer is not installed");
        return;
    }
    let _turn = take_turn();
    let (bench, mut gateway) = stage();
    let mut recv = bench.recv(&mut gateway, "cam", FRAMES).unwrap();
    let pictures = rfc4175::noise(&format(), FRAMES, 7);
    let clip = bench.file("clip.raw");
    std::fs::write(&clip, pictures.concat()).unwrap();
    let sink = |host: &str| format!("udpsink host={host} port={MEDIA} sync=true");
    let mut camera = Launch::new("gst-launch-1.0", &bench.file("camera.log"))
        .inside(Some(&bench.studio))
        .arg("filesrc")
        .arg(format!("location={}", clip.display()))
        .words(&format!("blocksize={} !", format().frame_octets()))
        .words("rawvideoparse format=uyvp width=64 height=32 framerate=50/1 ! rtpvrawpay pt=96 mtu=700 ! tee name=both")
        .words(&format!("both. ! queue ! identity drop-probability=0.33 ! {}", sink(PORT)))
        .words(&format!("both. ! queue ! {}", sink(SECOND_PORT)))
        .start()
        .unwrap();
    recv.finish(LIMIT).unwrap();
    camera.finish(LIMIT).unwrap();
    is_whole(&bench, &gateway, &pictures);
    let [(first, lost), (second, lost_by_second)] = by_legs(&gateway);
    println!("GStreamer: {first} and {second} packets, {lost} and {lost_by_second} lost by their way");
    assert!(lost > 0 && lost_by_second == 0 && first < second, "{first}, {second}, {lost}, {lost_by_second}");
    gateway.stop().unwrap();
}
