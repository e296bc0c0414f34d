//! `flypackd` on a port of its own: a stream comes in by it, a reader takes the frames, a sender sends them out again; the
//! port answers pings, is restarted in the middle, and closes in order. Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hwtests::namespace::{self, Link};
use hwtests::rfc4175::{self, Extras, Stream};
use hwtests::{Gateway, Launch, Namespace, Netdev, Process, Scratch, Statistics, netdev, ping, take_turn};
use media::{Depth, Rate, Sampling, VideoFormat};

/// Frames of one batch; there are two.
const FRAMES: usize = 6;
const PERIOD: Duration = Duration::from_millis(20);
/// Of the RTP clock, in one period.
const TICKS: u32 = 1_800;
const SLOTS: u64 = 16;
const LIMIT: Duration = Duration::from_secs(30);
const PORT: &str = "10.77.0.2";
const STUDIO: &str = "10.77.0.1";

fn format() -> VideoFormat {
    VideoFormat::new(64, 32, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The studio with its address, and the rack with a port.
struct Bench {
    scratch: Scratch,
    studio: Namespace,
    rack: Namespace,
}

impl Bench {
    fn set_up() -> Self {
        let scratch = Scratch::create().unwrap();
        let (studio, rack) = (Namespace::create("studio").unwrap(), Namespace::create("rack").unwrap());
        let address = format!("{STUDIO}/24");
        let peer = Link { namespace: &studio, interface: "far", addresses: &[&address] };
        netdev::wire(Netdev { namespace: &rack, name: "near" }, peer, 1500).unwrap();
        Self { scratch, studio, rack }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A gateway that takes the flow `cam` in by its port, and sends it on to the studio. It may have `more` ports.
    fn gateway(&self, more: &str) -> Gateway {
        let sdp = hwtests::peer::sdp(&format(), format!("{PORT}:5004").parse().unwrap()).replace('\r', "");
        let objects = format!(
            "[dpdk]\nmemory = \"no-huge\"\n\
             [[port]]\nname = \"media\"\ndevice = \"net_af_packet:near\"\naddresses = [\"{PORT}/24\"]\n\
             packets_per_second = 20000\nhold_ms = 20\n{more}\
             [[receiver]]\nname = \"cam\"\nslots = {SLOTS}\nsdp_text = \"\"\"\n{sdp}\"\"\"\n\
             [[sender]]\nname = \"out\"\ndestination = \"{STUDIO}:5006\"\nlateness_frames = 10\n\
             [[crosspoint]]\ndestination = \"out\"\nsource = \"cam\"\n"
        );
        Gateway::start(self.scratch.path(), &objects, Some(&self.rack), &self.file("flypackd.log")).unwrap()
    }

    fn recv(&self, gateway: &mut Gateway, frames: usize) -> Process {
        let output = self.file("cam.raw");
        let recv = Launch::new(&gateway.flypack, &self.file("recv.log"))
            .words(&format!("recv cam --format raw --frames {frames} --output {}", output.display()))
            .words(&format!("--broker {}", gateway.broker.display()))
            .start()
            .unwrap();
        gateway.wait_for_consumer("cam", recv.id()).unwrap();
        recv
    }

    fn answers_pings(&self) -> bool {
        ping(&self.studio, PORT.parse().unwrap(), Duration::from_secs(1)).unwrap()
    }
}

fn port(statistics: &Statistics, counter: &str) -> u64 {
    statistics.of("port", "media", counter).unwrap()
}

/// What it prints, and whether it went well.
fn flypack(gateway: &Gateway, words: &str) -> (String, bool) {
    let api = gateway.broker.with_file_name("flypack.sock");
    let endpoint = format!("unix:{}", api.display());
    let output =
        Command::new(&gateway.flypack).env("FLYPACK_ENDPOINT", endpoint).args(words.split(' ')).output().unwrap();
    let (said, failed) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    (said + &failed, output.status.success())
}

/// A camera that knows when its stream began.
struct Camera {
    stream: Stream,
    began: Instant,
    socket: UdpSocket,
}

impl Camera {
    fn new(studio: &Namespace) -> Self {
        let stream = Stream { format: format(), ssrc: 9, sequence: 0, extras: Extras::default() };
        let socket = rfc4175::socket_in(studio, format!("{STUDIO}:0").parse().unwrap()).unwrap();
        Self { stream, began: Instant::now(), socket }
    }

    /// Plays these frames from now on.
    fn play(&mut self, frames: &[Vec<u8>]) {
        let packets = rfc4175::straddling(&format(), 200);
        let periods = (self.began.elapsed().as_millis() / PERIOD.as_millis()) as u32;
        let stamped = frames.iter().zip(periods..);
        let datagrams: Vec<_> = stamped.map(|(frame, n)| self.stream.datagrams(frame, n * TICKS, &packets)).collect();
        rfc4175::send(&self.socket, format!("{PORT}:5004").parse().unwrap(), &datagrams, PERIOD).unwrap();
    }
}

/// What arrives in the studio, put together by the RFC alone.
struct Screen {
    socket: UdpSocket,
    frames: BTreeMap<u32, Vec<u8>>,
    order: Vec<u32>,
    finished: usize,
}

impl Screen {
    fn new(studio: &Namespace) -> Self {
        let socket = rfc4175::socket_in(studio, format!("{STUDIO}:5006").parse().unwrap()).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, frames: BTreeMap::new(), order: Vec::new(), finished: 0 }
    }

    /// Receives until so many frames have had their last packet; all frames then, in order.
    fn watch(&mut self, frames: usize) -> Vec<&Vec<u8>> {
        let mut datagram = [0; 2_048];
        while self.finished < frames {
            let octets = self.socket.recv(&mut datagram).expect("a frame has not arrived");
            self.take(&datagram[..octets]);
        }
        self.order.iter().map(|timestamp| &self.frames[timestamp]).collect()
    }

    // RFC 4175 §4.1 and §4.2, without padding, extensions or contributing sources.
    fn take(&mut self, datagram: &[u8]) {
        let word = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
        assert_eq!(datagram[0], 0x80);
        let timestamp = u32::from_be_bytes(datagram[4..8].try_into().unwrap());
        if !self.frames.contains_key(&timestamp) {
            self.order.push(timestamp);
        }
        let frame = self.frames.entry(timestamp).or_insert_with(|| vec![0; format().frame_octets() as usize]);
        let (mut runs, mut at) = (Vec::new(), 14);
        loop {
            runs.push((usize::from(word(at)), usize::from(word(at + 2)), usize::from(word(at + 4) & 0x7fff)));
            at += 6;
            if word(at - 2) & 0x8000 == 0 {
                break;
            }
        }
        let pgroup = format().pgroup();
        for (octets, row, pixel) in runs {
            let start =
                row * format().row_octets() as usize + pixel / usize::from(pgroup.pixels) * usize::from(pgroup.octets);
            frame[start..start + octets].copy_from_slice(&datagram[at..at + octets]);
            at += octets;
        }
        self.finished += usize::from(datagram[1] & 0x80 != 0);
    }
}

impl Bench {
    fn rack_link(&self, words: &str) {
        let status = Command::new("ip").args(["-n", self.rack.name(), "link"]).args(words.split(' ')).status();
        assert!(status.unwrap().success(), "ip link {words}");
    }
}

#[test]
fn a_port_whose_device_is_gone_starts_when_it_is_back() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up();
    // A second port of the same worker, on which the kernel answers.
    let mut gateway = bench.gateway(
        "[[port]]\nname = \"loop\"\ndevice = \"net_ring\"\naddresses = [\"10.78.0.2/24\"]\nexception = \"tap\"\n\
         packets_per_second = 1000\nhold_ms = 1\n",
    );
    eventually("the port answers pings", || bench.answers_pings());
    let mut recv = bench.recv(&mut gateway, 2 * FRAMES);
    let (mut camera, mut screen) = (Camera::new(&bench.studio), Screen::new(&bench.studio));
    let pictures = rfc4175::noise(&format(), 2 * FRAMES, 7);
    camera.play(&pictures[..FRAMES]);
    screen.watch(FRAMES);

    bench.rack_link("set near down");
    bench.rack_link("set near name elsewhere");
    for failures in 1..=2 {
        let (said, went_well) = flypack(&gateway, "ports restart media");
        assert!(!went_well && said.contains("near") && said.contains("ports restart media"), "{said}");
        assert_eq!(port(&gateway.statistics().unwrap(), "restart_failures"), failures);
    }
    eventually("status says so", || {
        let node = gateway.node().unwrap();
        let ports = node["ports"].as_array().unwrap();
        let media = ports.iter().find(|port| port["name"] == "media").unwrap();
        media["link_up"] == false && media["troubles"].to_string().contains("is stopped")
    });
    // The other port of the worker does not mind.
    assert!(flypack(&gateway, "ports restart loop").1);
    let held = gateway.settle(LIMIT, |now| now.of("flow", "cam", "slots_leased").unwrap() == 0).unwrap();
    assert_eq!((held.of("flow", "cam", "slots_leased").unwrap(), port(&held, "tx_leases_held")), (0, 0));

    bench.rack_link("set elsewhere name near");
    bench.rack_link("set near up");
    let (said, went_well) = flypack(&gateway, "ports restart media");
    assert!(went_well, "{said}");
    eventually("the port answers pings again", || bench.answers_pings());
    camera.play(&pictures[FRAMES..]);
    assert!(screen.watch(2 * FRAMES).into_iter().eq(&pictures), "the frames after the restart");
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(bench.file("cam.raw")).unwrap() == pictures.concat(), "what the reader took");
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(log.contains("ports closed: loop, media") && log.contains("is stopped and does not start"), "{log}");
}

