//! The suite that every backend of `netio` passes, on DPDK ports whose packets leave the process: veth pairs by packet and
//! XDP sockets, TAPs, capture files. Each test runs in a namespace and a process of its own. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::cell::Cell;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;
use std::time::Duration;

use dpdk::eal::Eal;
use dpdk::port::{Port, Stopped};
use dpdk::rx::{DpdkBuf, DpdkRx};
use dpdk::tx::DpdkTx;
use hwtests::isolated::{self, Isolated};
use hwtests::port_bench::small_eal;
use hwtests::{Namespace, PortBench, PortMake, eventually};
use media::ManualClock;
use netio::conformance::{Harness, Link, suite};
use netio::{Burst, OwnedBytes, Path, RxCounters, RxQueue};

type Tx = DpdkTx<OwnedBytes>;
type Rx = DpdkRx<ManualClock>;

/// A group, and two sources of a port that has the addresses of [`PortMake::on`].
type Family = (&'static str, [&'static str; 2]);
const V4: Family = ("239.1.2.3:5004", ["192.0.2.1:6000", "192.0.2.1:0"]);
const V6: Family = ("[ff3e::8000:1]:5004", ["[2001:db8::1]:6000", "[2001:db8::1]:0"]);

fn paths((group, sources): Family) -> [Path; 2] {
    sources.map(|source| Path { source: Some(source.parse().unwrap()), ..Path::to(group.parse().unwrap()) })
}

/// Two devices of which the second receives what the first sends. `{}` stands for the number of the link: each has devices
/// of its own, because the driver of net_af_xdp (22.11) gives back neither its socket nor the buffers in it when it is closed.
#[derive(Clone, Copy)]
struct Wires {
    near: &'static str,
    far: &'static str,
    family: Family,
    gathers: bool,
}

/// Links over [`Wires`].
struct Wired<'a> {
    eal: Eal,
    wires: Wires,
    links: &'a Cell<u32>,
    /// Ports, and the queues that the check does not use.
    near: Vec<(PortBench, Rx)>,
    far: Vec<(PortBench, Tx)>,
}

impl Harness for Wired<'_> {
    type Tx = Tx;
    type Rx = Rx;

    fn link(&mut self) -> Link<Tx, Rx> {
        let number = self.links.replace(self.links.get() + 1).to_string();
        veth(&number);
        let make = |device: &str| PortMake::on(&device.replace("{}", &number));
        let open = |device| PortBench::open::<OwnedBytes, _>(&self.eal, &make(device), ManualClock::default()).unwrap();
        // A TAP's netdev is there once its port is.
        let far_is_first = self.wires.far.starts_with("net_tap");
        let (near, far) = if far_is_first {
            let far = open(self.wires.far);
            (open(self.wires.near), far)
        } else {
            let near = open(self.wires.near);
            (near, open(self.wires.far))
        };
        let ((near, tx, unused_rx), (mut far, unused_tx, rx)) = (near, far);
        eventually("both links are up", || near.port().link().up && far.port().link().up);
        assert_eq!(near.capabilities.gathers, self.wires.gathers);
        far.listen(&[self.wires.family.0]);
        self.near.push((near, unused_rx));
        self.far.push((far, unused_tx));
        Link { tx, rx, paths: paths(self.wires.family) }
    }

    /// The kernel needs a moment; XDP's driver takes finished frames back when the other queue is polled.
    fn step(&mut self, _: &Rx) {
        std::thread::sleep(Duration::from_micros(50));
        for (_, rx) in &mut self.near {
            assert_eq!(rx.rx_burst(&mut Burst::<DpdkBuf>::new()), 0, "nobody sends media back");
        }
    }

    fn gathers_by_reference(&self) -> bool {
        self.wires.gathers
    }
}

/// A veth pair in the namespace of this process.
fn veth(number: &str) {
    let (near, far) = (format!("near{number}"), format!("far{number}"));
    for words in [format!("add {near} type veth peer {far}"), format!("set {near} up"), format!("set {far} up")] {
        assert!(Command::new("ip").arg("link").args(words.split(' ')).status().unwrap().success(), "{words}");
    }
}

/// Runs `body` in a process of its own, in a namespace of its own.
fn inside(test: &str, body: impl FnOnce()) {
    let hush = |space: &Namespace| {
        let quiet = space.command("sysctl").args(["-qw", "net.ipv6.conf.default.disable_ipv6=1"]).status()?;
        assert!(quiet.success(), "interfaces made later have no voice of their own");
        Ok(())
    };
    Isolated::new(test).limit(Duration::from_secs(240)).in_namespace("suite", hush, body).unwrap();
}

fn over(test: &str, all: &[Wires]) {
    inside(test, || {
        let eal = small_eal(2_048).unwrap();
        let _lcore = eal.register_thread().unwrap();
        let links = &Cell::new(0);
        for &wires in all {
            suite(|| Wired { eal: eal.clone(), wires, links, near: Vec::new(), far: Vec::new() });
            assert_eq!(dpdk::payload::retired_leases(), 0, "every lease came back");
        }
    });
}

