//! `flypackd` with a port whose two workers both receive, on a device that has the queues and refuses the rules which would put
//! streams on them: all of them come to the first, and that is told. Needs root, two cores, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use hwtests::gateway_bench::{self, GatewayBench, PORT, flypack, port_counter, two_cores};
use hwtests::{Gateway, take_turn};

/// Streams beside the receiver.
const RELAYS: [&str; 2] = ["wild", "tame"];

fn gateway(bench: &GatewayBench, cores: [usize; 2]) -> Gateway {
    let port = gateway_bench::port("net_null", &format!("cores = {cores:?}\nrx_queues = 2"));
    let relay =
        |(name, udp_port): (&str, u16)| format!("[[relay]]\nname = \"{name}\"\nlisten = \"{PORT}:{udp_port}\"\n");
    let relays = RELAYS.into_iter().zip((5020..).step_by(2)).map(relay);
    bench.start(&[port, gateway_bench::receiver(), relays.collect()].concat()).unwrap()
}

/// Receivers and relays of each worker of the port.
fn served(gateway: &Gateway) -> Vec<u64> {
    let node = gateway.node().unwrap();
    let workers = node["workers"].as_array().unwrap().iter();
    let ours = workers.filter(|worker| worker["name"].as_str().unwrap().starts_with("port-worker"));
    ours.map(|worker| worker["receivers"].as_u64().unwrap()).collect()
}

fn rules(gateway: &Gateway) -> (u64, u64) {
    let statistics = gateway.statistics().unwrap();
    (port_counter(&statistics, "flow_rules_put"), port_counter(&statistics, "flow_rules_refused"))
}

/// What the port says of itself: its queues, and why streams are not spread over them.
fn check_port(gateway: &Gateway) {
    let node = gateway.node().unwrap();
    let port = &node["ports"][0];
    assert_eq!(port["worker"], "port-worker-0, port-worker-1", "{port}");
    assert!(port["sizing"].to_string().contains("2 receive and 2 transmit queues"), "{port}");
    assert!(port["troubles"].to_string().contains("does not put datagrams"), "{port}");
}

#[test]
fn streams_whose_rules_are_refused_come_to_the_first_queue() {
    let cores = match two_cores() {
        Ok(cores) => cores,
        Err(reason) => return eprintln!("SKIPPED: {reason}"),
    };
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let gateway = gateway(&bench, cores);
    // The first was placed on the first worker, and needed no rule; the others were to go to the second.
    assert_eq!((served(&gateway), rules(&gateway)), (vec![3, 0], (0, 2)));
    check_port(&gateway);
    let (warned, _) = flypack(&gateway, "status").unwrap();
    assert!(warned.contains("and port-worker-0 receives them"), "{warned}");
    for words in ["move --receiver cam --worker port-worker-1", "move --relay wild --worker port-worker-1"] {
        let (said, went_well) = flypack(&gateway, words).unwrap();
        assert!(!went_well && said.contains("does not put datagrams"), "{words}: {said}");
    }
    assert_eq!((served(&gateway), rules(&gateway)), (vec![3, 0], (0, 4)));
    let (said, went_well) = flypack(&gateway, "ports restart media").unwrap();
    assert!(went_well, "{said}");
    // Nobody was on another queue: there is nothing to put there anew.
    assert_eq!((served(&gateway), rules(&gateway)), (vec![3, 0], (0, 4)));
    for (worker, expected) in [("port-worker-1", [0, 3]), ("port-worker-0", [3, 0])] {
        let (said, went_well) = flypack(&gateway, &format!("move --port media --worker {worker}")).unwrap();
        assert!(went_well, "{said}");
        assert_eq!(served(&gateway), expected, "{said}");
    }
    gateway.stop().unwrap();
}
