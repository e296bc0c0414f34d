//! Recordings and replays over rings of a broker in this process, on the disk that this program is on.

mod ends;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use control::{ArchiveState, ReplayEnding, ReplayTiming};
use media::recording::{Entry, Header};
use media::{Clock as _, Depth, FlowFormat, GrainIndex, Rate, Sampling, VideoFormat};
use shm::{
    Broker, BrokerConfig, ConsumerClass, FrameReader, FrameWriter, GrainEnd, GrainLease, PagePolicy, SubscribeError,
};

use super::follower::{Follower, Step};
use super::index_file::IndexReader;
use super::*;
use crate::clock::ClockKeeper;

const PATIENCE: Duration = Duration::from_secs(20);
const LOST_LINE: u16 = 3;

#[derive(Clone)]
struct Rings(Arc<Broker>);

impl Flows for Rings {
    fn subscribe(&self, flow: &Name, class: ConsumerClass) -> Result<FrameReader, SubscribeError> {
        self.0.subscribe(flow, class)
    }

    fn ring(&self, flow: &Name) -> Option<(u128, FlowFormat)> {
        self.0.flows().iter().find(|ring| ring.name == *flow).map(|ring| (ring.epoch, ring.format))
    }

    fn names(&self) -> Vec<String> {
        self.0.flows().iter().map(|ring| ring.name.to_string()).collect()
    }

    fn create(&self, flow: &Name, format: FlowFormat, slots: Option<u16>) -> Result<FrameWriter, ArchiveError> {
        self.0.create_flow(flow, format, slots).map_err(|error| ArchiveError::Refused(Box::new(error)))
    }

    fn remove(&self, flow: &Name) {
        self.0.remove_flow(flow).unwrap();
    }
}

/// A broker and a recorder, in a folder on a disk.
struct Stage {
    recorder: Recorder,
    rings: Rings,
    clock: TaiClock,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let config = BrokerConfig {
            page_policy: PagePolicy::PlainOnly,
            default_slots: 16,
            ..BrokerConfig::new(folder.path().join("broker.sock"))
        };
        let clock = ClockKeeper::start().clock();
        let settings = RecorderSettings { folder: folder.path().join("files"), trial: Duration::ZERO, hold_grains: 4 };
        let recorder = Recorder::new(settings, clock.clone());
        Self { recorder, rings: Rings(Arc::new(Broker::start(config, |_| {}).unwrap())), clock, folder }
    }

    fn camera(&self) -> Camera {
        let writer = self.rings.create(&name("cam"), format().into(), None).unwrap();
        let (stop, clock) = (Arc::new(AtomicBool::new(false)), self.clock.clone());
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || film(writer, &clock, &flag));
        Camera { stop, thread: Some(thread) }
    }

    fn record(&self, file: &str, grains: Option<u32>) -> u32 {
        let spec = RecordSpec { flow: name("cam"), file: file.to_owned(), grains, seconds: None };
        self.recorder.record(self.rings.clone(), &spec).unwrap().id
    }

    fn status(&self, id: u32) -> RecordingStatus {
        self.recorder.recordings().into_iter().find(|status| status.id == id).unwrap()
    }

    fn wait(&self, id: u32, until: impl Fn(&RecordingStatus) -> bool) -> RecordingStatus {
        eventually(|| Some(self.status(id)).filter(|status| until(status)))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("files").join(file)
    }

    /// What is in a recording, as anybody would read it.
    fn read(&self, file: &str) -> Vec<(Entry, Vec<u8>)> {
        use std::os::unix::fs::FileExt as _;
        let index = IndexReader::open(std::fs::File::open(self.path(&format!("{file}.index"))).unwrap());
        let index = index.unwrap().unwrap();
        assert_eq!((index.header().format, index.header().flow.as_str()), (format(), "cam"));
        let grains = std::fs::File::open(self.path(file)).unwrap();
        assert_eq!(grains.metadata().unwrap().len(), u64::from(index.grains()) * index.header().grain_stride());
        let one = |number| {
            let entry = index.entry(number).unwrap().unwrap();
            let mut octets = vec![0; entry.octets as usize];
            grains.read_exact_at(&mut octets, entry.offset).unwrap();
            (entry, octets)
        };
        (0..index.grains()).map(one).collect()
    }

    fn replay(&self, ending: ReplayEnding) -> Result<ReplayStatus, ArchiveError> {
        let (timing, slots) = (ReplayTiming::Recorded, None);
        let spec = ReplaySpec { file: "take1".to_owned(), flow: name("tape"), ending, timing, slots };
        self.recorder.replay(self.rings.clone(), &spec)
    }
}

