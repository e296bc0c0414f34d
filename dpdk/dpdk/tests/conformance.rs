//! The suite that every backend of `netio` passes, on a net_ring port.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use alone::{alone, eal};
use bench::{Bench, Make};
use dpdk::eal::Eal;
use dpdk::rx::DpdkRx;
use dpdk::tx::DpdkTx;
use media::ManualClock;
use netio::conformance::{Harness, Link, suite};
use netio::{OwnedBytes, Path};

struct Ring {
    eal: Eal,
    make: Make,
    destination: &'static str,
    sources: [&'static str; 2],
    benches: Vec<Bench>,
}

impl Harness for Ring {
    type Tx = DpdkTx<OwnedBytes>;
    type Rx = DpdkRx<ManualClock>;

    fn link(&mut self) -> Link<Self::Tx, Self::Rx> {
        let (mut bench, tx, rx) = Bench::open(&self.eal, self.make);
        let path = bench.path(self.destination);
        self.benches.push(bench);
        let paths = self.sources.map(|source| Path { source: Some(source.parse().unwrap()), ..path.clone() });
        Link { tx, rx, paths }
    }

    /// A ring hands over at once, and has finished when it has.
    fn step(&mut self, _: &Self::Rx) {}

    fn gathers_by_reference(&self) -> bool {
        self.make.gathers
    }
}

const V4: (&str, [&str; 2]) = ("239.1.2.3:5004", ["192.0.2.1:6000", "192.0.2.1:0"]);
const V6: (&str, [&str; 2]) = ("[ff3e::8000:1]:5004", ["[2001:db8::1]:6000", "[2001:db8::1]:0"]);

fn ring(test: &str, make: Make, (destination, sources): (&'static str, [&'static str; 2])) {
    alone(test, || {
        let eal = eal(128);
        let _lcore = eal.register_thread().unwrap();
        suite(|| Ring { eal: eal.clone(), make, destination, sources, benches: Vec::new() });
        assert_eq!(dpdk::payload::retired_leases(), 0, "every lease came back");
    });
}

#[test]
fn ring_ipv4() {
    ring("ring_ipv4", Make::default(), V4);
}

#[test]
fn ring_ipv6() {
    ring("ring_ipv6", Make::default(), V6);
}

#[test]
fn ring_tagged() {
    ring("ring_tagged", Make { vlan: Some(100), ..Make::default() }, V4);
}

#[test]
fn ring_without_gathering() {
    ring("ring_without_gathering", Make { gathers: false, ..Make::default() }, V4);
}

#[test]
fn ring_ipv6_without_gathering() {
    ring("ring_ipv6_without_gathering", Make { gathers: false, ..Make::default() }, V6);
}
