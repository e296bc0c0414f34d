//! `flypackd` with a port that two workers send by: each has a sender, the port is restarted under both, and a sender moves
//! from one to the other. Needs root, two cores, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use hwtests::gateway::Statistics;
use hwtests::gateway_bench::{
    self, Camera, GatewayBench, SCREEN, STUDIO, Screen, all_is_back, flypack, format, port_counter,
};
use hwtests::{Gateway, eventually, namespace, rfc4175, take_turn};
use serde_json::Value;

/// Frames of one batch.
const FRAMES: usize = 6;
const SENDERS: [&str; 2] = ["one", "two"];

fn screen_of(at: usize) -> String {
    format!("{STUDIO}:{}", usize::from(SCREEN) + 2 * at)
}

/// Two senders of the flow `cam`, on a port of two cores.
fn gateway(bench: &GatewayBench, cores: &[usize]) -> Gateway {
    let port = gateway_bench::port("net_af_packet:near", &format!("cores = {cores:?}"));
    let senders = (0..).zip(SENDERS).map(|(at, name)| gateway_bench::sender(name, &screen_of(at)));
    bench.start(&[port, gateway_bench::receiver(), senders.collect()].concat()).unwrap()
}

/// What each worker of the node serves, by its name.
fn senders_by_worker(node: &Value) -> Vec<(String, u64)> {
    let workers = node["workers"].as_array().unwrap().iter();
    let ours = workers.filter(|worker| worker["name"].as_str().unwrap().starts_with("port-worker"));
    ours.map(|worker| (worker["name"].as_str().unwrap().to_owned(), worker["senders"].as_u64().unwrap())).collect()
}

#[test]
fn two_workers_send_by_one_port_which_is_restarted_and_a_sender_moves() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let cores = worker::run::usable_cores();
    let [first, second, ..] = cores[..] else {
        eprintln!("SKIPPED: two workers need two cores, and this process may use {cores:?}");
        return;
    };
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let gateway = gateway(&bench, &[first, second]);
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    eventually("the studio is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);

    let node = gateway.node().unwrap();
    let on_each: Vec<(String, u64)> = (0..2).map(|at| (format!("port-worker-{at}"), 1)).collect();
    assert_eq!(senders_by_worker(&node), on_each, "{node}");
    let shown = &node["ports"][0];
    assert_eq!(shown["worker"], "port-worker-0, port-worker-1", "{shown}");
    assert!(shown["sizing"].to_string().contains("2 transmit queues"), "{shown}");

    let mut camera = Camera::new(&bench.studio).unwrap();
    let screen = |at| Screen::new(&bench.studio, screen_of(at).parse().unwrap()).unwrap();
    let mut screens = [screen(0), screen(1)];
    let pictures = rfc4175::noise(&format(), 3 * FRAMES, 7);
    let mut play = |batch: usize| {
        camera.play(&pictures[(batch - 1) * FRAMES..batch * FRAMES]);
        for (screen, name) in screens.iter_mut().zip(SENDERS) {
            let seen = screen.watch(batch * FRAMES);
            assert!(seen.into_iter().eq(&pictures[..batch * FRAMES]), "batch {batch} of sender {name}");
        }
    };
    play(1);
    let (said, went_well) = flypack(&gateway, "ports restart media").unwrap();
    assert!(went_well, "{said}");
    eventually("the port answers pings again", || bench.answers_pings().unwrap());
    play(2);
    let before = all_is_back(&gateway).unwrap();
    let sent =
        |now: &Statistics| -> u64 { SENDERS.iter().map(|name| now.of("sender", name, "packets").unwrap()).sum() };
    for worker in ["port-worker-0", "port-worker-1"] {
        assert_eq!(before.of("worker", worker, "tx_packets").unwrap(), sent(&before) / 2, "{worker}");
    }

    // Both go to the second worker, where one of them is already; what it does not do is told with where it could go.
    for name in SENDERS {
        let (said, went_well) = flypack(&gateway, &format!("move --sender {name} --worker port-worker-1")).unwrap();
        assert!(went_well && said.contains("port-worker-1"), "{said}");
    }
    for (words, named) in [
        ("move --sender one --worker port-worker-9", "port-worker-0, port-worker-1"),
        ("move --receiver cam --worker port-worker-1", "the first of its cores"),
    ] {
        let (said, went_well) = flypack(&gateway, words).unwrap();
        assert!(!went_well && said.contains(named), "{words}: {said}");
    }
    play(3);
    assert_eq!(
        senders_by_worker(&gateway.node().unwrap()),
        [("port-worker-0".to_owned(), 0), ("port-worker-1".to_owned(), 2)]
    );
    let statistics = all_is_back(&gateway).unwrap();
    assert_eq!(port_counter(&statistics, "tx_media_packets"), sent(&statistics), "the sum over both queues");
    assert_eq!(port_counter(&statistics, "restarts"), 1);
    let idle = |now: &Statistics| now.of("worker", "port-worker-0", "tx_packets").unwrap();
    assert_eq!(idle(&statistics), idle(&before), "who has no sender sends nothing");
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(log.contains("ports closed: media") && !log.contains("ERROR"), "{log}");
}
