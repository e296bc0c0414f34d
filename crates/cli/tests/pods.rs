//! `send` and `recv` as pods of a broker in this process, with plain pages.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use media::{Depth, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shm::{Broker, BrokerConfig, ConsumerState, FrameWriter, GrainEnd, GrainKey, GrainStamp, PagePolicy};

const ROWS: u16 = 8;
const FRAME_OCTETS: usize = 160 * 8;

/// 64 × 8 pixels of 10 bits at 100 frames a second, as the SDP below.
fn format() -> VideoFormat {
    VideoFormat::new(64, 8, Sampling::YCbCr422, Depth::Bits10, Rate::new(100, 1).unwrap()).unwrap()
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=x\r\nt=0 0\r\nm=video 5004 RTP/AVP 112\r\nc=IN IP4 239.1.1.1/64\r\n\
                   a=rtpmap:112 raw/90000\r\na=fmtp:112 sampling=YCbCr-4:2:2; width=64; height=8; exactframerate=100; \
                   depth=10; TCS=SDR; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPN;\r\n\
                   a=mediaclk:direct=0\r\na=ts-refclk:localmac=02-00-00-00-00-01\r\n";

struct Rack {
    folder: tempfile::TempDir,
    broker: Arc<Broker>,
}

impl Rack {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = BrokerConfig {
            page_policy: PagePolicy::PlainOnly,
            mode: 0o600,
            ..BrokerConfig::new(folder.path().join("broker.sock"))
        };
        let broker = Arc::new(Broker::start(config, |_| {}).unwrap());
        std::fs::write(folder.path().join("cam.sdp"), SDP).unwrap();
        Self { folder, broker }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_flypack"))
            .args(arguments)
            .arg("--broker")
            .arg(self.path("broker.sock"))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn receive(&self, arguments: &[&str]) -> Child {
        self.spawn(&[&["--json", "recv", "cam"], arguments].concat())
    }

    fn has_reader(&self) -> bool {
        self.has_consumer(|state| matches!(state, ConsumerState::Live { .. }))
    }

    fn has_consumer(&self, is_meant: impl Fn(ConsumerState) -> bool) -> bool {
        self.broker.flows().iter().any(|flow| flow.consumers.iter().any(|consumer| is_meant(consumer.state)))
    }
}

/// The gateway's writer of flow "cam" on a thread: each octet of a frame is the low octet of its index.
struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    /// A camera that waits for its readers, so that a busy machine loses nothing.
    fn start(rack: &Rack, each: impl Fn(&mut FrameWriter, u64) + Send + 'static) -> Self {
        let broker = Arc::clone(&rack.broker);
        let keeps_up = move || broker.flows().iter().all(|f| f.consumers.iter().all(|c| c.lag.unwrap_or(0) <= 1));
        Self::start_when(rack, keeps_up, each)
    }

    /// A camera that waits for nobody.
    fn start_live(rack: &Rack, each: impl Fn(&mut FrameWriter, u64) + Send + 'static) -> Self {
        Self::start_when(rack, || true, each)
    }

    fn start_when(
        rack: &Rack,
        is_time: impl Fn() -> bool + Send + 'static,
        each: impl Fn(&mut FrameWriter, u64) + Send + 'static,
    ) -> Self {
        let mut writer = rack.broker.create_flow(&"cam".parse::<Name>().unwrap(), format(), None).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut index = 1000;
            while !stopped.load(Ordering::Relaxed) {
                if is_time() {
                    each(&mut writer, index);
                    index += 1;
                }
                // The pace of the camera, which looks after its readers in between.
                for _ in 0..5 {
                    writer.poll(Tai::from_nanos(index as i64 * 10_000_000));
                    thread::sleep(Duration::from_millis(2));
                }
            }
        };
        Self { stop, thread: Some(thread::spawn(run)) }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn open(writer: &mut FrameWriter, index: u64) -> GrainKey {
    let tai = Tai::from_nanos(index as i64 * 10_000_000);
    writer.open(GrainIndex(index), GrainStamp { tai, rtp: RtpTimestamp(index as u32 * 900) }, tai).unwrap()
}

fn whole_frame(writer: &mut FrameWriter, index: u64) {
    let key = open(writer, index);
    writer.write(key, 0, &[index as u8; FRAME_OCTETS]).unwrap();
    writer.commit(key, GrainEnd::default());
}

/// Waits for the end, which must be a success, and gives the summary.
fn summary(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

fn wait_until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn check_frames(raw: &[u8], first_index: u64) {
    assert_eq!(raw.len() % FRAME_OCTETS, 0);
    for (at, frame) in raw.chunks(FRAME_OCTETS).enumerate() {
        assert!(frame.iter().all(|octet| *octet == (first_index + at as u64) as u8), "frame {at}");
    }
}

#[test]
fn raw_frames_of_the_gateway_are_read_in_place_and_in_order() {
    let rack = Rack::start();
    let _camera = Camera::start(&rack, whole_frame);
    let summary = summary(rack.receive(&["--output", "raw", "--frames", "10"]));
    assert_eq!([&summary["stopped"], &summary["output"]], ["frames", "cam.raw"]);
    assert_eq!([&summary["frames_received"], &summary["frames_lost"], &summary["octets_copied"]], [10, 0, 0]);
    assert_eq!(summary["octets_in_place"], 10 * FRAME_OCTETS);
    let raw = std::fs::read(rack.path("cam.raw")).unwrap();
    assert_eq!(raw.len(), 10 * FRAME_OCTETS);
    check_frames(&raw, summary["first_index"].as_u64().unwrap());
}

#[test]
fn stdout_carries_nothing_but_frames() {
    let rack = Rack::start();
    let _camera = Camera::start(&rack, whole_frame);
    let child = rack.receive(&["--output", "-", "--frames", "5"]);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(output.stdout.len(), 5 * FRAME_OCTETS);
    check_frames(&output.stdout, summary["first_index"].as_u64().unwrap());
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let rack = Rack::start();
    let _camera = Camera::start(&rack, whole_frame);
    let mut child = rack.receive(&["--output", "-"]);
    let mut frame = [0; FRAME_OCTETS];
    child.stdout.take().unwrap().read_exact(&mut frame).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(summary["stopped"], "output_closed");
}

#[test]
fn lost_lines_are_black_and_cancelled_grains_left_out() {
    let rack = Rack::start();
    let _camera = Camera::start(&rack, |writer, index| {
        let key = open(writer, index);
        if index % 2 == 0 {
            writer.write(key, 0, &[0xff; 320]).unwrap();
            return writer.cancel(key);
        }
        writer.write(key, 0, &[7; FRAME_OCTETS]).unwrap();
        for line in [0, 5, 6] {
            writer.mark_lost(key, line);
        }
        writer.commit(key, GrainEnd::default());
    });
    let summary = summary(rack.receive(&["--output", "f-%03d.raw", "--frames", "3"]));
    assert_eq!([&summary["frames_partial"], &summary["lines_lost"], &summary["frames_lost"]], [3, 9, 0]);
    assert!(summary["frames_cancelled"].as_u64().unwrap() >= 2);
    let black = [0x80, 0x04, 0x08, 0x00, 0x40].repeat(32);
    for number in 1..=3 {
        let frame = std::fs::read(rack.path(&format!("f-00{number}.raw"))).unwrap();
        for (line, row) in frame.chunks(160).enumerate() {
            let expected = if [0, 5, 6].contains(&line) { black.clone() } else { vec![7; 160] };
            assert!(row == expected, "line {line}");
        }
    }
    assert!(!rack.path("f-004.raw").exists());
}

#[test]
fn a_png_shows_what_was_in_the_ring() {
    let rack = Rack::start();
    // Left half white, right half black, in BT.601 as the picture is small.
    let _camera = Camera::start(&rack, |writer, index| {
        let key = open(writer, index);
        let white = [0x80, 0x3a, 0xc8, 0x03, 0xac].repeat(16);
        let row = [white, [0x80, 0x04, 0x08, 0x00, 0x40].repeat(16)].concat();
        writer.write(key, 0, &row.repeat(ROWS.into())).unwrap();
        writer.commit(key, GrainEnd::default());
    });
    let summary = summary(rack.receive(&["--output", "png"]));
    assert_eq!([&summary["frames_received"], &summary["stopped"]], [&Value::from(1), &Value::from("frames")]);
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(rack.path("cam.png")).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut rgb).unwrap();
    assert_eq!((frame.width, frame.height), (64, 8));
    let row = [[255; 96], [0; 96]].concat();
    assert!(rgb == row.repeat(8));
    assert!(!rack.path("cam.png.part").exists());
}

#[test]
fn a_signal_ends_recv_with_its_summary() {
    let rack = Rack::start();
    let _camera = Camera::start(&rack, |writer, index| {
        if index < 1001 {
            whole_frame(writer, index);
        }
    });
    let child = rack.receive(&["--output", "raw"]);
    wait_until(|| rack.has_reader());
    interrupt(&child);
    assert_eq!(summary(child)["stopped"], "signal");
}

#[test]
fn a_flow_that_ends_early_has_its_own_exit_code() {
    let rack = Rack::start();
    let camera = Camera::start(&rack, |writer, _| writer.poll(Tai::EPOCH));
    let child = rack.receive(&["--output", "raw", "--frames", "3"]);
    wait_until(|| rack.has_reader());
    drop(camera);
    rack.broker.remove_flow(&"cam".parse().unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["stopped"], "producer_gone");
}

#[test]
fn a_lossy_reader_holds_nothing_and_copies() {
    let rack = Rack::start();
    let _camera = Camera::start(&rack, whole_frame);
    let summary = summary(rack.receive(&["--output", "raw", "--frames", "5", "--lossy", "--newest"]));
    assert_eq!([&summary["frames_received"], &summary["octets_in_place"], &summary["evictions"]], [5, 0, 0]);
    assert_eq!(summary["octets_copied"], 5 * FRAME_OCTETS);
    let raw = std::fs::read(rack.path("cam.raw")).unwrap();
    let firsts: Vec<u8> = raw.chunks(FRAME_OCTETS).map(|frame| frame[0]).collect();
    assert!(raw.chunks(FRAME_OCTETS).all(|frame| frame.iter().all(|octet| *octet == frame[0])));
    assert_eq!(firsts.len(), 5);
    let passed: u64 = firsts.windows(2).map(|pair| u64::from(pair[1].wrapping_sub(pair[0])) - 1).sum();
    let counted = ["frames_skipped", "frames_lost", "frames_torn"].map(|name| summary[name].as_u64().unwrap());
    assert!(passed <= counted.iter().sum(), "{firsts:?}: {summary}");
}

#[test]
fn an_evicted_reader_joins_again() {
    let rack = Rack::start();
    let _camera = Camera::start_live(&rack, whole_frame);
    let mut child = rack.receive(&["--output", "-", "--hold", "1"]);
    let mut stdout = child.stdout.take().unwrap();
    wait_until(|| rack.has_reader());
    // Nobody reads: the pipe fills, the grain stays in use, and the writer takes the seat.
    wait_until(|| rack.has_consumer(|state| matches!(state, ConsumerState::Evicted { .. })));
    let reading = thread::spawn(move || {
        let mut raw = Vec::new();
        stdout.read_to_end(&mut raw).unwrap();
        raw
    });
    wait_until(|| rack.has_reader());
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(summary["evictions"].as_u64().unwrap() >= 1, "{summary}");
    let raw = reading.join().unwrap();
    assert_eq!(raw.len() as u64, summary["frames_received"].as_u64().unwrap() * FRAME_OCTETS as u64);
    for frame in raw.chunks(FRAME_OCTETS) {
        assert!(frame.iter().all(|octet| *octet == frame[0]), "a frame is of one grain");
    }
}

/// A file of `frames` frames, each full of its number.
fn frames_file(rack: &Rack, frames: u8) -> PathBuf {
    let path = rack.path("frames.raw");
    let octets: Vec<u8> = (0..frames).flat_map(|number| [number; FRAME_OCTETS]).collect();
    std::fs::write(&path, octets).unwrap();
    path
}

fn send(rack: &Rack, input: &Path, arguments: &[&str]) -> Child {
    let input = input.display().to_string();
    rack.spawn(&[&["--json", "send", "--sdp", "cam.sdp", "--input", &input], arguments].concat())
}

#[test]
fn what_is_sent_is_received() {
    let rack = Rack::start();
    let input = frames_file(&rack, 10);
    let sender = send(&rack, &input, &["--loop"]);
    wait_until(|| !rack.broker.flows().is_empty());
    let received = summary(rack.receive(&["--output", "out.raw", "--frames", "25"]));
    interrupt(&sender);
    let sent = summary(sender);
    assert_eq!([&sent["flow"], &sent["stopped"]], ["cam", "signal"]);
    assert_eq!([&received["frames_received"], &received["octets_in_place"]], [25, 0], "a pod is not trusted");
    let raw = std::fs::read(rack.path("out.raw")).unwrap();
    assert_eq!(raw.len(), 25 * FRAME_OCTETS);
    let numbers: Vec<u8> = raw.chunks(FRAME_OCTETS).map(|frame| frame[0]).collect();
    let whole = raw.chunks(FRAME_OCTETS).all(|frame| frame.iter().all(|octet| *octet == frame[0]));
    assert!(whole);
    // Frames that are missing between two are lost, and counted.
    let missing: u64 = numbers.windows(2).map(|pair| u64::from((pair[1] + 10 - pair[0] - 1) % 10)).sum();
    assert!(missing <= received["frames_lost"].as_u64().unwrap(), "{numbers:?}: {received}");
}

#[test]
fn send_ends_with_its_input_or_its_count() {
    let rack = Rack::start();
    let input = frames_file(&rack, 6);
    let sent = summary(send(&rack, &input, &["--timing", "fast", "--name", "a"]));
    assert_eq!([&sent["frames_sent"], &sent["frames_dropped"]], [6, 0]);
    assert_eq!(sent["stopped"], "input_ended");
    assert_eq!(sent["last_index"].as_u64().unwrap() - sent["first_index"].as_u64().unwrap(), 5);
    let sent = summary(send(&rack, &input, &["--timing", "fast", "--loop", "--frames", "15"]));
    assert_eq!([&sent["frames_sent"], &sent["stopped"]], [&Value::from(15), &Value::from("frames")]);
    wait_until(|| rack.broker.flows().is_empty());
}

#[test]
fn send_refuses_a_partial_last_frame_with_its_octets() {
    let rack = Rack::start();
    let input = frames_file(&rack, 1);
    let mut octets = std::fs::read(&input).unwrap();
    octets.extend([0; 100]);
    std::fs::write(&input, octets).unwrap();
    let output = send(&rack, &input, &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "partial_frame");
    assert!(error["error"]["message"].as_str().unwrap().contains("frame 2: 100 octets of 1280"), "{error}");
}

#[test]
fn send_reads_frames_from_a_pipe() {
    use std::io::Write as _;

    let rack = Rack::start();
    let mut child = send(&rack, Path::new("-"), &["--name", "piped"]);
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..3u8 {
        stdin.write_all(&[number; FRAME_OCTETS]).unwrap();
    }
    drop(stdin);
    let sent = summary(child);
    assert_eq!([&sent["frames_sent"], &sent["stopped"]], [&Value::from(3), &Value::from("input_ended")]);
}

#[test]
fn pods_without_a_broker_are_told_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let output = Command::new(env!("CARGO_BIN_EXE_flypack"))
        .args(["recv", "cam", "--output", "-", "--broker"])
        .arg(&socket)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("start flypackd") && said.contains("--broker"), "{said}");
    let rack = Rack::start();
    let output = rack.receive(&["--output", "-"]).wait_with_output().unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("no flow \"cam\"; there are: none"), "{error}");
}
