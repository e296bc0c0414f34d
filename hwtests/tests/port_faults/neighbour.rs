//! A destination that nobody has.

use hwtests::gateway_bench::{self, SCREEN};
use hwtests::{eventually, take_turn};

use crate::{Road, can_run, flows, screen_at};

const NOBODY: &str = "10.77.0.99";

#[test]
fn a_peer_that_never_answers_is_not_waited_for_and_found_when_it_comes() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let road = Road::begin("", &gateway_bench::sender("lost", &format!("{NOBODY}:{SCREEN}")));
    road.logs(&format!("neighbour {NOBODY} does not answer ARP, so nothing is sent to it"));
    eventually("its grains are skipped when they are late", || road.of_sender("lost", "grains_late") > 2);
    let late = road.of_sender("lost", "packets_skipped_late");
    let per_frame = gateway_bench::Camera::packets().len() as u64;
    assert!(late >= 2 * per_frame, "{late} packets of {per_frame} to a frame");
    assert!(road.of_sender("lost", "unresolved") > 0 && road.count("tx_unresolved") > 0);
    eventually("it is counted", || road.count("neighbours_silent") == 1);
    eventually("status tells", || road.is_troubled(NOBODY));
    assert_eq!(road.of_sender("lost", "packets"), 0);
    road.flows("to the other");
    assert_eq!((road.of_sender("out", "grains_late"), road.screen.damaged()), (0, 0), "the other");

    let mut ip = road.bench.studio.command("ip");
    assert!(ip.args(["addr", "add", &format!("{NOBODY}/24"), "dev", "far"]).status().unwrap().success());
    let found = screen_at(&road.bench, &format!("{NOBODY}:{SCREEN}"));
    flows(&found, "to the one that has come");
    road.logs(&format!("neighbour {NOBODY} answers again"));
    eventually("status is content", || !road.is_troubled(NOBODY));
    let log = road.end();
    assert!(!log.contains("ERROR"), "{log}");
}
