//! A broker in the test's process, the library as programs find it, and a camera: shared by the tests beside it.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![allow(dead_code, reason = "each test uses a part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use media::{Clock as _, Depth, Name, Rate, Sampling, VideoFormat, grain_index_nearest, grain_start};
use shm::{Broker, BrokerConfig, FrameWriter, GrainEnd, GrainStamp, KernelTai, PagePolicy};
use tempfile::TempDir;

/// The format of the examples: 320 × 180 pixels of 10 bits at 50 frames a second.
pub(crate) fn format() -> VideoFormat {
    VideoFormat::new(320, 180, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The sum of all octets of picture `index`: every octet of a line is the low octet of index + line.
pub(crate) fn sum(index: u64) -> u64 {
    (0..u64::from(format().height())).map(|line| ((index + line) & 255) * u64::from(format().row_octets())).sum()
}

pub(crate) struct Stage {
    dir: TempDir,
    pub(crate) broker: Broker,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A broker that is configured otherwise.
    pub(crate) fn with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        change(&mut config);
        let broker = Broker::start(config, |_| {}).unwrap();
        let stage = Self { dir, broker };
        // As an installed library lies: by the name that programs ask the loader for.
        let library = std::env::current_exe().unwrap().parent().unwrap().join("libflypack.so");
        assert!(library.exists(), "{} was not built", library.display());
        for name in ["libflypack.so", "libflypack.so.0"] {
            std::os::unix::fs::symlink(&library, stage.path(name)).unwrap();
        }
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("broker.sock")
    }

    /// Compiles an example, or another C file, as a stranger would.
    pub(crate) fn compile(&self, source: &Path) -> PathBuf {
        let program = self.path(source.file_stem().unwrap().to_str().unwrap());
        let output = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-std=c11", "-O1", "-I"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
            .arg(source)
            .arg("-L")
            .arg(self.dir.path())
            .arg("-lflypack")
            .arg("-o")
            .arg(&program)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        program
    }

    /// A program that finds the library.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.dir.path());
        command
    }
}

pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The gateway's own flow "cam" at its rate, on a thread.
pub(crate) struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    pub(crate) fn start(stage: &Stage) -> Self {
        let mut writer = stage.broker.create_flow(&name("cam"), format(), Some(16)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            while !stopped.load(Ordering::Relaxed) {
                shoot(&mut writer);
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        Self { stop, thread: Some(std::thread::spawn(run)) }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes the picture of the present, if it is not there yet.
fn shoot(writer: &mut FrameWriter) {
    let now = KernelTai.now();
    writer.poll(now);
    let index = grain_index_nearest(now, format().rate());
    if writer.last().is_some_and(|last| last >= index) {
        return;
    }
    let stamp = GrainStamp { tai: grain_start(index, format().rate()), ..GrainStamp::default() };
    let Ok(grain) = writer.open(index, stamp, now) else { return };
    for line in 0..format().height() {
        let octet = (index.0 + u64::from(line)) as u8;
        writer.lines_mut(grain, line..line + 1).unwrap().fill(octet);
    }
    writer.commit(grain, GrainEnd::default());
}
