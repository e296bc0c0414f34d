//! The TAP of the exception path is removed by somebody.

use hwtests::gateway_bench::GatewayBench;
use hwtests::{eventually, take_turn};

use crate::{Road, can_run};

const TAP: &str = "fp-media";

/// How the kernel treats what it sees on the port's netdev.
fn settings(bench: &GatewayBench) -> String {
    let names = ["ipv4.conf.near.rp_filter", "ipv4.conf.near.arp_ignore", "ipv6.conf.near.disable_ipv6"];
    let output = bench.rack.command("sysctl").args(names.map(|name| format!("net.{name}"))).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_tap_that_is_removed_is_made_again_and_media_does_not_notice() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let before = settings(&bench);
    let road = Road::on(bench, "exception = \"tap\"", "");
    assert_ne!(settings(&road.bench), before, "the kernel would answer on the netdev, too");
    for time in 1..=2 {
        let (late, whole) = (road.of_sender("out", "grains_late"), road.screen.whole());
        // The camera would have lost packets to "port unreachable", too.
        road.assert_undamaged("before");
        let mut ip = road.bench.rack.command("ip");
        assert!(ip.args(["link", "del", TAP]).status().unwrap().success());
        eventually("the removal is counted", || road.count("tap_removals") == time);
        road.logs(&format!("the TAP {TAP} was removed: TCP does not work until it is made again"));
        eventually("there is a TAP again", || !road.is_troubled(TAP));
        eventually("the port answers pings again", || road.bench.answers_pings().unwrap());
        road.assert_undamaged("meanwhile");
        assert!(road.screen.whole() > whole, "media flows meanwhile");
        road.flows("with the new TAP");
        road.assert_undamaged("with the new TAP");
        assert_eq!(road.of_sender("out", "grains_late"), late, "media was held up");
    }
    let (log, bench) = road.end_and_keep();
    assert_eq!(settings(&bench), before, "the kernel has its settings back");
    assert_eq!(log.matches(&format!("the TAP {TAP} is there again")).count(), 2, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}
