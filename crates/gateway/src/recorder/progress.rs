//! What a recording says of itself: written by its thread, read by anyone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use control::{ArchiveState, RecordSpec, RecordingStatus};
use media::recording::Header;
use media::{Name, VideoFormat};

use super::ending::Ending;

/// See the module. The counters say nothing about one another, so all of them are relaxed.
#[derive(Debug)]
pub(super) struct Progress {
    id: u32,
    flow: Name,
    path: String,
    format: VideoFormat,
    disk_octets_per_second: u64,
    needed_octets_per_second: u64,
    stride: u64,
    ending: Mutex<Option<Ending>>,
    grains: AtomicU32,
    pub(super) grains_lost: AtomicU64,
    pub(super) grains_cancelled: AtomicU64,
    lines_lost: AtomicU64,
    pub(super) evictions: AtomicU64,
    slow_writes: AtomicU64,
    longest_write_us: AtomicU64,
}

impl Progress {
    pub(super) fn new(id: u32, spec: &RecordSpec, path: String, format: VideoFormat, measured: u64) -> Self {
        Self {
            id,
            flow: spec.flow.clone(),
            path,
            format,
            disk_octets_per_second: measured,
            needed_octets_per_second: needed_octets_per_second(&format),
            stride: u64::from(format.frame_octets()).next_multiple_of(Header::ALIGNMENT_OCTETS),
            ending: Mutex::default(),
            grains: AtomicU32::new(0),
            grains_lost: AtomicU64::new(0),
            grains_cancelled: AtomicU64::new(0),
            lines_lost: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            slow_writes: AtomicU64::new(0),
            longest_write_us: AtomicU64::new(0),
        }
    }

    /// One more grain is in the file, with so many lines that were lost.
    pub(super) fn count_grain(&self, lines_lost: usize) {
        self.grains.fetch_add(1, Ordering::Relaxed);
        self.lines_lost.fetch_add(lines_lost as u64, Ordering::Relaxed);
    }

    /// A write took so long.
    pub(super) fn count_write(&self, took: Duration, period: Duration) {
        self.longest_write_us.fetch_max(took.as_micros() as u64, Ordering::Relaxed);
        if took > period {
            self.slow_writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Grains in the file.
    pub(super) fn grains(&self) -> u32 {
        self.grains.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self, ending: Ending) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }

    /// As it is now.
    pub(super) fn status(&self) -> RecordingStatus {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecordingStatus {
            id: self.id,
            flow: self.flow.clone(),
            path: self.path.clone(),
            format: self.format,
            state: ending.as_ref().map_or(ArchiveState::Running, |ending| ending.state),
            trouble: ending.and_then(|ending| ending.trouble),
            grains: self.grains(),
            octets: u64::from(self.grains()) * self.stride,
            grains_lost: value(&self.grains_lost),
            grains_cancelled: value(&self.grains_cancelled),
            lines_lost: value(&self.lines_lost),
            evictions: value(&self.evictions),
            slow_writes: value(&self.slow_writes),
            longest_write_us: value(&self.longest_write_us),
            disk_octets_per_second: self.disk_octets_per_second,
            needed_octets_per_second: self.needed_octets_per_second,
        }
    }
}

/// What recording pictures of a format takes: padded, rounded up.
pub(super) fn needed_octets_per_second(format: &VideoFormat) -> u64 {
    let stride = u64::from(format.frame_octets()).next_multiple_of(Header::ALIGNMENT_OCTETS);
    let rate = format.rate();
    (stride * u64::from(rate.num())).div_ceil(u64::from(rate.den()))
}
