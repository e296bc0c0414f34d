//! `flypackd` on a port of its own: a stream comes in by it, a reader takes the frames, a sender sends them out again; the
//! port answers pings, is restarted in the middle, and closes in order. Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::Command;

use hwtests::gateway_bench::{
    self, Camera, GatewayBench, LIMIT, SCREEN, STUDIO, Screen, all_is_back, flypack, format, port_counter,
};
use hwtests::{Gateway, eventually, namespace, rfc4175, take_turn};

/// Frames of one batch; there are two.
const FRAMES: usize = 6;

fn screen(bench: &GatewayBench) -> Screen {
    Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap()
}

/// A gateway that takes the flow `cam` in by its port, and sends it on to the studio. It may have `more` ports.
fn gateway(bench: &GatewayBench, more: &str) -> Gateway {
    let sender = gateway_bench::sender("out", &format!("{STUDIO}:{SCREEN}"));
    let port = gateway_bench::port("net_af_packet:near", "");
    bench.start(&[&port, more, &gateway_bench::receiver(), &sender].map(String::from).concat()).unwrap()
}

fn rack_link(bench: &GatewayBench, words: &str) {
    let status = Command::new("ip").args(["-n", bench.rack.name(), "link"]).args(words.split(' ')).status();
    assert!(status.unwrap().success(), "ip link {words}");
}

#[test]
fn a_port_whose_device_is_gone_starts_when_it_is_back() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    // A second port of the same worker, on which the kernel answers.
    let mut gateway = gateway(
        &bench,
        "[[port]]\nname = \"loop\"\ndevice = \"net_ring\"\naddresses = [\"10.78.0.2/24\"]\nexception = \"tap\"\n\
         packets_per_second = 1000\nhold_ms = 1\n[[relay]]\nname = \"wild\"\nlisten = \"10.77.0.2:5010\"\n",
    );
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    let mut recv = bench.recv(&mut gateway, "cam", 2 * FRAMES).unwrap();
    let (mut camera, mut screen) = (Camera::new(&bench.studio).unwrap(), screen(&bench));
    let pictures = rfc4175::noise(&format(), 2 * FRAMES, 7);
    camera.play(&pictures[..FRAMES]);
    screen.watch(FRAMES);

    rack_link(&bench, "set near down");
    rack_link(&bench, "set near name elsewhere");
    for failures in 1..=2 {
        let (said, went_well) = flypack(&gateway, "ports restart media").unwrap();
        assert!(!went_well && said.contains("near") && said.contains("ports restart media"), "{said}");
        assert_eq!(port_counter(&gateway.statistics().unwrap(), "restart_failures"), failures);
    }
    // Nothing can be forwarded now, and the sender keeps its flow.
    let (said, went_well) = flypack(&gateway, "take out wild").unwrap();
    assert!(!went_well && said.contains("being restarted"), "{said}");
    eventually("status says so", || {
        let node = gateway.node().unwrap();
        let ports = node["ports"].as_array().unwrap();
        let media = ports.iter().find(|port| port["name"] == "media").unwrap();
        media["link_up"] == false && media["troubles"].to_string().contains("is stopped")
    });
    // The other port of the worker does not mind.
    assert!(flypack(&gateway, "ports restart loop").unwrap().1);
    let held = gateway.settle(LIMIT, |now| now.of("flow", "cam", "slots_leased").unwrap() == 0).unwrap();
    assert_eq!((held.of("flow", "cam", "slots_leased").unwrap(), port_counter(&held, "tx_leases_held")), (0, 0));

    rack_link(&bench, "set elsewhere name near");
    rack_link(&bench, "set near up");
    let (said, went_well) = flypack(&gateway, "ports restart media").unwrap();
    assert!(went_well, "{said}");
    eventually("the port answers pings again", || bench.answers_pings().unwrap());
    camera.play(&pictures[FRAMES..]);
    assert!(screen.watch(2 * FRAMES).into_iter().eq(&pictures), "the frames after the restart");
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(bench.file("cam.raw")).unwrap() == pictures.concat(), "what the reader took");
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(log.contains("ports closed: loop, media") && log.contains("is stopped and does not start"), "{log}");
}

#[test]
fn a_stream_goes_in_and_out_by_a_port_which_is_restarted() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let mut gateway = gateway(&bench, "");
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    eventually("the studio is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);
    let shown = &gateway.node().unwrap()["ports"][0];
    assert_eq!((shown["driver"].as_str(), shown["link_up"].as_bool()), (Some("net_af_packet"), Some(true)), "{shown}");
    let can = shown["capabilities"].to_string();
    assert!(can.contains("paced by the worker") && can.contains("times of arrival are those of the burst"), "{can}");

    let mut recv = bench.recv(&mut gateway, "cam", 2 * FRAMES).unwrap();
    let (mut camera, mut screen) = (Camera::new(&bench.studio).unwrap(), screen(&bench));
    let pictures = rfc4175::noise(&format(), 2 * FRAMES, 7);
    camera.play(&pictures[..FRAMES]);
    assert!(screen.watch(FRAMES).into_iter().eq(&pictures[..FRAMES]), "the first frames");

    let (said, went_well) = flypack(&gateway, "ports restart media").unwrap();
    assert!(went_well && said.contains("media") && said.contains("net_af_packet:near"), "{said}");
    eventually("the port answers pings again", || bench.answers_pings().unwrap());
    camera.play(&pictures[FRAMES..]);
    assert!(screen.watch(2 * FRAMES).into_iter().eq(&pictures), "the frames after the restart");
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(bench.file("cam.raw")).unwrap() == pictures.concat(), "what the reader took");

    let statistics = all_is_back(&gateway).unwrap();
    let packets = (2 * FRAMES * Camera::packets().len()) as u64;
    let receivers = gateway.ask("receivers").unwrap();
    assert_eq!(receivers["receivers"][0]["timed_by"], "burst", "{receivers}");
    assert_eq!(port_counter(&statistics, "rx_media_packets"), packets);
    assert_eq!(statistics.of("sender", "out", "grains_sent").unwrap(), 2 * FRAMES as u64);
    assert_eq!(port_counter(&statistics, "tx_media_packets"), statistics.of("sender", "out", "packets").unwrap());
    for (counter, value) in
        [("tx_octets_copied_by_us", 0), ("tx_leases_held", 0), ("restarts", 1), ("restart_failures", 0)]
    {
        assert_eq!(port_counter(&statistics, counter), value, "{counter}");
    }
    let log = gateway.process().log();
    assert!(log.contains("port media: was restarted"), "{log}");
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(log.contains("ports closed: media") && !log.contains("ERROR"), "{log}");
}