/// Writes a grain each period: every fifth index is left out, every fourth grain lost a line.
struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn film(mut writer: FrameWriter, clock: &TaiClock, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        writer.poll(now);
        let index = writer.geometry().index_at(now);
        if index.0.is_multiple_of(5) || writer.last().is_some_and(|last| index <= last) {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        shoot(&mut writer, index, now);
    }
}

fn shoot(writer: &mut FrameWriter, index: GrainIndex, now: media::Tai) {
    let stamp = writer.geometry().stamp_of(index);
    let Ok(key) = writer.open(index, stamp, now) else { return };
    if index.0.is_multiple_of(4) {
        writer.mark_lost(key, LOST_LINE);
    }
    let slices = writer.geometry().slices;
    writer.lines_mut(key, 0..slices).unwrap().copy_from_slice(&picture(index));
    writer.commit(key, GrainEnd::default());
}

fn picture(index: GrainIndex) -> Vec<u8> {
    (0..format().frame_octets()).map(|at| (u64::from(at / 7) ^ index.0) as u8).collect()
}

/// 96 × 24 pixels: 5,760 octets, which are not whole blocks.
fn format() -> VideoFormat {
    VideoFormat::new(96, 24, Sampling::YCbCr422, Depth::Bits10, Rate::new(100, 1).unwrap()).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_recording_holds_every_grain_as_it_was_and_which_lines_were_lost() {
    let stage = Stage::new();
    let _camera = stage.camera();
    let id = stage.record("take1", Some(20));
    let status = stage.wait(id, |status| status.state != ArchiveState::Running);
    assert_eq!((status.state, status.grains, status.trouble), (ArchiveState::Done, 20, None));
    let grains = stage.read("take1");
    assert_eq!(grains.len(), 20);
    for (entry, octets) in &grains {
        assert_eq!(*octets, picture(entry.index));
        assert_eq!(entry.lost, if entry.index.0.is_multiple_of(4) { vec![LOST_LINE] } else { Vec::new() });
        assert_eq!(entry.tai, media::grain_start(entry.index, format().rate()));
    }
    let lost: u64 = grains.windows(2).map(|pair| pair[1].0.index.0 - pair[0].0.index.0 - 1).sum();
    assert_eq!(status.grains_lost, lost, "every fifth was never there");
    let lines = grains.iter().filter(|(entry, _)| !entry.lost.is_empty()).count() as u64;
    assert_eq!((status.lines_lost, status.octets), (lines, 20 * 8192));
}

#[test]
fn a_stopped_recording_is_whole_and_one_whose_flow_goes_says_so() {
    let stage = Stage::new();
    let camera = stage.camera();
    let (first, second) = (stage.record("take1", None), stage.record("take2", None));
    stage.wait(first, |status| status.grains > 3);
    let stopped = stage.recorder.stop_recording(first).unwrap();
    assert_eq!((stopped.state, stage.read("take1").len()), (ArchiveState::Stopped, stopped.grains as usize));
    assert_eq!(stage.recorder.stop_recording(first).unwrap(), stopped, "once is as good as twice");
    stage.rings.remove(&name("cam"));
    drop(camera);
    let ended = stage.wait(second, |status| status.state != ArchiveState::Running);
    assert_eq!((ended.state, stage.read("take2").len()), (ArchiveState::FlowEnded, ended.grains as usize));
    assert!(ended.trouble.unwrap().contains("the flow is gone"));
}

#[test]
fn what_cannot_be_recorded_leaves_nothing_behind() {
    let stage = Stage::new();
    let _camera = stage.camera();
    let ask = |flow: &str, file: &str, grains| {
        let spec = RecordSpec { flow: name(flow), file: file.to_owned(), grains, seconds: None };
        stage.recorder.record(stage.rings.clone(), &spec).unwrap_err().to_string()
    };
    assert!(ask("dog", "x", None).contains("there are: cam"));
    assert!(ask("cam", "../x", None).contains("relative to it"));
    let refused = ask("cam", "x", Some(u32::MAX));
    assert!(refused.contains("MB free") && refused.contains("35184372 MB"), "{refused}");
    assert_eq!(std::fs::read_dir(stage.path("")).unwrap().count(), 0);
    assert!(stage.recorder.recordings().is_empty());
    stage.recorder.stop();
    assert!(ask("cam", "x", None).contains("stopping"));
}

#[test]
fn a_disk_that_is_too_slow_is_refused_with_both_numbers() {
    let stage = Stage::new();
    let folder = Folder::open_or_make(&stage.path("")).unwrap();
    let rate = Rate::new(4_000_000, 1).unwrap();
    let fast = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
    let refused = trial::run(&folder, &fast, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(refused, ArchiveError::SlowDisk { measured: 1.., needed: 20_742_144_000_000.., .. }), "{refused}");
    let measured = trial::run(&folder, &format(), Duration::from_millis(50)).unwrap();
    assert!(measured > 800 * 1024);
    assert_eq!(std::fs::read_dir(stage.path("")).unwrap().count(), 0);
}

#[test]
fn a_follower_that_was_evicted_joins_again_and_counts_what_it_missed() {
    let stage = Stage::new();
    let _camera = stage.camera();
    let mut follower = Follower::join(stage.rings.clone(), &name("cam"), format().into(), 2).unwrap();
    let held = eventually(|| grain(&mut follower).ok()?).0;
    let first = held.index();
    // The camera goes on, and this lease is held for longer than the ring allows.
    eventually(|| stage.rings.0.flows()[0].newest.filter(|newest| newest.0 > first.0 + 20));
    let mut last = first;
    let evicted = eventually(|| match grain(&mut follower) {
        Ok(next) => {
            next.into_iter().for_each(|(lease, _)| last = lease.index());
            None
        }
        Err(is_evicted) => Some(is_evicted),
    });
    assert!(evicted && last.0 <= first.0 + 3, "what it may hold is still there, and no more: {first} {last}");
    drop(held);
    follower.rejoin();
    let (next, missing) = eventually(|| match grain(&mut follower) {
        Ok(next) => next,
        Err(_) => {
            follower.rejoin();
            None
        }
    });
    assert_eq!(missing, next.index().0 - last.0 - 1);
    assert!(missing > 10);
}

/// The next grain and how many are missing before it; nothing yet; or whether the ring evicted the follower.
fn grain(follower: &mut Follower<Rings>) -> Result<Option<(GrainLease, u64)>, bool> {
    match follower.next(Duration::from_millis(50)) {
        Step::Grain { lease, missing, .. } => Ok(Some((lease, missing))),
        Step::Rejoin { is_evicted } => Err(is_evicted),
        _ => Ok(None),
    }
}

#[test]
fn a_replay_is_the_recording_again_at_its_time() {
    let stage = Stage::new();
    let camera = stage.camera();
    let id = stage.record("take1", Some(12));
    stage.wait(id, |status| status.state == ArchiveState::Done);
    drop(camera);
    let recorded = stage.read("take1");
    stage.replay(ReplayEnding::Repeat).unwrap();
    let class = ConsumerClass::Leased { k: 2, deadline_nanos: i64::MAX };
    let mut reader = stage.rings.subscribe(&name("tape"), class).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 30 {
        let index = reader.wait_next(Instant::now() + PATIENCE).unwrap();
        let lease = reader.lease(index).unwrap();
        reader.wait_until(index, u16::MAX, Instant::now() + PATIENCE).unwrap();
        let octets = lease.bytes().unwrap().to_vec();
        let lost: Vec<u16> = reader.lost_lines(&lease.grain()).collect();
        assert_eq!(lease.stamp().tai, media::grain_start(index, format().rate()), "on the grid");
        let late = stage.clock.now().nanos_since(lease.stamp().tai);
        assert!(late >= 0, "{late} ns: not before its time");
        seen.push((index, octets, lost));
    }
    let first = recorded.iter().position(|(_, octets)| *octets == seen[0].1).unwrap();
    for (at, (_, octets, lost)) in seen.iter().enumerate() {
        let (entry, wanted) = &recorded[(first + at) % recorded.len()];
        assert!(octets == wanted && *lost == entry.lost, "grain {at}");
    }
    for (at, pair) in seen.windows(2).enumerate() {
        let (before, after) = (&recorded[(first + at) % 12].0, &recorded[(first + at + 1) % 12].0);
        let apart = if after.index > before.index { after.index.0 - before.index.0 } else { 1 };
        assert_eq!(pair[1].0.0 - pair[0].0.0, apart, "what was missing is missing again");
    }
    drop(reader);
    let status = stage.recorder.stop_replay(&name("tape")).unwrap();
    assert!(status.state == ArchiveState::Stopped && status.rounds >= 2 && status.grains_played >= 30, "{status:?}");
    assert!(!stage.rings.names().contains(&"tape".to_owned()), "the flow is gone");
}

#[test]
fn a_recording_that_was_cut_off_is_played_to_its_last_whole_grain() {
    let stage = Stage::new();
    let camera = stage.camera();
    let id = stage.record("take1", Some(6));
    stage.wait(id, |status| status.state == ArchiveState::Done);
    drop(camera);
    let header = Header { flow: name("cam"), format: format(), started: media::Tai::EPOCH };
    let index = std::fs::File::options().write(true).open(stage.path("take1.index")).unwrap();
    index.set_len(header.entry_offset(4) + 11).unwrap();
    let ended = || eventually(|| stage.recorder.replays().pop().filter(|status| status.state != ArchiveState::Running));
    assert_eq!(stage.replay(ReplayEnding::Stop).unwrap().grains, 4);
    let status = ended();
    assert_eq!((status.state, status.grains_played + status.grains_late, status.rounds), (ArchiveState::Done, 4, 1));
    // A file of grains that is shorter than its index says is told.
    let grains = std::fs::File::options().write(true).open(stage.path("take1")).unwrap();
    grains.set_len(2 * header.grain_stride()).unwrap();
    stage.replay(ReplayEnding::Stop).unwrap();
    let status = eventually(|| Some(ended()).filter(|status| status.state == ArchiveState::Failed));
    assert!(status.trouble.unwrap().contains("grain 2 of the recording"), "{}", status.grains_played);
    index.set_len(header.entry_offset(0)).unwrap();
    assert!(stage.replay(ReplayEnding::Stop).unwrap_err().to_string().contains("is empty"));
    index.set_len(100).unwrap();
    assert!(stage.replay(ReplayEnding::Stop).unwrap_err().to_string().contains("no index"));
}

#[test]
fn a_port_is_captured_into_a_file_and_again_when_that_is_done() {
    let stage = Stage::new();
    let (tap, mut end, mut other) = netio::capture::capture();
    let tap = Arc::new(tap);
    let port = name("red");
    let spec = |file: &str, packets| CaptureSpec {
        port: port.clone(),
        file: file.to_owned(),
        packets,
        seconds: None,
        sample: 2,
        snap_octets: 16,
    };
    let mut frame = |octets: &[u8]| {
        for end in [&mut end, &mut other] {
            if end.is_on() {
                end.take(media::Tai::from_nanos(5_000_000_007), octets.len(), |out| {
                    out.copy_from_slice(&octets[..out.len()]);
                    out.len()
                });
            }
        }
    };
    for file in ["one.pcap", "two.pcap"] {
        stage.recorder.capture(Arc::clone(&tap), &spec(file, 3)).unwrap();
        eventually(|| {
            frame(&[7; 40]);
            Some(stage.recorder.captures()).filter(|all| all[0].state == ArchiveState::Done)
        });
        let status = stage.recorder.captures().remove(0);
        assert!(status.packets == 3 && status.packets_seen >= 3 && status.path.ends_with(file), "{status:?}");
        let written = std::fs::read(stage.path(file)).unwrap();
        assert_eq!(written.len(), 24 + 3 * (16 + 16));
        assert_eq!((&written[..4], &written[36..40]), (&[0x4d, 0x3c, 0xb2, 0xa1][..], &40_u32.to_le_bytes()[..]));
        frame(b"the worker goes on");
    }
    let refused = stage.recorder.capture(Arc::clone(&tap), &spec("one.pcap", 3)).unwrap_err();
    assert!(matches!(refused, ArchiveError::FileExists { .. }), "{refused}");
    stage.recorder.capture(tap, &spec("three.pcap", 3)).unwrap();
    let stopped = stage.recorder.stop_capture(&port).unwrap();
    assert_eq!((stopped.state, stopped.packets), (ArchiveState::Stopped, 0));
    assert!(stage.recorder.stop_capture(&port).is_err() && stage.path("three.pcap").exists());
}
