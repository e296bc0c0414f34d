//! The suite on the backends of this crate.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use media::{ManualClock, Tai};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::sim::{Faults, SimNet, SimRx, SimTx, SimTxConfig};
use crate::{KernelRx, KernelRxConfig, KernelTx, KernelTxConfig};

struct Kernel {
    local: IpAddr,
    max_gso_segments: u16,
}

impl Harness for Kernel {
    type Tx = KernelTx<OwnedBytes>;
    type Rx = KernelRx<ManualClock>;

    fn link(&mut self) -> Link<Self::Tx, Self::Rx> {
        let config = KernelRxConfig { buffers: 64, ..KernelRxConfig::of(SocketAddr::new(self.local, 0)) };
        let rx = KernelRx::open(&config, ManualClock::default()).expect("the loopback can be received on");
        let path = Path::to(rx.local_addr());
        let source = Some(SocketAddr::new(self.local, 0));
        let config = KernelTxConfig { max_gso_segments: self.max_gso_segments, ..KernelTxConfig::default() };
        Link { tx: KernelTx::new(config), rx, paths: [path.clone(), Path { source, ..path }] }
    }

    fn step(&mut self, rx: &Self::Rx) {
        let mut fds = [PollFd::from_borrowed_fd(rx.as_fd(), PollFlags::IN)];
        let limit = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        poll(&mut fds, Some(&limit)).expect("poll");
    }
}

fn kernel(local: &str, max_gso_segments: u16) {
    let local = local.parse().unwrap();
    suite(|| Kernel { local, max_gso_segments });
}

#[test]
fn kernel_ipv4_with_offload() {
    kernel("127.0.0.1", 32);
}

#[test]
fn kernel_ipv4_with_short_messages() {
    kernel("127.0.0.1", 3);
}

#[test]
fn kernel_ipv4_without_offload() {
    kernel("127.0.0.1", 1);
}

#[test]
fn kernel_ipv6() {
    if !crate::kernel::interface::addresses().contains(&"::1".parse().unwrap()) {
        eprintln!("SKIPPED: this host has no ::1 (is IPv6 disabled?)");
        return;
    }
    kernel("::1", 32);
}

struct Sim {
    net: SimNet,
    clock: ManualClock,
    config: SimTxConfig,
    links: u16,
}

impl Harness for Sim {
    type Tx = SimTx<OwnedBytes>;
    type Rx = SimRx;

    fn link(&mut self) -> Link<Self::Tx, Self::Rx> {
        self.links += 1;
        let destination = SocketAddr::new(IpAddr::from([198, 51, 100, 1]), 5000 + self.links);
        let rx = self.net.open_rx(crate::sim::SimRxConfig::of(destination));
        let path = Path::to(destination);
        let source = Some("192.0.2.2:6000".parse().unwrap());
        Link { tx: self.net.open_tx(self.config), rx, paths: [path.clone(), Path { source, ..path }] }
    }

    fn step(&mut self, _: &Self::Rx) {
        self.clock.advance_nanos(100);
    }
}

fn sim(faults: Faults, config: SimTxConfig) {
    suite(|| {
        let clock = ManualClock::at(Tai::from_nanos(1));
        Sim { net: SimNet::new(1, faults, clock.clone()), clock, config, links: 0 }
    });
}

#[test]
fn simulator_at_once() {
    sim(Faults::default(), SimTxConfig::default());
}

#[test]
fn simulator_with_a_slow_line_and_chains() {
    let faults = Faults { chain_per_mille: 500, delay_nanos: 777, ..Faults::default() };
    sim(faults, SimTxConfig { queue_packets: 5, packet_nanos: 90, ..SimTxConfig::default() });
}
