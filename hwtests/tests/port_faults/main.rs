//! What goes wrong about a port while media flows: each is counted, told in a line that an operator understands, and
//! mended without a restart where that can be; afterwards every slot and every lease is accounted for.
//!
//! Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod conflict;
mod link;
mod neighbour;
mod restarts;
mod start;
mod stuck;
mod tap;

use hwtests::gateway_bench::{
    self, Camera, GatewayBench, Playing, SCREEN, STUDIO, Screen, Watching, all_is_back, format, port_counter,
};
use hwtests::{Gateway, Statistics, eventually, namespace, rfc4175};

/// Frames that show that media flows.
const SOME: u64 = 10;
const NET_DEVICE: &str = "net_af_packet:near";

/// Whether there is a machine to test on; says so loudly where there is none.
fn can_run() -> bool {
    let reason = namespace::unavailable();
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
    }
    reason.is_none()
}

/// The sender `out` to a screen in the studio.
fn to_studio() -> String {
    gateway_bench::sender("out", &format!("{STUDIO}:{SCREEN}"))
}

fn screen_at(bench: &GatewayBench, address: &str) -> Watching {
    let screen = Screen::new(&bench.studio, address.parse().unwrap()).unwrap();
    screen.keep_watching(pictures()).unwrap()
}

fn pictures() -> Vec<Vec<u8>> {
    rfc4175::noise(&format(), 6, 7)
}

/// A stream that goes in and out by a port.
struct Road {
    bench: GatewayBench,
    gateway: Gateway,
    screen: Watching,
    camera: Playing,
}

impl Road {
    /// A port on `near` with these keys more, and what is to be there besides `cam` and `out`; media flows.
    fn begin(port_keys: &str, objects: &str) -> Self {
        Self::on(GatewayBench::set_up().unwrap(), port_keys, objects)
    }

    fn on(bench: GatewayBench, port_keys: &str, objects: &str) -> Self {
        let port = gateway_bench::port(NET_DEVICE, port_keys);
        let gateway =
            bench.start(&[port, gateway_bench::receiver(), to_studio(), objects.to_owned()].concat()).unwrap();
        eventually("the port answers pings", || bench.answers_pings().unwrap());
        eventually("the studio is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);
        let screen = screen_at(&bench, &format!("{STUDIO}:{SCREEN}"));
        let camera = Camera::new(&bench.studio).unwrap().keep_playing(pictures());
        let road = Self { bench, gateway, screen, camera };
        road.flows("at first");
        road
    }

    /// Waits until some frames more have come as they were played.
    fn flows(&self, when: &str) {
        flows(&self.screen, when);
    }

    fn statistics(&self) -> Statistics {
        self.gateway.statistics().unwrap()
    }

    fn count(&self, counter: &str) -> u64 {
        port_counter(&self.statistics(), counter)
    }

    fn of_sender(&self, sender: &str, counter: &str) -> u64 {
        self.statistics().of("sender", sender, counter).unwrap()
    }

    /// Every frame has come as it was played.
    fn assert_undamaged(&self, when: &str) {
        let damaged = self.screen.damaged();
        if damaged > 0 {
            let all = self.bench.file("statistics.json");
            self.gateway.save_statistics(&all).unwrap();
            panic!("{damaged} damaged frames {when}; {}", std::fs::read_to_string(all).unwrap());
        }
    }

    /// What status says of the port.
    fn shown(&self) -> serde_json::Value {
        self.gateway.node().unwrap()["ports"][0].take()
    }

    /// Whether status names that trouble.
    fn is_troubled(&self, words: &str) -> bool {
        self.shown()["troubles"].to_string().contains(words)
    }

    fn logs(&self, words: &str) {
        eventually(&format!("the log says {words:?}"), || self.gateway.process().log().contains(words));
    }

    /// The camera stops, everything comes back, the gateway ends; its whole log.
    fn end(self) -> String {
        self.end_and_keep().0
    }

    /// As [`Self::end`], with the wire as it was left.
    fn end_and_keep(self) -> (String, GatewayBench) {
        let Self { bench, gateway, screen, camera } = self;
        camera.stop();
        all_is_back(&gateway).unwrap();
        gateway.stop().unwrap();
        drop(screen);
        let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
        assert!(log.contains("ports closed: "), "{log}");
        (log, bench)
    }
}

fn flows(screen: &Watching, when: &str) {
    let before = screen.whole();
    eventually(&format!("media flows {when}"), || screen.whole() >= before + SOME);
}
