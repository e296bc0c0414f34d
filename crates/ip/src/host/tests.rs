//! Hosts on a link in simulated time, beside frames that Linux sent.

mod claims;
mod echo;
mod groups;
mod hostile;
mod neighbours;
mod witness;

use super::*;
use crate::frame::Reason;

const SECOND_NS: i64 = 1_000_000_000;

fn mac(last: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, last])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The host that the captured frames call A or B, or another one.
fn config(last: u8, addresses: &[&str]) -> HostConfig {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let network = Network::new(addresses, None, None).unwrap();
    HostConfig { mac: mac(last), network, vlan: None, mtu: 1_500, probe_interval_ns: PROBE_INTERVAL_NS }
}

fn host_b() -> HostConfig {
    config(0x0b, &["192.0.2.2/24", "2001:db8::2/64"])
}

/// A host, the time, and what it has sent and told since that was last taken.
struct Bench {
    host: Host,
    now: Tai,
    frames: Vec<Vec<u8>>,
    events: Vec<Event>,
}

impl Bench {
    /// A host that has just begun.
    fn new(config: HostConfig) -> Self {
        let now = Tai::from_nanos(1_000 * SECOND_NS);
        let mut bench = Self { host: Host::new(config, now), now, frames: Vec::new(), events: Vec::new() };
        bench.drain();
        bench
    }

    /// A host whose addresses are in use, with nothing left to say.
    fn ready(config: HostConfig) -> Self {
        let mut bench = Self::new(config);
        bench.run(20 * SECOND_NS);
        bench.frames.clear();
        bench.events.clear();
        bench
    }

    fn drain(&mut self) {
        let mut frame = Vec::new();
        while self.host.transmit(&mut frame) {
            witness::check(&frame);
            self.frames.push(std::mem::take(&mut frame));
        }
        self.events.extend(std::iter::from_fn(|| self.host.event()));
    }

    /// Lets time pass; the host is polled at its deadlines and at no other time.
    fn run(&mut self, nanos: i64) {
        let end = self.now.plus_nanos(nanos);
        let mut polls = 0;
        while let Some(at) = self.host.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.host.poll(self.now);
            self.drain();
            polls += 1;
            assert!(polls < 100_000, "the deadline does not move on");
        }
        self.now = end;
        self.drain();
    }

    fn receive(&mut self, frame: &[u8]) {
        self.host.receive(frame, self.now);
        self.drain();
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.frames)
    }

    fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn ignored(&self, reason: Ignored) -> u64 {
        self.host.counters().ignored(reason)
    }
}
