//! `kill -9` and SIGSTOP of `recv` and of `send` while flows run: other flows lose nothing, and every slot is
//! accounted for afterwards. Real processes, on loopback; needs the built programs, not root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hwtests::{Gateway, Launch, Process, Scratch, Statistics};
use rustix::process::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
const SLOTS: u64 = 32;

/// A gateway with two roads: pod `a` → sender → receiver `far-a`, and the same for `b`.
struct Stage {
    scratch: Scratch,
    gateway: Gateway,
    started: u32,
}

impl Stage {
    fn set_up() -> Self {
        let scratch = Scratch::create().unwrap();
        let mut objects = String::new();
        for flow in ["a", "b"] {
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let sdp = sdp(port);
            std::fs::write(scratch.path().join(format!("{flow}.sdp")), &sdp).unwrap();
            objects += &format!(
                "[[receiver]]\nname = \"far-{flow}\"\nslots = {SLOTS}\nsdp_text = \"\"\"\n{sdp}\"\"\"\n\
                 [[sender]]\nname = \"out-{flow}\"\ndestination = \"127.0.0.1:{port}\"\nlateness_frames = 10\n\
                 [[crosspoint]]\ndestination = \"out-{flow}\"\nsource = \"{flow}\"\n"
            );
        }
        std::fs::write(scratch.path().join("in.raw"), vec![0x55; 320 * 180 * 5 / 2 * 2]).unwrap();
        let gateway = Gateway::start(scratch.path(), &objects, None, &scratch.path().join("flypackd.log")).unwrap();
        Self { scratch, gateway, started: 0 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn flypack(&mut self, words: &str) -> Process {
        self.started += 1;
        let log = self.file(&format!("{}.log", self.started));
        Launch::new(&self.gateway.flypack, &log)
            .words("--json")
            .words(words)
            .arg("--broker")
            .arg(self.gateway.broker.to_string_lossy())
            .start()
            .unwrap()
    }

    fn send(&mut self, flow: &str) -> Process {
        let (sdp, input) = (self.file(&format!("{flow}.sdp")), self.file("in.raw"));
        let words = format!("send --name {flow} --loop --sdp {} --input {}", sdp.display(), input.display());
        self.flypack(&words)
    }

    /// A reader of `flow` that has joined and has had its first frame.
    fn recv(&mut self, flow: &str, more: &str) -> Process {
        let output = self.file(&format!("{}.raw", self.started));
        let mut process = self.flypack(&format!("recv {flow} {more} --format raw --output {}", output.display()));
        let has_frames = |_| std::fs::metadata(&output).is_ok_and(|file| file.len() > 0);
        process.until(LIMIT, "its first frame", has_frames).unwrap();
        process
    }

    fn statistics(&self) -> Statistics {
        self.gateway.statistics().unwrap()
    }

    /// Waits for a counter; fails with all that it was meanwhile.
    fn eventually(&self, what: &str, holds: impl Fn(&Statistics) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds(&self.statistics()) {
            assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        }
    }

    /// Nothing was lost on the road of `flow`, wherever it could have been.
    fn assert_unharmed(&self, flow: &str) {
        let statistics = self.statistics();
        let receiver = format!("far-{flow}");
        for counter in ["packets_lost", "lines_lost", "grains_no_slot", "grains_incomplete", "socket_drops"] {
            assert_eq!(statistics.of("receiver", &receiver, counter).unwrap(), 0, "{counter} of {receiver}");
        }
        for counter in ["packets_skipped_late", "packets_skipped_gone", "packets_taken_back", "evictions"] {
            assert_eq!(statistics.of("sender", &format!("out-{flow}"), counter).unwrap(), 0, "{counter} of {flow}");
        }
    }
}

fn sdp(port: u16) -> String {
    format!(
        "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=test\nt=0 0\nm=video {port} RTP/AVP 96\nc=IN IP4 127.0.0.1\n\
         a=rtpmap:96 raw/90000\na=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; exactframerate=25; depth=10; \
         colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017\na=ts-refclk:localmac=02-00-00-00-00-01\n\
         a=mediaclk:sender\n"
    )
}

/// The last thing that it printed; progress and notes come before.
fn summary(process: &Process) -> Value {
    let log = process.log();
    let starts = log.match_indices("{\n").chain(log.match_indices("{\"")).map(|(start, _)| start);
    let read = |start| serde_json::Deserializer::from_str(&log[start..]).into_iter::<Value>().next();
    let found = starts.filter_map(read).flatten().find(|value| value["frames_received"].is_u64());
    found.unwrap_or_else(|| panic!("no summary: {log}"))
}

fn slots(statistics: &Statistics, flow: &str) -> [u64; 4] {
    ["slots_free", "slots_open", "slots_done", "slots_quarantined"]
        .map(|counter| statistics.of("flow", flow, counter).unwrap())
}

#[test]
fn readers_that_are_killed_or_stopped_cost_the_others_nothing() {
    let mut stage = Stage::set_up();
    let mut cameras = [stage.send("a"), stage.send("b")];
    let mut other = stage.recv("far-b", "--frames 100");
    let mut killed = stage.recv("far-a", "");
    let mut stopped = stage.recv("far-a", "");
    let mut survivor = stage.recv("far-a", "--frames 100");
    killed.signal(Signal::KILL).unwrap();
    stopped.signal(Signal::STOP).unwrap();
    stage.eventually("the stopped reader is evicted", |s| s.of("flow", "far-a", "consumers_evicted").unwrap() == 1);
    assert!(!killed.wait(LIMIT).unwrap().success());
    for reader in [&mut survivor, &mut other] {
        reader.finish(LIMIT).unwrap();
        let summary = summary(reader);
        assert_eq!((&summary["frames_partial"], &summary["evictions"]), (&0.into(), &0.into()), "{summary}");
    }
    stage.assert_unharmed("a");
    stage.assert_unharmed("b");
    let [.., quarantined] = slots(&stage.statistics(), "far-a");
    assert!(quarantined > 0, "what the stopped reader holds must not be given to anyone");
    // It goes on, acknowledges, joins again, and ends: every slot comes back.
    stopped.signal(Signal::CONT).unwrap();
    stage.eventually("nothing is quarantined", |s| slots(s, "far-a")[3] == 0);
    stopped.interrupt(LIMIT).unwrap();
    assert!(summary(&stopped)["evictions"].as_u64().unwrap() >= 1);
    stage.eventually("nothing is leased", |s| s.of("flow", "far-a", "slots_leased").unwrap() == 0);
    let [free, open, done, _] = slots(&stage.statistics(), "far-a");
    assert_eq!(free + open + done, SLOTS);
    for camera in &mut cameras {
        camera.interrupt(LIMIT).unwrap();
    }
    stage.gateway.stop().unwrap();
}

#[test]
fn a_stopped_reader_that_is_killed_gives_its_slots_back() {
    let mut stage = Stage::set_up();
    let _camera = stage.send("a");
    let mut stopped = stage.recv("far-a", "");
    stopped.signal(Signal::STOP).unwrap();
    stage.eventually("it is evicted", |s| s.of("flow", "far-a", "consumers_evicted").unwrap() == 1);
    assert!(slots(&stage.statistics(), "far-a")[3] > 0);
    stopped.signal(Signal::KILL).unwrap();
    stopped.wait(LIMIT).unwrap();
    stage.eventually("its slots are back", |s| slots(s, "far-a")[3] == 0);
    stage.assert_unharmed("a");
    stage.gateway.stop().unwrap();
}

#[test]
fn producers_that_are_killed_or_stopped_cost_the_others_nothing() {
    let mut stage = Stage::set_up();
    let before = descriptors(&stage.gateway);
    let (mut a, mut b) = (stage.send("a"), stage.send("b"));
    let mut survivor = stage.recv("far-a", "--frames 100");
    let mut reader = stage.recv("far-b", "");
    b.signal(Signal::STOP).unwrap();
    let sent = stage.statistics().of("sender", "out-a", "grains_sent").unwrap();
    stage.eventually("a goes on while b stands still", |s| s.of("sender", "out-a", "grains_sent").unwrap() > sent + 25);
    b.signal(Signal::KILL).unwrap();
    b.wait(LIMIT).unwrap();
    stage.eventually("the flow of the dead producer is gone", |s| s.of("flow", "b", "slots_free").is_err());
    survivor.finish(LIMIT).unwrap();
    assert_eq!(summary(&survivor)["frames_partial"], 0);
    stage.assert_unharmed("a");
    // Another producer of the same name takes its place, and the crosspoint follows.
    let sent = stage.statistics().of("sender", "out-b", "grains_sent").unwrap();
    let mut again = stage.send("b");
    stage.eventually("b is sent again", |s| s.of("sender", "out-b", "grains_sent").unwrap() > sent + 5);
    for process in [&mut reader, &mut again, &mut a] {
        process.interrupt(LIMIT).unwrap();
    }
    stage.eventually("all leases are back", |s| s.of("flow", "far-b", "slots_leased").unwrap() == 0);
    let deadline = Instant::now() + LIMIT;
    while descriptors(&stage.gateway) > before {
        assert!(Instant::now() < deadline, "memfds or sockets of the dead stay open");
    }
    stage.gateway.stop().unwrap();
}

/// Open descriptors of the gateway: memfds, pipes, sockets.
fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.process().id())).unwrap().count()
}
