//! One capture: from a port's worker into a file, until enough is there or somebody ends it.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use control::{ArchiveError, ArchiveState, CaptureSpec, CaptureStatus};
use media::Name;
use netio::capture::{CaptureBusy, CaptureConfig, CaptureRing, CaptureTap};

use super::ending::Ending;
use super::folder::{Draft, Folder};
use super::pcap::PcapWriter;
use super::reserve::Reserve;
use crate::clock::TaiClock;

/// Frames under way from the worker to the file: some milliseconds of a port at line rate.
const FRAMES: u32 = 8192;
/// How long the worker may take to let go of the capture before, in turns.
const LETTING_GO: u32 = 200;
/// Between two looks for frames.
const TURN: Duration = Duration::from_millis(1);

/// What a capture says of itself.
#[derive(Debug)]
pub(super) struct Captured {
    port: Name,
    path: String,
    /// While it runs: a ring that is held keeps the port from being captured again.
    ring: Mutex<Option<Arc<CaptureRing>>>,
    ending: Mutex<Option<Ending>>,
    packets: AtomicU64,
    seen: AtomicU64,
    dropped: AtomicU64,
}

impl Captured {
    pub(super) fn new(port: Name, path: String, ring: Arc<CaptureRing>) -> Self {
        let (packets, seen, dropped) = Default::default();
        Self { port, path, ring: Mutex::new(Some(ring)), ending: Mutex::default(), packets, seen, dropped }
    }

    pub(super) fn status(&self) -> CaptureStatus {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ring) = &*self.ring.lock().unwrap_or_else(PoisonError::into_inner) {
            self.note(ring);
        }
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed); // counts alone
        CaptureStatus {
            port: self.port.clone(),
            path: self.path.clone(),
            state: ending.as_ref().map_or(ArchiveState::Running, |ending| ending.state),
            trouble: ending.and_then(|ending| ending.trouble),
            packets: value(&self.packets),
            packets_seen: value(&self.seen),
            packets_dropped: value(&self.dropped),
        }
    }

    fn note(&self, ring: &CaptureRing) {
        self.seen.store(ring.seen(), Ordering::Relaxed); // counts alone
        self.dropped.store(ring.dropped(), Ordering::Relaxed);
    }

    fn end(&self, ending: Ending) {
        if let Some(ring) = self.ring.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.note(&ring);
        }
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }
}

/// See the module. The tap is off when it drops.
pub(super) struct Capturing {
    tap: Arc<CaptureTap>,
    ring: Arc<CaptureRing>,
    file: PcapWriter<BufWriter<File>>,
    draft: Draft,
    reserve: Reserve,
    packets: u64,
    length: Option<Duration>,
}

/// Makes the file and turns the tap on.
///
/// # Errors
/// [`ArchiveError`]; nothing is left behind.
pub(super) fn prepare(
    folder: &Folder,
    tap: Arc<CaptureTap>,
    spec: &CaptureSpec,
    clock: &TaiClock,
) -> Result<Capturing, ArchiveError> {
    let refused = |cause| ArchiveError::File { what: "cannot write to", path: folder.shown(&spec.file), cause };
    let (frames, snap_octets, sample) = (FRAMES.min(spec.packets), spec.snap_octets, spec.sample);
    let (file, draft) = folder.make_plain(&spec.file)?;
    let file = PcapWriter::new(BufWriter::new(file), snap_octets, clock.tai_offset_seconds()).map_err(refused)?;
    let ring = start(&tap, CaptureConfig { frames, snap_octets, sample });
    let ring = ring.map_err(|busy| ArchiveError::Refused(Box::new(busy)))?;
    let length = spec.seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let reserve = Reserve::half(folder);
    Ok(Capturing { tap, ring, file, draft, reserve, packets: spec.packets.into(), length })
}

/// Turns the tap on, as soon as the worker has let go of the capture before.
fn start(tap: &CaptureTap, config: CaptureConfig) -> Result<Arc<CaptureRing>, CaptureBusy> {
    for _ in 0..LETTING_GO {
        if let Ok(ring) = tap.start(config) {
            return Ok(ring);
        }
        std::thread::sleep(TURN);
    }
    tap.start(config)
}

/// Frees the ring as soon as the worker has let go of it. Where that takes long, the next capture does.
fn free(tap: &CaptureTap) {
    for _ in 0..LETTING_GO {
        if tap.tidy() {
            return;
        }
        std::thread::sleep(TURN);
    }
}

impl Capturing {
    /// What counts.
    pub(super) fn ring(&self) -> Arc<CaptureRing> {
        Arc::clone(&self.ring)
    }

    /// Writes until it ends.
    pub(super) fn run(mut self, captured: &Captured, stop: &AtomicBool) {
        self.draft.keep();
        let ending = self.write(captured, stop);
        self.tap.stop();
        let ending = ending.and_then(|ending| self.file.flush().map(|()| ending));
        let tap = Arc::clone(&self.tap);
        drop(self);
        captured.end(ending.unwrap_or_else(|cause| Ending::refused_by_disk(&cause)));
        free(&tap);
        let CaptureStatus { port, path, packets, packets_dropped, trouble, .. } = captured.status();
        tracing::info!("port {port}: {packets} packets are in {path}, {packets_dropped} found no room");
        trouble.iter().for_each(|trouble| tracing::warn!("port {port}: {path}: {trouble}"));
    }

    fn write(&mut self, captured: &Captured, stop: &AtomicBool) -> io::Result<Ending> {
        let (begun, mut packets) = (Instant::now(), 0);
        loop {
            // Before the last look at the ring: what came before the stop is written.
            // A flag alone: see Job::end.
            let is_stopped = stop.load(Ordering::Relaxed);
            let is_over = self.length.is_some_and(|length| begun.elapsed() >= length);
            // At most what the ring holds, so that a stop is seen also while frames come as fast as they are written.
            let mut left = FRAMES;
            while left > 0
                && packets < self.packets
                && let Some(frame) = self.ring.next()
            {
                self.file.write(frame.time, frame.octets, frame.kept())?;
                let full = self.reserve.spend(frame.kept().len() as u64);
                self.ring.give_back(frame);
                left -= 1;
                packets += 1;
                captured.packets.store(packets, Ordering::Relaxed); // a count alone
                if let Some(ending) = full {
                    return Ok(ending);
                }
            }
            if packets == self.packets || is_over {
                return Ok(Ending::of(ArchiveState::Done));
            }
            if is_stopped {
                return Ok(Ending::of(ArchiveState::Stopped));
            }
            if left > 0 {
                self.file.flush()?;
                std::thread::sleep(TURN);
            }
        }
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        // Once more is as good as once.
        self.tap.stop();
    }
}
