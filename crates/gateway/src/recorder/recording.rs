//! One recording: from the ring to the disk, until somebody or something ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use control::{ArchiveError, ArchiveState, RecordSpec, RecordingStatus};
use media::recording::Header;
use media::{Clock, VideoFormat};
use shm::SlotLease;

use super::ending::Ending;
use super::flows::Flows;
use super::folder::{Draft, Folder};
use super::follower::{Follower, Step};
use super::progress::Progress;
use super::settings::RecorderSettings;
use super::tape::Tape;
use crate::clock::TaiClock;

/// The longest wait: for so long a slot that is on the disk may be kept, and a stop unheard.
const PATIENCE: Duration = Duration::from_millis(10);

/// See the module.
pub(super) struct Recording<F> {
    follower: Follower<F>,
    tape: Tape,
    draft: Draft,
    grains: Option<u32>,
    length: Option<Duration>,
    /// The most by which a wait of its thread was longer than it was meant to be.
    overslept: Duration,
}

/// Joins the ring and makes the files.
///
/// # Errors
/// [`ArchiveError`]; nothing is left behind.
pub(super) fn prepare<F: Flows>(
    folder: &Folder,
    flows: F,
    spec: &RecordSpec,
    format: VideoFormat,
    settings: &RecorderSettings,
    clock: &TaiClock,
) -> Result<Recording<F>, ArchiveError> {
    let follower = Follower::join(flows, &spec.flow, format.into(), settings.hold_grains)?;
    let (files, draft) = folder.make(&spec.file)?;
    let header = Header { flow: spec.flow.clone(), format, started: clock.now() };
    let planned = spec.grains.into_iter().chain(spec.seconds.map(|seconds| grains_in(seconds, &format))).min();
    let tape = Tape::new(folder, files, header, follower.hold() - 1, planned)?;
    let length = spec.seconds.map(|seconds| Duration::from_secs(seconds.into()));
    Ok(Recording { follower, tape, draft, grains: spec.grains, length, overslept: Duration::ZERO })
}

/// Grains that come in so many seconds, at most.
fn grains_in(seconds: u32, format: &VideoFormat) -> u32 {
    let grains = (u64::from(seconds) * u64::from(format.rate().num())).div_ceil(u64::from(format.rate().den())) + 1;
    u32::try_from(grains).unwrap_or(u32::MAX)
}

impl<F: Flows> Recording<F> {
    /// Records until it ends, and leaves whole files.
    pub(super) fn run(mut self, progress: &Progress, stop: &AtomicBool) {
        self.draft.keep();
        let ending = self.record(progress, stop);
        // The disk's word counts more than a stop.
        let ending = self.tape.finish(progress).err().unwrap_or(ending);
        let status = {
            progress.end(ending);
            progress.status()
        };
        let lost = status.grains_lost;
        match &status.trouble {
            Some(trouble) => tracing::warn!(
                "recording {}: {} grains in {}, {lost} lost; {trouble}",
                status.id,
                status.grains,
                status.path
            ),
            None => tracing::info!("recording {}: {} grains in {}, {lost} lost", status.id, status.grains, status.path),
        }
    }

    fn record(&mut self, progress: &Progress, stop: &AtomicBool) -> Ending {
        let begun = Instant::now();
        loop {
            if let Err(ending) = self.tape.settle(progress) {
                return ending;
            }
            let is_over = self.length.is_some_and(|length| begun.elapsed() >= length);
            if is_over || self.grains.is_some_and(|grains| self.tape.begun() >= grains) {
                return Ending::of(ArchiveState::Done);
            }
            // A flag alone: see Job::end.
            if stop.load(Ordering::Relaxed) {
                return Ending::of(ArchiveState::Stopped);
            }
            if !self.tape.has_room() {
                self.timed(|own| own.tape.wait(PATIENCE));
                continue;
            }
            if let Err(ending) = self.step(progress, stop) {
                return ending;
            }
        }
    }

    fn step(&mut self, progress: &Progress, stop: &AtomicBool) -> Result<(), Ending> {
        match self.timed(|own| own.follower.next(PATIENCE)) {
            Step::Grain { lease, lost, missing } => {
                progress.grains_lost.fetch_add(missing, Ordering::Relaxed); // a count alone
                self.tape.begin(SlotLease::from(lease), lost)
            }
            Step::Nothing => Ok(()),
            Step::Cancelled => {
                progress.grains_cancelled.fetch_add(1, Ordering::Relaxed); // a count alone
                Ok(())
            }
            Step::Rejoin { is_evicted } => {
                if is_evicted && progress.evictions.fetch_add(1, Ordering::Relaxed) == 0 {
                    let status = progress.status();
                    let cause = self.cause(&status);
                    tracing::warn!("recording {}: {cause}, and grains are lost; the flow goes on", status.id);
                }
                self.rejoin(progress, stop)
            }
            Step::Ended(ending) => Err(ending),
        }
    }

    /// Notes how much longer something took that waits for [`PATIENCE`] at most: then its core was somebody else's.
    fn timed<T>(&mut self, wait: impl FnOnce(&mut Self) -> T) -> T {
        let begun = Instant::now();
        let outcome = wait(self);
        self.overslept = self.overslept.max(begun.elapsed().saturating_sub(PATIENCE));
        outcome
    }

    /// Who held it up, the disk or the machine's other work: a write is seen to end when the thread runs again, so a pause of
    /// the thread is one of its writes too.
    fn cause(&self, status: &RecordingStatus) -> String {
        let (write, period) = (Duration::from_micros(status.longest_write_us), status.format.rate().period_nanos());
        let overslept = self.overslept.as_millis();
        if 2 * self.overslept > write && self.overslept.as_nanos() > period.unsigned_abs().into() {
            return format!("it was kept from running for {overslept} ms (the cores that no worker has are too busy)");
        }
        format!("the disk is late ({} ms for one grain)", write.as_millis())
    }

    /// Joins the ring again, once the disk has given back every slot.
    fn rejoin(&mut self, progress: &Progress, stop: &AtomicBool) -> Result<(), Ending> {
        while !self.tape.is_idle() {
            // A flag alone: see Job::end.
            if stop.load(Ordering::Relaxed) {
                return Err(Ending::of(ArchiveState::Stopped));
            }
            self.tape.wait(PATIENCE);
            self.tape.settle(progress)?;
        }
        self.follower.rejoin();
        Ok(())
    }
}
