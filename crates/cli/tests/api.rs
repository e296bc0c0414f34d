//! The commands over the API, by running `flypack` against a server in this process.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use control::recording::{RecordingDataplane, Told};
use control::{
    ConsumerClass, ConsumerHolder, ConsumerStatus, Controller, Endpoint, Listener, PortStatus, Scope, SenderSpec,
    StreamName,
};
use media::{AncillaryFormat, AudioDepth, AudioFormat, Name, Rate};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const SDP: &str = include_str!("../../control/tests/camera.sdp");

struct Gateway {
    folder: tempfile::TempDir,
    endpoint: Endpoint,
    controller: Arc<Controller<RecordingDataplane>>,
    dataplane: RecordingDataplane,
    _runtime: Runtime,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("control.sock"));
        let listener = Listener::bind(&endpoint, 0o600).unwrap();
        let dataplane = RecordingDataplane::default();
        let controller = Arc::new(Controller::new(dataplane.clone()));
        let runtime = Runtime::new().unwrap();
        runtime.spawn(control::serve(Arc::clone(&controller), listener, std::future::pending()));
        std::fs::write(folder.path().join("camera.sdp"), SDP).unwrap();
        Self { folder, endpoint, controller, dataplane, _runtime: runtime }
    }

    fn sdp(&self) -> PathBuf {
        self.folder.path().join("camera.sdp")
    }

    fn flypack(&self, arguments: &str) -> Output {
        let endpoint = self.endpoint.to_string();
        flypack(&["--endpoint", &endpoint].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>())
    }

    /// The document that a command that must succeed prints.
    fn json(&self, arguments: &str) -> Value {
        let output = self.flypack(&format!("--json {arguments}"));
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// With a receiver "cam" and a sender "out".
    fn furnish(&self) {
        self.json(&format!("receivers add cam --sdp {}", self.sdp().display()));
        self.json("senders add out --to 239.1.1.2:5004");
    }
}

