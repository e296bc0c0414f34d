//! A peer that stops to drain.

use hwtests::gateway_bench::{self, GatewayBench, SCREEN};
use hwtests::{StuckPeer, eventually, take_turn};

use crate::{Road, can_run};

/// Senders into the stuck port, as many as the flow has room for: together they fill its ring of 16,384 frames in some
/// seconds.
const SENDERS: u16 = 2;
const PEER: &str = "10.78.0.1";

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
    let bench = GatewayBench::set_up().unwrap();
    let peer = StuckPeer::wire(&bench.rack, &format!("{PEER}/24")).unwrap();
    let road = Road::on(bench, "", &side());
    eventually("the other peer is found too", || road.statistics().of("port", "side", "neighbours_found").unwrap() > 0);
    peer.stop_draining().unwrap();

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
    peer.drain().unwrap();
    let lost = road.of_sender("stuck-0", "grains_late");
    eventually("its senders go on", || road.of_sender("stuck-0", "grains_sent") > before + 10);
    assert!(road.of_sender("stuck-0", "grains_late") <= lost + 10);
    road.end();
}
