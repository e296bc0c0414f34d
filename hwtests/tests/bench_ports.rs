//! `flypack bench server` and `client` on ports of their own: with addresses they find each other by ARP, without them streams go to
//! groups, also by two legs. What is lost beside other work is for the exit status to tell; what arrives shows what was sent.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::time::Duration;

use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::{Launch, Namespace, Process, Scratch, gateway, take_turn};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// Three wires between two namespaces: of the media `far` and `near`, `far-2` and `near-2`, and one to speak about it.
struct Wires {
    scratch: Scratch,
    client: Namespace,
    server: Namespace,
}

impl Wires {
    fn set_up() -> Self {
        let (client, server) = (Namespace::create("bench-client").unwrap(), Namespace::create("bench-server").unwrap());
        let link = |namespace, interface, addresses| Link { namespace, interface, addresses };
        for (near, far) in [("near", "far"), ("near-2", "far-2")] {
            netdev::wire(Netdev { namespace: &server, name: near }, link(&client, far, &[]), 1_500).unwrap();
        }
        let ends = (link(&client, "c-far", &["10.78.0.1/24"]), link(&server, "c-near", &["10.78.0.2/24"]));
        namespace::join(ends.0, ends.1, 1_500).unwrap();
        Self { scratch: Scratch::create().unwrap(), client, server }
    }

    fn start(&self, namespace: &Namespace, log: &str, words: &str) -> Process {
        let program = gateway::program("flypack-bench").unwrap();
        let launch = Launch::new(program, &self.scratch.path().join(log)).words(words);
        launch.inside(Some(namespace)).start().unwrap()
    }

    /// What the client reports of a run with these words at each end.
    fn run(&self, server: &str, client: &str) -> Value {
        let words =
            format!("server --listen 10.78.0.2:5210 --clients 1 --pages plain --device net_af_packet:near {server}");
        let mut serving = self.start(&self.server, "server.log", &words);
        let log = self.scratch.path().join("server.log");
        let listens = |_| std::fs::read_to_string(&log).is_ok_and(|said| said.contains("listening at"));
        serving.until(LIMIT, "it listened", listens).unwrap();
        let words = "client 10.78.0.2:5210 --format 360p25 --seconds 1 --lateness-ms 1000 --pages plain --json --device net_af_packet:far";
        let mut calling = self.start(&self.client, "client.log", &format!("{words} {client}"));
        let status = calling.wait(LIMIT).unwrap();
        assert!(matches!(status.code(), Some(0 | 1)), "{}\n{}", calling.log(), serving.log());
        serving.wait(LIMIT).unwrap();
        let said = calling.log();
        // The lines of each second come first.
        serde_json::from_str(&said[said.find("\n{").unwrap()..]).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

fn number(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {report:#}"))
}

#[test]
fn what_is_sent_arrives_at_addresses_and_in_groups() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces: {reason}");
        return;
    }
    let _turn = take_turn();
    let wires = Wires::set_up();
    for (server, client) in [("--address 10.77.0.2/24", "--address 10.77.0.1/24"), ("", "")] {
        let report = wires.run(server, client);
        assert!(number(&report, "/receiver/total/rx_packets") > 0, "{server}: {report:#}");
        assert_eq!(number(&report, "/receiver/total/wrong_blocks"), 0, "{server}: {report:#}");
    }
    let (server, client) = ("--second-device net_af_packet:near-2", "--second-device net_af_packet:far-2 --legs 2");
    let report = wires.run(server, client);
    assert!(number(&report, "/receiver/total/duplicates") > 0, "one leg brings nothing: {report:#}");
    assert_eq!(number(&report, "/receiver/total/wrong_blocks"), 0, "{report:#}");
}
