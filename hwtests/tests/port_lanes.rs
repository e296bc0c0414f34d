//! `flypackd` with a port that two workers send by: each has a sender, the port is restarted under both, and a sender moves
//! from one to the other. Needs root, two cores, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use hwtests::gateway::Statistics;
use hwtests::gateway_bench::{
    self, Camera, GatewayBench, SCREEN, STUDIO, Screen, all_is_back, flypack, format, placed, port_counter, two_cores,
};
use hwtests::{Gateway, eventually, rfc4175, take_turn};
use serde_json::Value;

/// Frames of one batch.
const FRAMES: usize = 6;
const SENDERS: [&str; 2] = ["one", "two"];

fn screen_of(at: usize) -> String {
    format!("{STUDIO}:{}", usize::from(SCREEN) + 2 * at)
}

/// Two senders of the flow `cam`, on a port of two cores. The second has another port too: its queues have other numbers there.
fn gateway(bench: &GatewayBench, cores: [usize; 2]) -> Gateway {
    let spare = format!(
        "[[port]]\nname = \"spare\"\ndevice = \"net_ring\"\naddresses = [\"192.0.2.1/24\"]\ncore = {}\n\
         packets_per_second = 1000\nhold_ms = 1\n",
        cores[1]
    );
    let port = gateway_bench::port("net_af_packet:near", &format!("cores = {cores:?}"));
    let senders = (0..).zip(SENDERS).map(|(at, name)| gateway_bench::sender(name, &screen_of(at)));
    bench.start(&[spare, port, gateway_bench::receiver(), senders.collect()].concat()).unwrap()
}

/// What each worker of the node serves, by its name.
fn senders_by_worker(node: &Value) -> Vec<(String, u64)> {
    let workers = node["workers"].as_array().unwrap().iter();
    let ours = workers.filter(|worker| worker["name"].as_str().unwrap().starts_with("port-worker"));
    ours.map(|worker| (worker["name"].as_str().unwrap().to_owned(), worker["senders"].as_u64().unwrap())).collect()
}

/// The picture's way: a camera, and a screen for each sender, which see all frames of a run.
struct Show {
    camera: Camera,
    pictures: Vec<Vec<u8>>,
    screens: [Screen; 2],
    batches: usize,
}

impl Show {
    fn new(bench: &GatewayBench) -> Self {
        let camera = Camera::new(&bench.studio).unwrap();
        let screen = |at| Screen::new(&bench.studio, screen_of(at).parse().unwrap()).unwrap();
        Self { camera, pictures: rfc4175::noise(&format(), 3 * FRAMES, 7), screens: [screen(0), screen(1)], batches: 0 }
    }

    /// The next batch; both screens show it whole, after what they have shown.
    fn play(&mut self) {
        let shown = self.batches * FRAMES;
        self.batches += 1;
        self.camera.play(&self.pictures[shown..shown + FRAMES]);
        for (screen, name) in self.screens.iter_mut().zip(SENDERS) {
            let seen = screen.watch(shown + FRAMES);
            assert!(seen.into_iter().eq(&self.pictures[..shown + FRAMES]), "batch {} of sender {name}", self.batches);
        }
    }
}

/// Packets of both senders.
fn sent(now: &Statistics) -> u64 {
    SENDERS.iter().map(|name| now.of("sender", name, "packets").unwrap()).sum()
}

fn wait_for_the_port(bench: &GatewayBench) {
    eventually("the port answers pings", || bench.answers_pings().unwrap());
}

fn node_shows_both_workers(gateway: &Gateway) {
    let node = gateway.node().unwrap();
    let on_each: Vec<(String, u64)> = (0..2).map(|at| (format!("port-worker-{at}"), 1)).collect();
    assert_eq!(senders_by_worker(&node), on_each, "{node}");
    let shown = &node["ports"][0];
    assert_eq!(shown["worker"], "port-worker-0, port-worker-1", "{shown}");
    assert!(shown["sizing"].to_string().contains("2 transmit queues"), "{shown}");
}

fn restart(gateway: &Gateway, bench: &GatewayBench) {
    let (said, went_well) = flypack(gateway, "ports restart media").unwrap();
    assert!(went_well, "{said}");
    wait_for_the_port(bench);
}

/// Both senders go to the second worker, where one of them is already; what it does not do is told with where it could go.
fn move_both(gateway: &Gateway) {
    let [first, second] = placed(gateway);
    for name in SENDERS {
        let (said, went_well) = flypack(gateway, &format!("move --sender {name} --worker port-worker-1")).unwrap();
        assert!(went_well && said.contains("port-worker-1"), "{said}");
    }
    assert_eq!(placed(gateway), [first - second, 2 * second], "the senders count where they are");
    for (words, named) in [
        ("move --sender one --worker port-worker-9", "port-worker-0, port-worker-1"),
        ("move --receiver cam --worker port-worker-1", "move --port"),
    ] {
        let (said, went_well) = flypack(gateway, words).unwrap();
        assert!(!went_well && said.contains(named), "{words}: {said}");
    }
}

/// The second worker sent all since `before`, and the port was restarted once.
fn second_worker_has_both(gateway: &Gateway, before: &Statistics) {
    assert_eq!(
        senders_by_worker(&gateway.node().unwrap()),
        [("port-worker-0".to_owned(), 0), ("port-worker-1".to_owned(), 2)]
    );
    let statistics = all_is_back(gateway).unwrap();
    assert_eq!(port_counter(&statistics, "tx_media_packets"), sent(&statistics), "the sum over both queues");
    assert_eq!(port_counter(&statistics, "restarts"), 1);
    let idle = |now: &Statistics| now.of("worker", "port-worker-0", "tx_packets").unwrap();
    assert_eq!(idle(&statistics), idle(before), "who has no sender sends nothing");
}

/// A new sender is placed where nobody is, goes to the other two, and leaves that worker.
fn one_comes_goes_over_and_leaves(gateway: &Gateway) {
    let before = placed(gateway);
    let senders = |gateway: &Gateway| {
        let of_each = senders_by_worker(&gateway.node().unwrap());
        of_each.into_iter().map(|(_, senders)| senders).collect::<Vec<_>>()
    };
    for (words, wanted) in [
        (format!("senders add late --to {STUDIO}:5040"), [1, 2]),
        ("move --sender late --worker port-worker-1".to_owned(), [0, 3]),
        ("senders del late".to_owned(), [0, 2]),
    ] {
        let (said, went_well) = flypack(gateway, &words).unwrap();
        assert!(went_well, "{words}: {said}");
        assert_eq!(senders(gateway), wanted, "{words}");
    }
    assert_eq!(placed(gateway), before);
}

#[test]
fn two_workers_send_by_one_port_which_is_restarted_and_a_sender_moves() {
    let cores = match two_cores() {
        Ok(cores) => cores,
        Err(reason) => return eprintln!("SKIPPED: {reason}"),
    };
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let gateway = gateway(&bench, cores);
    wait_for_the_port(&bench);
    eventually("the studio is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);
    node_shows_both_workers(&gateway);

    let mut show = Show::new(&bench);
    show.play();
    restart(&gateway, &bench);
    show.play();
    let before = all_is_back(&gateway).unwrap();
    for worker in ["port-worker-0", "port-worker-1"] {
        assert_eq!(before.of("worker", worker, "tx_packets").unwrap(), sent(&before) / 2, "{worker}");
    }
    move_both(&gateway);
    show.play();
    second_worker_has_both(&gateway, &before);
    one_comes_goes_over_and_leaves(&gateway);
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(log.contains("ports closed: media") && !log.contains("ERROR"), "{log}");
}