fn flypack(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flypack"));
    command.args(arguments).env_remove("FLYPACK_ENDPOINT").env_remove("FLYPACK_BROKER");
    command.output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn a_stream_is_received_routed_and_sent() {
    let gateway = Gateway::start();
    let made = gateway.json(&format!("receivers add cam --sdp {} --slots 8", gateway.sdp().display()));
    assert_eq!(made["receiver"]["name"], "cam");
    assert_eq!(made["receiver"]["scope"], "operator");
    let format = json!({ "width": 64, "height": 8, "sampling": "YCbCr-4:2:2", "depth_bits": 10, "rate": "25" });
    assert_eq!(made["receiver"]["format"], format);

    let made = gateway.json("senders add out --to 239.1.1.2:5004 --packing bpm --timing grid --ttl 7");
    let sender = &made["sender"];
    assert_eq!([&sender["packing"], &sender["timing"], &sender["state"]], ["bpm", "grid", "idle"]);
    assert_eq!([&sender["ttl"], &sender["dscp"], &sender["payload_type"]], [7, 34, 96]);
    assert_eq!(sender["source"], Value::Null);

    let taken = gateway.json("take out cam");
    let expected = json!({ "destination": "out", "source": "cam", "previous_source": null, "version": 1 });
    assert_eq!(taken, expected);
    let sdp = gateway.json("sdp out");
    assert_eq!(sdp, json!({ "sender": "out", "sdp": "v=0\r\ns=cam\r\n" }));
    assert_eq!(text(&gateway.flypack("sdp out").stdout), "v=0\r\ns=cam\r\n");

    let status = gateway.json("status");
    assert_eq!(status["node"]["workers"][0]["core"], 1);
    assert_eq!(status["crosspoints"], json!([{ "destination": "out", "source": "cam", "source_present": true }]));
    assert_eq!(status["senders"][0]["state"], "sending");

    let cleared = gateway.json("take out --clear");
    assert_eq!([&cleared["source"], &cleared["previous_source"]], [&Value::Null, &json!("cam")]);
    assert_eq!(gateway.json("senders del out"), json!({ "deleted": "out" }));
    assert_eq!(gateway.json("receivers del cam"), json!({ "deleted": "cam" }));
    assert_eq!(gateway.json("flows"), json!({ "flows": [] }));
}

#[test]
fn tables_show_the_same() {
    let gateway = Gateway::start();
    let output = gateway.flypack("status");
    assert!(text(&output.stdout).contains("no receivers; add one with `flypack receivers add"));
    gateway.furnish();
    gateway.json("take out cam");
    let output = gateway.flypack("status");
    let shown = text(&output.stdout);
    for part in ["UNLOCKED", "plain 4 KiB", "warning  no hugepages", "64x8p25 YCbCr-4:2:2 10 bit", "sending", "async"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let output = gateway.flypack("flows");
    assert!(text(&output.stdout).lines().nth(1).unwrap().starts_with("cam   64x8p25"), "{}", text(&output.stdout));
    let output = gateway.flypack("take out --clear");
    assert_eq!(text(&output.stdout), "out: nothing (was cam)\n");
    let output = gateway.flypack("receivers");
    assert!(text(&output.stdout).contains("239.1.1.1:5004"));
}

fn port() -> PortStatus {
    PortStatus {
        name: "media-a".into(),
        device: "net_af_packet:eth1".into(),
        driver: "net_af_packet".into(),
        mac: "02:00:00:00:00:01".into(),
        link_up: Some(false),
        addresses: vec!["192.0.2.10/24".into(), "2001:db8::10/64".into()],
        vlan: Some(7),
        mtu: 1500,
        exception: "tap fp-media-a".into(),
        gathers: true,
        driver_copies_in: 1,
        driver_copies_out: 1,
        sizing: vec!["receive: 32768 frames of 2048 octets, 64 MiB".into()],
        capabilities: Vec::new(),
        troubles: vec!["neighbour 192.0.2.1 does not answer ARP".into()],
        worker: String::new(),
        counters: vec![("rx_packets", 12)],
    }
}

#[test]
fn ports_are_listed_counted_and_restarted() {
    let gateway = Gateway::start();
    assert_eq!(gateway.json("ports"), json!({ "ports": [] }));
    assert!(text(&gateway.flypack("ports").stdout).contains("[[port]]"));
    assert!(
        !text(&gateway.flypack("status").stdout).contains("EXCEPTION"),
        "a gateway without ports does not speak of them"
    );
    gateway.dataplane.add_port(port());
    let listed = gateway.json("ports list");
    let shown = &listed["ports"][0];
    assert_eq!([&shown["link_up"], &shown["vlan"], &shown["worker"]], [&json!(false), &json!(7), &Value::Null]);
    assert_eq!(gateway.json("status")["node"]["ports"], listed["ports"]);
    let status = gateway.flypack("status");
    for part in
        ["DOWN", "192.0.2.10/24 2001:db8::10/64", "gathers, driver copies 1x", "tap fp-media-a", "does not answer"]
    {
        assert!(text(&status.stdout).contains(part), "{part} in {}", text(&status.stdout));
    }
    assert!(text(&gateway.flypack("ports").stdout).contains("32768 frames"));
    let statistics = gateway.json("statistics media-a");
    let expected = json!({ "kind": "port", "name": "media-a", "counters": { "rx_packets": 12 } });
    assert_eq!(statistics["statistics"], json!([expected]));
    assert_eq!(gateway.json("ports restart media-a")["restarted"]["name"], "media-a");
    assert_eq!(gateway.dataplane.told(), [Told::RestartPort("media-a".parse().unwrap())]);
    assert_eq!(gateway.flypack("senders add out --to 239.1.1.1:5004").status.code(), Some(0));
    assert_eq!(gateway.json("move --sender out --worker worker-1")["worker"], "worker-1");
    let moved = Told::MoveStream(StreamName::Sender("out".parse().unwrap()), "worker-1".to_owned());
    assert_eq!(gateway.dataplane.told().last(), Some(&moved));
    assert_eq!(gateway.json("move --port media-a --worker 1")["port"], "media-a");
    let moved = Told::MoveStream(StreamName::Port("media-a".parse().unwrap()), "1".to_owned());
    assert_eq!(gateway.dataplane.told().last(), Some(&moved));
    assert_eq!(gateway.flypack("move --port media-a --sender out --worker 1").status.code(), Some(2));
    let refused = gateway.flypack("move --receiver out --worker 1");
    assert_eq!(refused.status.code(), Some(1), "a sender is no receiver");
    assert_eq!(gateway.flypack("move --worker 1").status.code(), Some(2));
    let refused = gateway.flypack("--json ports restart media-b");
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!((refused.status.code(), &error["error"]["code"]), (Some(1), &json!("not_found")));
    assert!(error["error"]["message"].as_str().unwrap().contains("there are: media-a"), "{error}");
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// With a receiver "cam" that a pod and a sender read, and pods' flows "anc" and "mic".
fn rings() -> Gateway {
    let gateway = Gateway::start();
    gateway.furnish();
    let class = ConsumerClass::Leased { k: 2 };
    let pod = ConsumerStatus {
        seat: 0,
        holder: ConsumerHolder::Pod { uid: 1000, pid: Some(4711) },
        class,
        state: "evicted",
        lag_grains: 9,
        held_slots: 0,
        quarantined_slots: 2,
    };
    let live = ConsumerStatus { state: "live", held_slots: 1, quarantined_slots: 0, ..pod.clone() };
    gateway.dataplane.add_consumer(&name("cam"), pod);
    for (seat, holder) in [(1, ConsumerHolder::Gateway), (2, ConsumerHolder::Outlived)] {
        gateway.dataplane.add_consumer(&name("cam"), ConsumerStatus { seat, holder, ..live.clone() });
    }
    let audio = AudioFormat::new(16, 48_000, AudioDepth::L24, 48).unwrap();
    gateway.dataplane.add_pod_flow(&name("mic"), audio);
    let ancillary = AncillaryFormat::new(Rate::new(60_000, 1001).unwrap(), 4096).unwrap();
    gateway.dataplane.add_pod_flow(&name("anc"), ancillary);
    gateway
}

#[test]
fn rings_show_who_holds_what() {
    let gateway = rings();
    let all = gateway.json("rings");
    let flows: Vec<&str> = all["rings"].as_array().unwrap().iter().map(|ring| ring["flow"].as_str().unwrap()).collect();
    assert_eq!(flows, ["anc", "cam", "mic"]);
    let one = gateway.json("rings cam");
    assert_eq!(one["rings"], json!([all["rings"][1]]));
    let cam = &one["rings"][0];
    assert_eq!(cam["slot_use"], json!({ "free": 3, "open": 1, "done": 4, "leased": 0, "quarantined": 0 }));
    assert_eq!([&cam["kind"], &cam["consumers_evicted"], &cam["slots"]], [&json!("video"), &json!(5), &json!(8)]);
    let pod = json!({
        "seat": 0, "kind": "pod", "uid": 1000, "pid": 4711, "class": "leased", "k": 2, "state": "evicted",
        "lag_grains": 9, "held_slots": 0, "quarantined_slots": 2,
    });
    assert_eq!(cam["consumers"][0], pod);
    let sender = &cam["consumers"][1];
    assert_eq!([&sender["kind"], &sender["uid"], &sender["pid"]], [&json!("gateway"), &Value::Null, &Value::Null]);
    let outlived = &cam["consumers"][2];
    assert_eq!([&outlived["kind"], &outlived["uid"]], [&json!("outlived"), &Value::Null]);
    let mic = &all["rings"][2];
    let format =
        json!({ "channels": 16, "sample_rate_hz": 48000, "depth": "L24", "block_samples": 48, "rate": "1000" });
    assert_eq!([&mic["kind"], &mic["format"], &mic["slot_use"]], [&json!("audio"), &format, &Value::Null]);

    let shown = gateway.flypack("rings");
    // Cells are two spaces apart.
    let cells =
        |line: &str| line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect();
    let lines: Vec<Vec<String>> = text(&shown.stdout).lines().map(cells).collect();
    let has = |cells: &[&str]| lines.iter().any(|line| line == cells);
    assert!(has(&["cam", "00000000", "gateway", "64x8p25 YCbCr-4:2:2 10 bit", "8", "3", "1", "4", "0", "0", "5"]));
    let format = "ancillary 60000/1001, up to 4096 octets";
    assert!(has(&["anc", "00000000", "pod 4711 (uid 1000)", format, "8", "-", "-", "-", "-", "-", "5"]));
    assert!(has(&["cam", "00000000", "0", "pod 4711 (uid 1000)", "leased k=2", "evicted", "9", "0", "2"]));
    assert!(has(&["cam", "00000000", "1", "gateway", "leased k=2", "live", "9", "1", "0"]));
    assert!(has(&["cam", "00000000", "2", "outlived", "leased k=2", "live", "9", "1", "0"]));
}

#[test]
fn flows_of_every_kind_are_listed() {
    let gateway = rings();
    let flows = gateway.json("flows");
    let kinds: Vec<&Value> = flows["flows"].as_array().unwrap().iter().map(|flow| &flow["kind"]).collect();
    assert_eq!(kinds, ["ancillary", "video", "audio"]);
    assert_eq!(flows["flows"][0]["format"], json!({ "rate": "60000/1001", "max_octets": 4096 }));
    let shown = gateway.flypack("flows");
    assert!(text(&shown.stdout).contains("16 ch 48000 Hz L24, 48 samples a block"), "{}", text(&shown.stdout));
}

#[test]
fn a_seat_is_taken_by_its_number() {
    let gateway = rings();
    let evicted = gateway.json("rings evict cam 1");
    assert_eq!([&evicted["flow"], &evicted["evicted"]["seat"]], [&json!("cam"), &json!(1)]);
    let told = gateway.flypack("rings evict cam 0");
    assert_eq!(text(&told.stdout), "cam: seat 0 is being evicted: pod 4711 (uid 1000), leased k=2, 0 slots held\n");
    let told = gateway.dataplane.told();
    assert_eq!(told[told.len() - 2..], [Told::Evict(name("cam"), 1), Told::Evict(name("cam"), 0)]);
    for (arguments, part) in [
        ("rings evict cam 5", "those taken are: 0, 1"),
        ("rings evict mic 5", "nobody reads it"),
        ("rings evict dog 5", "`flypack rings` shows"),
        ("rings dog", "there are: anc, cam, mic"),
    ] {
        let refused = gateway.flypack(&format!("--json {arguments}"));
        let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
        assert_eq!((refused.status.code(), &error["error"]["code"]), (Some(1), &json!("not_found")), "{arguments}");
        assert!(error["error"]["message"].as_str().unwrap().contains(part), "{arguments}: {error}");
    }
}

#[test]
fn a_gateway_without_rings_says_what_makes_one() {
    let gateway = Gateway::start();
    assert_eq!(gateway.json("rings"), json!({ "rings": [] }));
    assert!(text(&gateway.flypack("rings").stdout).contains("flypack send"));
}

#[test]
fn statistics_are_by_object_and_name() {
    let gateway = Gateway::start();
    gateway.furnish();
    let all = gateway.json("statistics");
    assert_eq!(all["statistics"].as_array().unwrap().len(), 5);
    let of = gateway.json("statistics broker");
    let counters = json!({ "adoptions_refused": 2 });
    assert_eq!(of, json!({ "statistics": [{ "kind": "broker", "name": "broker", "counters": counters }] }));
    let of = gateway.json("statistics out");
    assert_eq!(of, json!({ "statistics": [{ "kind": "sender", "name": "out", "counters": { "packets": 500 } }] }));
}

#[test]
fn refusals_go_to_stderr_with_a_code() {
    let gateway = Gateway::start();
    gateway.furnish();
    let file_owned = SenderSpec::new("fixed".parse().unwrap(), "10.0.0.1:5004".parse().unwrap());
    gateway.controller.add_sender(Scope::File, file_owned).unwrap();
    let cases = [
        ("take nowhere cam", "not_found", "there are: fixed, out"),
        ("take out nothing", "not_found", "there are: cam"),
        ("sdp nowhere", "not_found", "there are: fixed, out"),
        ("sdp out", "no_sdp", "flypack take out FLOW"),
        ("senders del fixed", "failed_precondition", "configuration file"),
        ("senders add out --to 10.0.0.1:5004", "already_exists", "another name"),
        ("senders add o2 --to 0.0.0.0:5004", "invalid_argument", "239.1.1.1:5004"),
        ("receivers add c2 --sdp /nonexistent/x.sdp", "file", "/nonexistent/x.sdp"),
    ];
    for (arguments, code, part) in cases {
        let output = gateway.flypack(&format!("--json {arguments}"));
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert!(output.stdout.is_empty(), "{arguments}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], code, "{arguments}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(part), "{arguments}: {error}");
        let plain = gateway.flypack(arguments);
        assert!(text(&plain.stderr).starts_with("flypack: "), "{arguments}");
    }
}

#[test]
fn a_flow_that_is_not_there_can_be_awaited() {
    let gateway = Gateway::start();
    gateway.furnish();
    assert_eq!(gateway.json("take out pod --await")["version"], 1);
    let status = gateway.flypack("status");
    assert!(text(&status.stdout).contains("out waits for flow pod"));
    let refused = gateway.flypack("sdp out");
    assert!(text(&refused.stderr).is_empty(), "the recording data plane has an SDP for every source");
}

#[test]
fn a_gateway_that_is_not_running_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}", folder.path().join("none.sock").display());
    let output = flypack(&["--endpoint", &endpoint, "status"]);
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("flypackd --config") && said.contains("--endpoint"), "{said}");
}