#[test]
fn a_stream_goes_in_and_out_by_a_port_which_is_restarted() {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = Bench::set_up();
    let mut gateway = bench.gateway("");
    eventually("the port answers pings", || bench.answers_pings());
    eventually("the studio is found", || port(&gateway.statistics().unwrap(), "neighbours_found") > 0);
    let shown = &gateway.node().unwrap()["ports"][0];
    assert_eq!((shown["driver"].as_str(), shown["link_up"].as_bool()), (Some("net_af_packet"), Some(true)), "{shown}");

    let mut recv = bench.recv(&mut gateway, 2 * FRAMES);
    let (mut camera, mut screen) = (Camera::new(&bench.studio), Screen::new(&bench.studio));
    let pictures = rfc4175::noise(&format(), 2 * FRAMES, 7);
    camera.play(&pictures[..FRAMES]);
    assert!(screen.watch(FRAMES).into_iter().eq(&pictures[..FRAMES]), "the first frames");

    let (said, went_well) = flypack(&gateway, "ports restart media");
    assert!(went_well && said.contains("media") && said.contains("net_af_packet:near"), "{said}");
    eventually("the port answers pings again", || bench.answers_pings());
    camera.play(&pictures[FRAMES..]);
    assert!(screen.watch(2 * FRAMES).into_iter().eq(&pictures), "the frames after the restart");
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(bench.file("cam.raw")).unwrap() == pictures.concat(), "what the reader took");

    let statistics = gateway
        .settle(LIMIT, |now| now.of("flow", "cam", "slots_leased").unwrap() + port(now, "tx_leases_held") == 0)
        .unwrap();
    let packets = (2 * FRAMES * rfc4175::straddling(&format(), 200).len()) as u64;
    assert_eq!(port(&statistics, "rx_media_packets"), packets);
    assert_eq!(statistics.of("sender", "out", "grains_sent").unwrap(), 2 * FRAMES as u64);
    assert_eq!(port(&statistics, "tx_media_packets"), statistics.of("sender", "out", "packets").unwrap());
    for (counter, value) in
        [("tx_octets_copied_by_us", 0), ("tx_leases_held", 0), ("restarts", 1), ("restart_failures", 0)]
    {
        assert_eq!(port(&statistics, counter), value, "{counter}");
    }
    let log = gateway.process().log();
    assert!(log.contains("port media: was restarted"), "{log}");
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(log.contains("ports closed: media") && !log.contains("ERROR"), "{log}");
}
