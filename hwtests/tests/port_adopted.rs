//! A pod's flow goes out by a DPDK port, the gateway is killed, and the next one sends it on: out of a ring that it may only
//! read, and that is registered with no device. The driver of a virtual device reads it as a thread does; what only a card
//! cannot read, and is copied for it, is not shown here. Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use hwtests::gateway_bench::{self, GatewayBench, LIMIT, PERIOD, SCREEN, SLOTS, STUDIO, Screen, format, port_counter};
use hwtests::{Gateway, Statistics, eventually, namespace, rfc4175, take_turn};
use media::GrainIndex;
use shm::{Producer, Session};

/// Frames of one batch; there are two.
const FRAMES: usize = 6;

/// Room for the ring of 16 slots of 2 MiB, and not for another one: the next gateway wants no successor, and stays with the
/// ring that it took over.
const LIMITS: &str = "[broker.limits]\nuser_mb = 40\n";

/// A producer of pictures, on the grid of its clock.
struct Pod {
    producer: Producer,
}

impl Pod {
    fn new(gateway: &Gateway) -> Self {
        let session = Session::connect(&gateway.broker).unwrap();
        let producer = session.produce(&"pod".parse().unwrap(), format(), Some(SLOTS as u16)).unwrap();
        Self { producer }
    }

    /// Lets the sender in, and whoever else comes.
    fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        eventually(what, || {
            self.producer.poll();
            holds()
        });
    }

    fn play(&mut self, pictures: &[Vec<u8>]) {
        for picture in pictures {
            // Never twice the same, however late this thread is.
            let last = self.producer.writer().last();
            let index = self.producer.index_now().max(last.map_or(GrainIndex(0), |last| GrainIndex(last.0 + 1)));
            let stamp = self.producer.stamp_of(index);
            let mut grain = self.producer.open(index, stamp).unwrap();
            grain.write_lines(0, picture).unwrap();
            grain.commit();
            std::thread::sleep(PERIOD);
        }
    }
}

/// Whether the gateway reads the flow and knows the way to the studio.
fn is_ready(gateway: &Gateway) -> bool {
    let flows = gateway.ask("flows").unwrap();
    let is_pod = |flow: &&serde_json::Value| flow["name"] == "pod";
    let flow = flows["flows"].as_array().and_then(|flows| flows.iter().find(is_pod).cloned()).unwrap_or_default();
    let is_live = |consumer: &serde_json::Value| consumer["state"] == "live";
    let is_read = flow["consumers"].as_array().is_some_and(|consumers| consumers.iter().any(is_live));
    is_read && port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0
}

fn sent(gateway: &Gateway, frames: u64) -> Statistics {
    let is_sent = |now: &Statistics| {
        now.of("sender", "out", "grains_sent").unwrap() == frames && port_counter(now, "tx_leases_held") == 0
    };
    let statistics = gateway.settle(LIMIT, is_sent).unwrap();
    assert_eq!(statistics.of("sender", "out", "grains_sent").unwrap(), frames);
    assert_eq!(port_counter(&statistics, "tx_leases_held"), 0);
    statistics
}

#[test]
fn a_ring_that_was_taken_over_is_sent_rightly() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let port = gateway_bench::port("net_af_packet:near", "");
    let sender = gateway_bench::sender_of("pod", "out", &format!("{STUDIO}:{SCREEN}"));
    let objects = [port.as_str(), LIMITS, &sender].concat();
    let mut screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let pictures = rfc4175::noise(&format(), 2 * FRAMES, 7);

    let mut first = bench.start(&objects).unwrap();
    let mut pod = Pod::new(&first);
    let epoch = pod.producer.epoch();
    pod.until("the first gateway sends the flow", || is_ready(&first));
    pod.play(&pictures[..FRAMES]);
    assert!(screen.watch(FRAMES).into_iter().eq(&pictures[..FRAMES]), "the first gateway's frames");
    assert_eq!(port_counter(&sent(&first, FRAMES as u64), "tx_octets_copied_by_us"), 0, "it made the ring");
    first.kill().unwrap();

    let next = bench.start(&objects).unwrap();
    pod.until("the next gateway sends the flow", || is_ready(&next));
    pod.play(&pictures[FRAMES..]);
    assert!(screen.watch(2 * FRAMES).into_iter().eq(&pictures), "the next gateway's frames");
    let copied = port_counter(&sent(&next, FRAMES as u64), "tx_octets_copied_by_us");
    assert_eq!(copied, 0, "the driver reads any memory of its process");
    assert_eq!(pod.producer.epoch(), epoch, "it is the same ring");
    next.stop().unwrap();
}