#[test]
fn an_sdp_comes_from_stdin_too() {
    let gateway = Gateway::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flypack"))
        .args(["--endpoint", &gateway.endpoint.to_string(), "receivers", "add", "cam", "--sdp", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(SDP.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("239.1.1.1:5004"));
}

#[test]
fn usage_errors_are_code_2_and_json_when_asked() {
    let plain = flypack(&["take"]);
    assert_eq!(plain.status.code(), Some(2));
    assert!(text(&plain.stderr).contains("Usage:"));
    let refused = flypack(&["--json", "take", "out"]);
    assert_eq!(refused.status.code(), Some(2));
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], "usage");
    let help = flypack(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("Exit codes: 0"));
}

#[test]
fn the_doctor_fails_only_when_a_gateway_could_not_work() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let output = flypack(&["doctor", "--root", &root]);
    assert_eq!(output.status.code(), Some(0), "warnings are no failure");
    assert!(text(&output.stdout).contains("fix: "));
    std::fs::create_dir_all(folder.path().join("proc/sys/kernel")).unwrap();
    std::fs::write(folder.path().join("proc/sys/kernel/osrelease"), "4.19.0\n").unwrap();
    let output = flypack(&["--json", "doctor", "--root", &root]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!([&report["worst"], &report["checks"][0]["level"]], ["fail", "fail"]);
    assert_eq!(report["checks"][0]["name"], "kernel");
    assert!(report["checks"][0]["fix"].is_string());
    let here = flypack(&["--json", "doctor"]);
    let report: Value = serde_json::from_slice(&here.stdout).unwrap();
    assert!(report["checks"].as_array().unwrap().iter().any(|check| check["name"] == "sealed memory"));
}

