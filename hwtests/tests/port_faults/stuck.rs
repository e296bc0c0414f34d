//! A peer that stops to drain: its kernel puts what comes into a queue that stands still.

use std::process::Command;

use hwtests::gateway_bench::{self, GatewayBench, SCREEN};
use hwtests::{Link, Namespace, Netdev, eventually, netdev, take_turn};

use crate::{Road, can_run};

/// Senders into the stuck port, as many as the flow has room for: together they fill its ring of 16,384 frames in some
/// seconds.
const SENDERS: u16 = 2;
const PEER: &str = "10.78.0.1";

fn run(namespace: &Namespace, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let status = namespace.command(words[0]).args(&words[1..]).status().unwrap();
    assert!(status.success(), "{words:?}");
}

/// The port `side` on a wire of its own.
fn side() -> String {
    let port = "[[port]]\nname = \"side\"\ndevice = \"net_af_packet:near2\"\naddresses = [\"10.78.0.2/24\"]\n\
                packets_per_second = 20000\nhold_ms = 20\n";
    let sender = |number| gateway_bench::sender(&format!("stuck-{number}"), &format!("{PEER}:{}", SCREEN + number));
    let senders = (0..SENDERS).map(sender).collect::<String>();
    port.to_owned() + &senders.replace("lateness_frames = 10", "lateness_frames = 2")
}

#[test]
fn a_peer_that_stops_to_drain_costs_its_own_senders_only() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let (bench, still) = (GatewayBench::set_up().unwrap(), Namespace::create("still").unwrap());
    let address = format!("{PEER}/24");
    let peer = Link { namespace: &still, interface: "far2", addresses: &[&address] };
    netdev::wire(Netdev { namespace: &bench.rack, name: "near2" }, peer, 1500).unwrap();
    // IP packets go on into a queue that lets one octet pass in a second; ARP is answered.
    run(&still, "ip link add hole type veth peer name hole2");
    run(&still, "ip link set hole up");
    run(&still, "ip link set hole2 up");
    run(&still, "tc qdisc add dev hole root tbf rate 8bit burst 2000 limit 1000000000");
    let road = Road::on(bench, "", &side());
    eventually("the other peer is found too", || road.statistics().of("port", "side", "neighbours_found").unwrap() > 0);
    let mut tc = Command::new("ip");
    tc.args(["netns", "exec", still.name(), "sh", "-c"]);
    tc.arg(
        "tc qdisc add dev far2 ingress && tc filter add dev far2 parent ffff: protocol ip u32 match u32 0 0 \
            action mirred egress redirect dev hole",
    );
    assert!(tc.status().unwrap().success());

    eventually("the queue is full", || road.statistics().of("port", "side", "tx_queue_full").unwrap() > 0);
    eventually("grains are skipped when they are late", || {
        (0..SENDERS).all(|number| road.of_sender(&format!("stuck-{number}"), "grains_late") > 2)
    });
    road.flows("by the other port");
    assert_eq!(road.of_sender("out", "grains_late"), 0, "the other port's sender");
    road.assert_undamaged("by the other port");
    assert_eq!(road.of_sender("stuck-0", "packets_refused"), 0);

    // It drains again: what is in the ring goes out, and then what is new.
    let before = road.of_sender("stuck-0", "grains_sent");
    run(&still, "tc qdisc del dev far2 ingress");
    run(&still, "tc qdisc del dev hole root");
    let lost = road.of_sender("stuck-0", "grains_late");
    eventually("its senders go on", || road.of_sender("stuck-0", "grains_sent") > before + 10);
    assert!(road.of_sender("stuck-0", "grains_late") <= lost + 10);
    road.end();
}
