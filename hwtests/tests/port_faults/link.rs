//! The link goes down and comes back: our own netdev's, and the peer's.

use hwtests::{Netdev, eventually, take_turn};

use crate::{Road, can_run};

#[test]
fn a_link_that_goes_down_comes_back() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let road = Road::begin("", "");
    goes_and_comes_back(&road, road.bench.near(), 1);
    goes_and_comes_back(&road, road.bench.far(), 2);
    let log = road.end();
    for (words, times) in [("the link is down: nothing is received", 2), ("the link is up", 2), ("ERROR", 0)] {
        assert_eq!(log.matches(words).count(), times, "{words:?}: {log}");
    }
}

fn goes_and_comes_back(road: &Road, netdev: Netdev<'_>, time: u64) {
    netdev.down().unwrap();
    eventually("status shows the link down", || road.shown()["link_up"] == false);
    assert!(road.is_troubled("the link is down"));
    assert_eq!(road.count("link_changes"), 2 * time - 1);
    netdev.up().unwrap();
    eventually("status shows the link up", || road.shown()["link_up"] == true);
    assert_eq!(road.count("link_changes"), 2 * time);
    assert!(!road.is_troubled("the link is down"));
    road.flows("when the link is up again");
    eventually("the port answers pings again", || road.bench.answers_pings().unwrap());
}