/// Puts a program somewhere, by a process of its own: what this one has open for writing is open in what other tests
/// fork meanwhile, and a file that is open for writing cannot be run.
fn install(octets: &[u8], program: &Path) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(program).stdin(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(octets).unwrap();
    assert!(shell.wait().unwrap().success());
}

#[test]
fn the_doctor_asks_flypackd_what_a_configuration_needs() {
    let folder = tempfile::tempdir().unwrap();
    // A flypack with a flypackd of its own beside it.
    let program = folder.path().join("flypack");
    install(&std::fs::read(env!("CARGO_BIN_EXE_flypack")).unwrap(), &program);
    let gateway = folder.path().join("flypackd");
    let answer = r#"[{"name":"port a","level":"fail","found":"no interface in $4","fix":null}]"#;
    install(format!("#!/bin/sh\ncat <<END\n{answer}\nEND\n").as_bytes(), &gateway);
    let doctor = || {
        let mut command = Command::new(&program);
        command.args(["--json", "doctor", "--config", "/etc/some.toml"]).env("PATH", "/bin:/usr/bin");
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report["checks"].as_array().unwrap().last().unwrap().clone())
    };
    let (code, check) = doctor();
    let expected = json!({ "name": "port a", "level": "fail", "found": "no interface in /etc/some.toml", "fix": null });
    assert_eq!((code, check), (Some(1), expected));
    install(b"#!/bin/sh\necho unknown argument --check >&2\n", &gateway);
    let (code, check) = doctor();
    assert!(code == Some(1) && check["found"].as_str().unwrap().contains("unknown argument"), "{check}");
    std::fs::remove_file(&gateway).unwrap();
    let (code, check) = doctor();
    assert!(code == Some(1) && check["fix"].as_str().unwrap().contains("PATH"), "{check}");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let gateway = Gateway::start();
    gateway.furnish();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flypack"));
    let output = command.args(["--endpoint", &gateway.endpoint.to_string(), "senders"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No space left"), "{}", text(&output.stderr));
}

#[test]
fn statistics_of_what_is_not_there_are_an_error() {
    let gateway = Gateway::start();
    gateway.furnish();
    assert_ne!(gateway.json("statistics cam")["statistics"], json!([]));
    let output = gateway.flypack("statistics nope");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nope"), "{}", text(&output.stderr));
}

#[test]
fn an_sdp_whose_name_is_latin_1_is_read() {
    let gateway = Gateway::start();
    let mut sdp = SDP.as_bytes().to_vec();
    let at = SDP.find("s=").unwrap() + 2;
    sdp.insert(at, 0xe9);
    std::fs::write(gateway.sdp(), sdp).unwrap();
    let made = gateway.json(&format!("receivers add cam --sdp {}", gateway.sdp().display()));
    assert_eq!(made["receiver"]["name"], "cam");
}
