//! The operator's side of rings: `flypack rings` shows who reads which ring, and `flypack rings evict` has a reader evicted
//! that keeps up well. Real processes, on loopback; needs the built programs, not root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

use hwtests::{Gateway, Launch, Process, Scratch, eventually};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// A gateway with one road: pod `near` → sender `out` → receiver `far`.
struct Stage {
    scratch: Scratch,
    gateway: Gateway,
}

impl Stage {
    fn set_up() -> Self {
        let scratch = Scratch::create().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sdp = sdp(port);
        std::fs::write(scratch.path().join("near.sdp"), &sdp).unwrap();
        std::fs::write(scratch.path().join("near.raw"), vec![0x55; 320 * 180 * 5 / 2 * 2]).unwrap();
        let objects = format!(
            "[[receiver]]\nname = \"far\"\nslots = 32\nsdp_text = \"\"\"\n{sdp}\"\"\"\n\
             [[sender]]\nname = \"out\"\ndestination = \"127.0.0.1:{port}\"\nlateness_frames = 10\n\
             [[crosspoint]]\ndestination = \"out\"\nsource = \"near\"\n"
        );
        let gateway = Gateway::start(scratch.path(), &objects, None, &scratch.path().join("flypackd.log")).unwrap();
        Self { scratch, gateway }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn flypack(&self, log: &str, words: &str) -> Process {
        let launch = Launch::new(&self.gateway.flypack, &self.file(log)).words("--json").words(words);
        launch.arg("--broker").arg(self.gateway.broker.to_string_lossy()).start().unwrap()
    }

    /// The camera, whose ring is there.
    fn send(&self) -> Process {
        let (sdp, input) = (self.file("near.sdp"), self.file("near.raw"));
        let words = format!("send --name near --loop --slots 32 --sdp {} --input {}", sdp.display(), input.display());
        let process = self.flypack("send.log", &words);
        eventually("its ring is there", || self.ring("near").is_some());
        process
    }

    /// A reader of `flow` that has joined.
    fn recv(&self, flow: &str, number: u8) -> Process {
        let output = self.file(&format!("{number}.raw"));
        let words = format!("recv {flow} --format raw --output {}", output.display());
        let process = self.flypack(&format!("recv-{number}.log"), &words);
        eventually("it reads", || self.consumer(flow, process.id()).is_some_and(|reader| reader["state"] == "live"));
        process
    }

    fn ask(&self, words: &str) -> Value {
        self.gateway.ask(words).unwrap()
    }

    /// The ring of a flow, once that is there.
    fn ring(&self, flow: &str) -> Option<Value> {
        Some(self.gateway.ask(&format!("rings {flow}")).ok()?["rings"][0].take())
    }

    fn consumer(&self, flow: &str, pid: u32) -> Option<Value> {
        let ring = self.ring(flow)?;
        ring["consumers"].as_array()?.iter().find(|consumer| consumer["pid"] == pid).cloned()
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

/// How often a reader says at its end that it was evicted.
fn evictions(mut reader: Process) -> u64 {
    reader.interrupt(LIMIT).unwrap();
    let log = reader.log();
    let starts = log.match_indices("{\n").chain(log.match_indices("{\"")).map(|(start, _)| start);
    let read = |start| serde_json::Deserializer::from_str(&log[start..]).into_iter::<Value>().next();
    let mut documents = starts.filter_map(read).flatten();
    let summary = documents.find(|document| document["frames_received"].is_u64());
    summary.unwrap_or_else(|| panic!("no summary: {log}"))["evictions"].as_u64().unwrap()
}

#[test]
fn rings_show_who_reads_a_pods_ring_and_the_gateways() {
    let stage = Stage::set_up();
    let camera = stage.send();
    let (near, far) = (stage.recv("near", 1), stage.recv("far", 2));
    // The sender reads the pod's ring beside the pod; its seat is the gateway's.
    let reads = |ring: &Value, kind: &str| {
        let consumers = ring["consumers"].as_array().unwrap();
        consumers.iter().filter(|consumer| consumer["kind"] == kind && consumer["state"] == "live").count()
    };
    eventually("the sender reads", || stage.ring("near").is_some_and(|ring| reads(&ring, "gateway") == 1));
    let ring = stage.ring("near").unwrap();
    assert_eq!((&ring["origin"]["kind"], &ring["origin"]["pid"]), (&json!("pod"), &json!(camera.id())));
    assert_eq!((&ring["slot_use"], &ring["slots"], &ring["kind"]), (&Value::Null, &json!(32), &json!("video")));
    assert_eq!(reads(&ring, "pod"), 1);
    let ring = stage.ring("far").unwrap();
    assert_eq!((&ring["origin"]["kind"], reads(&ring, "pod")), (&json!("gateway"), 1));
    // The counts are read one after the other while the writer goes on.
    let adds_up = |ring: Value| {
        let uses = ring["slot_use"].as_object().unwrap().values().map(|slots| slots.as_u64().unwrap());
        uses.sum::<u64>() == 32
    };
    eventually("the slots add up", || stage.ring("far").is_some_and(adds_up));
    let reader = stage.consumer("far", far.id()).unwrap();
    assert_eq!((&reader["class"], &reader["k"]), (&json!("leased"), &json!(2)));
    let all = stage.ask("rings");
    let flows: Vec<&Value> = all["rings"].as_array().unwrap().iter().map(|ring| &ring["flow"]).collect();
    assert_eq!(flows, ["far", "near"]);
    drop((near, far, camera));
    stage.gateway.stop().unwrap();
}

#[test]
fn a_reader_that_keeps_up_is_evicted_and_joins_again() {
    let stage = Stage::set_up();
    let _camera = stage.send();
    for (number, flow) in [(1, "near"), (2, "far")] {
        let (reader, other) = (stage.recv(flow, number), stage.recv(flow, number + 10));
        let seat = stage.consumer(flow, reader.id()).unwrap()["seat"].clone();
        let evicted = stage.ask(&format!("rings evict {flow} {seat}"));
        assert_eq!((&evicted["evicted"]["pid"], &evicted["evicted"]["seat"]), (&json!(reader.id()), &seat));
        let is_counted = || stage.ring(flow).is_some_and(|ring| ring["consumers_evicted"] == 1);
        eventually("the writer has evicted it", is_counted);
        let reads = || stage.consumer(flow, reader.id()).is_some_and(|reader| reader["state"] == "live");
        eventually("it reads again", reads);
        let is_clean = |ring: Value| {
            ring["consumers"].as_array().unwrap().iter().all(|consumer| consumer["quarantined_slots"] == 0)
        };
        eventually("nothing is quarantined", || stage.ring(flow).is_some_and(is_clean));
        assert_eq!((evictions(reader), evictions(other)), (1, 0), "{flow}");
    }
    stage.gateway.stop().unwrap();
}

#[test]
fn a_sender_that_is_evicted_goes_on() {
    let stage = Stage::set_up();
    let _camera = stage.send();
    let sent = || stage.gateway.statistics().unwrap().of("sender", "out", "grains_sent").unwrap();
    eventually("it sends", || sent() > 5);
    let ring = stage.ring("near").unwrap();
    let consumers = ring["consumers"].as_array().unwrap();
    let sender = consumers.iter().find(|consumer| consumer["kind"] == "gateway").unwrap();
    stage.ask(&format!("rings evict near {}", sender["seat"]));
    let evictions = || stage.gateway.statistics().unwrap().of("sender", "out", "evictions").unwrap();
    eventually("it notices", || evictions() == 1);
    let before = sent();
    eventually("it sends again", || sent() > before + 5);
    stage.gateway.stop().unwrap();
}

#[test]
fn what_cannot_be_evicted_is_said_with_what_can() {
    let stage = Stage::set_up();
    let _camera = stage.send();
    let _reader = stage.recv("far", 1);
    for (words, part) in [
        ("rings evict far 63", "seat 63 of flow \"far\" is nobody's; those taken are: 0"),
        ("rings evict nothing 0", "there is no such flow"),
        ("rings nothing", "there are: far, near"),
    ] {
        let refused = stage.gateway.ask(words).unwrap_err().to_string();
        assert!(refused.contains("not_found"), "{words}: {refused}");
        assert!(refused.replace("\\\"", "\"").contains(part), "{words}: {refused}");
    }
    stage.gateway.stop().unwrap();
}