const PACKETS: Wires = Wires { near: "net_af_packet:near{}", far: "net_af_packet:far{}", family: V4, gathers: true };

#[test]
fn af_packet() {
    over("af_packet", &[PACKETS]);
}

#[test]
fn af_packet_ipv6() {
    over("af_packet_ipv6", &[Wires { family: V6, ..PACKETS }]);
}

/// No chain reaches the driver, which would send garbage; what it received is sent on, too.
#[test]
fn af_xdp() {
    let sends = Wires { near: "net_af_xdp:near{}", gathers: false, ..PACKETS };
    over("af_xdp", &[sends, Wires { far: "net_af_xdp:far{}", ..PACKETS }]);
}

#[test]
fn af_xdp_both_ends_ipv6() {
    let both = Wires { near: "net_af_xdp:near{}", far: "net_af_xdp:far{}", family: V6, gathers: false };
    over("af_xdp_both_ends_ipv6", &[both]);
}

#[test]
fn tap_to_the_kernel_and_back() {
    let to = Wires { near: "net_tap:fp-tap{}", far: "net_af_packet:fp-tap{}", ..PACKETS };
    over("tap_to_the_kernel_and_back", &[to, Wires { near: to.far, far: to.near, ..to }]);
}

/// A port that writes a capture, and one that reads it.
struct Captures {
    eal: Eal,
    family: Family,
    folder: PathBuf,
    writers: Vec<(PortBench, Rx)>,
}

/// Receives what a capture has gained since it was last looked at: its port is started again on the new packets, for a
/// capture is read when a port starts, and once.
struct CaptureRx {
    rx: Rx,
    unused_tx: Tx,
    bench: PortBench,
    written: PathBuf,
    read: PathBuf,
    /// Octets of `written` that have been received.
    seen: usize,
}

/// An empty capture: magic number in the machine's order, version 2.4, no time zone, 65,535 octets of a packet, Ethernet
/// (pcap-savefile(5)).
fn empty_capture() -> Vec<u8> {
    let words = [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 1];
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

impl CaptureRx {
    fn open(eal: &Eal, written: &FilePath) -> Self {
        let read = written.with_extension("read");
        fs::write(&read, empty_capture()).unwrap();
        let make = PortMake::on(&format!("net_pcap:rx={}", read.display()));
        let (bench, unused_tx, rx) = PortBench::open(eal, &make, ManualClock::default()).unwrap();
        Self { rx, unused_tx, bench, written: written.to_owned(), read, seen: empty_capture().len() }
    }

    fn read_on(&mut self) {
        let capture = fs::read(&self.written).unwrap();
        // The file's own header comes with the first burst.
        if capture.len() <= self.seen {
            return;
        }
        fs::write(&self.read, [&capture[..empty_capture().len()], &capture[self.seen..]].concat()).unwrap();
        self.seen = capture.len();
        let stopped: Port<Stopped> = self.bench.stop(&mut self.unused_tx, &mut self.rx).unwrap();
        self.bench.start(stopped, &mut self.unused_tx, &mut self.rx).unwrap();
    }
}

impl RxQueue for CaptureRx {
    type Buf = DpdkBuf;

    fn rx_burst(&mut self, burst: &mut Burst<DpdkBuf>) -> usize {
        let received = self.rx.rx_burst(burst);
        if received > 0 {
            return received;
        }
        self.read_on();
        self.rx.rx_burst(burst)
    }

    fn counters(&self) -> RxCounters {
        self.rx.counters()
    }
}

impl Harness for Captures {
    type Tx = Tx;
    type Rx = CaptureRx;

    fn link(&mut self) -> Link<Tx, CaptureRx> {
        let written = self.folder.join(format!("{}.pcap", self.writers.len()));
        let make = PortMake::on(&format!("net_pcap:tx={}", written.display()));
        let (bench, tx, unused_rx) = PortBench::open(&self.eal, &make, ManualClock::default()).unwrap();
        let mut rx = CaptureRx::open(&self.eal, &written);
        rx.bench.listen(&[self.family.0]);
        self.writers.push((bench, unused_rx));
        Link { tx, rx, paths: paths(self.family) }
    }

    /// The driver writes each burst through.
    fn step(&mut self, _: &CaptureRx) {}
}

#[test]
fn captures() {
    isolated::run("captures", || {
        let eal = small_eal(192).unwrap();
        let _lcore = eal.register_thread().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for family in [V4, V6] {
            suite(|| Captures { eal: eal.clone(), family, folder: folder.path().to_owned(), writers: Vec::new() });
        }
        assert_eq!(dpdk::payload::retired_leases(), 0, "every lease came back");
    })
    .unwrap();
}
