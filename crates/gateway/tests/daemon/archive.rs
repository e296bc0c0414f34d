//! A pod's pictures onto the disk and back into a flow, over the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::client::{ArchiveClient, channel};
use control::v1;
use media::{Clock as _, Name, VideoFormat};
use shm::{ConsumerClass, GrainEnd, KernelTai, Session};
use st2110::VideoSdp;
use tonic::Code;
use tonic::transport::Channel;

use crate::flypackd::{Flypackd, Folder};

const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway whose recordings are beside this program: the folder for temporary files may be one in memory.
struct Stage {
    runtime: tokio::runtime::Runtime,
    client: ArchiveClient<Channel>,
    recordings: tempfile::TempDir,
    folder: Folder,
    daemon: Flypackd,
}

impl Stage {
    fn new() -> Self {
        let folder = Folder::new();
        let recordings = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let place = recordings.path().display();
        let daemon = folder.start(&format!("[record]\nfolder = \"{place}\"\ntrial_ms = 20\n"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let channel = runtime.block_on(channel(&folder.endpoint().parse().unwrap())).unwrap();
        Self { runtime, client: ArchiveClient::new(channel), recordings, folder, daemon }
    }

    fn record(&mut self, flow: &str, file: &str, grains: u32) -> Result<v1::Recording, tonic::Status> {
        let request = v1::StartRecordingRequest { flow: flow.into(), file: file.into(), grains, seconds: 0 };
        let begun = Instant::now();
        loop {
            match self.runtime.block_on(self.client.start_recording(request.clone())) {
                // The machine does other work, and its disk took nothing while it was tried.
                Err(status) if status.message().contains("in its trial") && begun.elapsed() < PATIENCE => {}
                answer => return Ok(answer?.into_inner().recording.unwrap()),
            }
        }
    }

    fn recording(&mut self, id: u32) -> v1::Recording {
        let answer = self.runtime.block_on(self.client.list_recordings(v1::ListRecordingsRequest {})).unwrap();
        answer.into_inner().recordings.into_iter().find(|recording| recording.id == id).unwrap()
    }

    fn replay(&mut self, file: &str, flow: &str) -> Result<v1::Replay, tonic::Status> {
        let request =
            v1::StartReplayRequest { file: file.into(), flow: flow.into(), repeat: true, ..Default::default() };
        Ok(self.runtime.block_on(self.client.start_replay(request))?.into_inner().replay.unwrap())
    }
}

/// A pod that writes a picture each period, until it drops.
struct Pod {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pod {
    fn start(folder: &Folder, flow: &str) -> Self {
        let format = VideoSdp::parse(&folder.sdp(), None).unwrap().format;
        let session = Session::connect(&folder.path("broker.sock")).unwrap();
        let mut producer = session.produce(&flow.parse::<Name>().unwrap(), format, Some(16)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                let now = KernelTai.now();
                let writer = producer.writer();
                writer.poll(now);
                let index = writer.geometry().index_at(now);
                let stamp = writer.geometry().stamp_of(index);
                // Not a new grain yet, or no slot: at the next turn.
                if let Ok(key) = writer.open(index, stamp, now) {
                    writer.write(key, 0, &picture(&format, index.0)).unwrap();
                    writer.commit(key, GrainEnd::default());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn picture(format: &VideoFormat, number: u64) -> Vec<u8> {
    (0..u64::from(format.frame_octets())).map(|at| (at * 13 + number * 71 + (at >> 9)) as u8).collect()
}

#[test]
fn what_a_pod_shows_is_recorded_and_played_as_a_flow_again() {
    let mut stage = Stage::new();
    let pod = Pod::start(&stage.folder, "cam");
    let id = stage.record("cam", "take1", 10).unwrap().id;
    let begun = Instant::now();
    let recording = loop {
        let recording = stage.recording(id);
        if recording.state() != v1::ArchiveState::Running {
            break recording;
        }
        assert!(begun.elapsed() < PATIENCE, "{recording:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!((recording.state(), recording.grains, recording.trouble.as_str()), (v1::ArchiveState::Done, 10, ""));
    assert!(recording.disk_octets_per_second > recording.needed_octets_per_second);
    drop(pod);
    assert_eq!(stage.replay("take1", "tape").unwrap().grains, 10);
    let session = Session::connect(&stage.folder.path("broker.sock")).unwrap();
    let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
    let mut consumer = session.subscribe(&"tape".parse().unwrap(), class).unwrap();
    let format = *consumer.reader().geometry().format.as_video().unwrap();
    let grains = std::fs::read(stage.recordings.path().join("take1")).unwrap();
    let octets = format.frame_octets() as usize;
    for _ in 0..15 {
        let reader = consumer.reader();
        let index = reader.wait_next(Instant::now() + PATIENCE).unwrap();
        let lease = reader.lease(index).unwrap();
        reader.wait_until(index, u16::MAX, Instant::now() + PATIENCE).unwrap();
        let mut seen = vec![0; octets];
        lease.copy_bytes(&mut seen).unwrap();
        let recorded = grains.chunks(octets.next_multiple_of(4096)).any(|grain| grain[..octets] == seen);
        assert!(recorded, "grain {index}");
    }
    // The end of the gateway ends the replay, and leaves what is recorded.
    assert!(stage.daemon.terminate().success(), "{}", stage.daemon.log());
    assert_eq!(std::fs::read_dir(stage.recordings.path()).unwrap().count(), 2);
}

#[test]
fn a_recording_that_runs_is_whole_after_the_gateways_end() {
    let mut stage = Stage::new();
    let _pod = Pod::start(&stage.folder, "cam");
    let id = stage.record("cam", "take1", 0).unwrap().id;
    let begun = Instant::now();
    while stage.recording(id).grains < 5 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(stage.daemon.terminate().success(), "{}", stage.daemon.log());
    let index = std::fs::read(stage.recordings.path().join("take1.index")).unwrap();
    let header = media::recording::Header::decode(&index).unwrap();
    let count = header.entries_in(index.len() as u64);
    let octets = std::fs::metadata(stage.recordings.path().join("take1")).unwrap().len();
    assert!(count >= 5 && octets == u64::from(count) * header.grain_stride(), "{count} grains in {octets} octets");
}

#[test]
fn refusals_have_their_codes() {
    let mut stage = Stage::new();
    let _pod = Pod::start(&stage.folder, "cam");
    let code = |refused: Result<v1::Recording, tonic::Status>| refused.unwrap_err().code();
    assert_eq!(code(stage.record("dog", "x", 1)), Code::NotFound);
    assert_eq!(code(stage.record("cam", "../x", 1)), Code::InvalidArgument);
    assert_eq!(code(stage.record("cam", "x", u32::MAX)), Code::ResourceExhausted);
    stage.record("cam", "x", 1).unwrap();
    assert_eq!(code(stage.record("cam", "x", 1)), Code::AlreadyExists);
    assert_eq!(stage.replay("y", "tape").unwrap_err().code(), Code::NotFound);
    assert_eq!(stage.replay("x", "cam").unwrap_err().code(), Code::FailedPrecondition, "the name is taken");
    let stopped = stage.runtime.block_on(stage.client.stop_recording(v1::StopRecordingRequest { id: 9 }));
    assert_eq!(stopped.unwrap_err().code(), Code::NotFound);
    assert!(stage.daemon.terminate().success());
}
