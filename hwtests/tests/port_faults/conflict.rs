//! Two gateways with one address on one wire: each started when it was alone, then the wires were joined.

use std::process::Command;
use std::time::{Duration, Instant};

use hwtests::gateway_bench::{self, GatewayBench, STUDIO, port_counter};
use hwtests::{Gateway, Link, Namespace, Netdev, Scratch, netdev, take_turn};

use crate::{NET_DEVICE, Road, can_run};

/// A conflict is over after half a minute of silence.
const LIMIT: Duration = Duration::from_secs(75);

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ip(namespace: &Namespace, words: &str) {
    let status = Command::new("ip").args(["-n", namespace.name()]).args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

/// The studio's address moves to a bridge, to which the wire to the rack belongs.
fn bridged(bench: &GatewayBench) {
    let studio = &bench.studio;
    ip(studio, "link add hub type bridge");
    ip(studio, "link set far master hub");
    ip(studio, "addr flush dev far");
    ip(studio, &format!("addr add {STUDIO}/24 dev hub"));
    ip(studio, "link set hub up");
}

fn mac(netdev: Netdev<'_>) -> String {
    netdev.mac().unwrap().map(|octet| format!("{octet:02x}")).join(":")
}

#[test]
fn two_gateways_with_one_address_tell_each_others_mac_and_media_goes_on() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    bridged(&bench);
    // Whom an ARP cache believes in a conflict is chance; this peer has been told.
    let known = mac(bench.near());
    ip(&bench.studio, &format!("neigh replace 10.77.0.2 lladdr {known} nud permanent dev hub"));
    let road = Road::on(bench, "", "");
    let (other_rack, scratch) = (Namespace::create("other").unwrap(), Scratch::create().unwrap());
    let near = Netdev { namespace: &other_rack, name: "near" };
    let peer = Link { namespace: &road.bench.studio, interface: "there", addresses: &[] };
    netdev::wire(near, peer, 1500).unwrap();
    let log = scratch.path().join("flypackd.log");
    let objects = gateway_bench::port(NET_DEVICE, "");
    let other = Gateway::start(scratch.path(), &objects, Some(&other_rack), &log).unwrap();
    eventually("the other has its address too", || other.process().log().contains("10.77.0.2 is in use"));

    ip(&road.bench.studio, "link set there master hub");
    // Whose link comes back says that it is there.
    let there = Netdev { namespace: &road.bench.studio, name: "there" };
    there.down().unwrap();
    eventually("the other has no link", || port_counter(&other.statistics().unwrap(), "link_changes") == 1);
    there.up().unwrap();
    eventually("the first notices", || road.count("address_conflicts") == 1);
    eventually("the other notices", || port_counter(&other.statistics().unwrap(), "address_conflicts") == 1);
    let words = |mac: String| format!("address 10.77.0.2 is used by {mac} too: give one of the two another address");
    road.logs(&words(mac(near)));
    eventually("the other logs", || other.process().log().contains(&words(known.clone())));
    eventually("status tells", || road.is_troubled(&mac(near)));
    road.flows("in the conflict");

    other.stop().unwrap();
    eventually("the conflict is over", || !road.is_troubled("10.77.0.2"));
    road.logs("address 10.77.0.2 is the port's alone again");
    road.flows("after the conflict");
    assert_eq!((road.count("restarts"), road.count("address_conflicts")), (0, 1));
    road.end();
}
