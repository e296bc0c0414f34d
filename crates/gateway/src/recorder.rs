//! Recordings of flows, and flows out of recordings.
//!
//! A recording is a reader of its ring like any other, on a thread of its own: it leases whole grains and hands the disk
//! the very memory that they lie in. The ring's writer never waits for it: when the disk is late for longer than the ring
//! allows, the recorder is evicted, counts what it missed and joins again.
//!
//! Files are made in one folder only, and never overwritten. What a recording is made of: [`media::recording`].

mod capturing;
mod ending;
mod flows;
mod folder;
mod follower;
mod index_file;
mod injecting;
mod job;
mod pcap;
mod player;
mod prefetch;
mod progress;
mod recording;
mod replay;
mod reserve;
mod settings;
mod tape;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use control::{
    ArchiveError, CaptureSpec, CaptureStatus, InjectSpec, InjectionStatus, RecordSpec, RecordingStatus, ReplaySpec,
    ReplayStatus,
};
use media::Name;
use netio::capture::CaptureTap;

use crate::clock::TaiClock;
use crate::engine::Inlet;
use capturing::Captured;
pub(crate) use flows::Flows;
use folder::Folder;
use injecting::Injected;
use job::{Job, forget};
use progress::Progress;
use replay::Played;
pub use settings::RecorderSettings;

/// Recordings, and replays, at a time.
const RUNNING_MAX: usize = 16;

/// All recordings and replays of a gateway. Dropping it stops them.
pub(crate) struct Recorder {
    settings: RecorderSettings,
    clock: TaiClock,
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    ids: u32,
    is_stopping: bool,
    recordings: BTreeMap<u32, Job<Progress>>,
    replays: BTreeMap<Name, Job<Played>>,
    captures: BTreeMap<Name, Job<Captured>>,
    injections: BTreeMap<Name, Job<Injected>>,
}

impl Jobs {
    /// The number of the next one; none is begun any more while the gateway stops.
    fn next(&mut self) -> Result<u32, ArchiveError> {
        if self.is_stopping {
            return Err(ArchiveError::Stopping);
        }
        self.ids += 1;
        Ok(self.ids)
    }
}

impl Recorder {
    pub(crate) fn new(settings: RecorderSettings, clock: TaiClock) -> Self {
        Self { settings, clock, jobs: Mutex::default() }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to record. Takes as long as the disk's trial.
    pub(crate) fn record(&self, flows: impl Flows, spec: &RecordSpec) -> Result<RecordingStatus, ArchiveError> {
        let running = self.jobs().recordings.values().filter(|job| job.is_running()).count();
        self.check(running, "recordings")?;
        let Some((_, format)) = flows.ring(&spec.flow) else {
            return Err(ArchiveError::NoFlow { flow: spec.flow.clone(), available: flows.names() });
        };
        let not_video = || ArchiveError::NotVideo { flow: spec.flow.clone(), format };
        let video = *format.as_video().ok_or_else(not_video)?;
        let folder = Folder::open_or_make(&self.settings.folder)?;
        let measured = trial::run(&folder, &video, self.settings.trial)?;
        let recording = recording::prepare(&folder, flows, spec, video, &self.settings, &self.clock)?;
        let mut jobs = self.jobs();
        let id = jobs.next()?;
        let progress = Progress::new(id, spec, folder.shown(&spec.file), video, measured);
        let job = Job::begin(id, "record", progress, move |progress, stop| recording.run(progress, stop))?;
        let status = job.progress.status();
        tracing::info!("recording {}: flow {} to {}", status.id, status.flow, status.path);
        jobs.recordings.insert(id, job);
        Ok(status)
    }

    /// Ends a recording.
    pub(crate) fn stop_recording(&self, id: u32) -> Result<RecordingStatus, ArchiveError> {
        // Out of the table meanwhile, so that reports need not wait for the disk.
        let (stop, thread) = {
            let mut jobs = self.jobs();
            let job = jobs.recordings.get_mut(&id).ok_or(ArchiveError::NoRecording { id })?;
            (Arc::clone(&job.stop), job.thread.take())
        };
        stop.store(true, Ordering::Relaxed); // a flag alone: the join publishes the rest
        thread.map(JoinHandle::join);
        self.jobs().recordings.get(&id).map(|job| job.progress.status()).ok_or(ArchiveError::NoRecording { id })
    }

    /// All recordings that are remembered.
    pub(crate) fn recordings(&self) -> Vec<RecordingStatus> {
        self.jobs().recordings.values().map(|job| job.progress.status()).collect()
    }

    /// Begins to play.
    pub(crate) fn replay(&self, flows: impl Flows, spec: &ReplaySpec) -> Result<ReplayStatus, ArchiveError> {
        let running = self.jobs().replays.values().filter(|job| job.is_running()).count();
        self.check(running, "replays")?;
        let folder = Folder::open(&self.settings.folder)?;
        let (player, played) = replay::prepare(&folder, flows, spec, &self.clock)?;
        let mut jobs = self.jobs();
        let job = Job::begin(jobs.next()?, "replay", played, move |played, stop| player.run(played, stop))?;
        let status = job.progress.status();
        tracing::info!("flow {}: plays {}", status.flow, status.path);
        jobs.replays.insert(spec.flow.clone(), job);
        Ok(status)
    }

    /// Ends a replay.
    pub(crate) fn stop_replay(&self, flow: &Name) -> Result<ReplayStatus, ArchiveError> {
        let gone = || ArchiveError::NoReplay { flow: flow.clone() };
        let mut job = self.jobs().replays.remove(flow).ok_or_else(gone)?;
        job.end();
        Ok(job.progress.status())
    }

    /// All replays that are remembered.
    pub(crate) fn replays(&self) -> Vec<ReplayStatus> {
        self.jobs().replays.values().map(|job| job.progress.status()).collect()
    }

    /// Begins to capture what passes a port.
    pub(crate) fn capture(&self, tap: Arc<CaptureTap>, spec: &CaptureSpec) -> Result<CaptureStatus, ArchiveError> {
        let running = self.jobs().captures.values().filter(|job| job.is_running()).count();
        self.check(running, "captures")?;
        let folder = Folder::open_or_make(&self.settings.folder)?;
        let capturing = capturing::prepare(&folder, tap, spec, &self.clock)?;
        let mut jobs = self.jobs();
        let captured = Captured::new(spec.port.clone(), folder.shown(&spec.file), capturing.ring());
        let job = Job::begin(jobs.next()?, "capture", captured, move |captured, stop| capturing.run(captured, stop))?;
        let status = job.progress.status();
        tracing::info!("port {}: is captured into {}", status.port, status.path);
        jobs.captures.insert(spec.port.clone(), job);
        Ok(status)
    }

    /// Ends a capture.
    pub(crate) fn stop_capture(&self, port: &Name) -> Result<CaptureStatus, ArchiveError> {
        let gone = || ArchiveError::NoCapture { port: port.clone() };
        let mut job = self.jobs().captures.remove(port).ok_or_else(gone)?;
        job.end();
        Ok(job.progress.status())
    }

    /// All captures that are remembered.
    pub(crate) fn captures(&self) -> Vec<CaptureStatus> {
        self.jobs().captures.values().map(|job| job.progress.status()).collect()
    }

    /// Begins to have a port receive what is in a capture file.
    pub(crate) fn inject(&self, inlet: Inlet, spec: &InjectSpec) -> Result<InjectionStatus, ArchiveError> {
        let running = self.jobs().injections.values().filter(|job| job.is_running()).count();
        self.check(running, "injections")?;
        let folder = Folder::open(&self.settings.folder)?;
        let injecting = injecting::prepare(&folder, inlet, spec, &self.clock)?;
        let mut jobs = self.jobs();
        let injected = Injected::new(spec.port.clone(), folder.shown(&spec.file), injecting.ring());
        let job = Job::begin(jobs.next()?, "inject", injected, move |injected, stop| injecting.run(injected, stop))?;
        let status = job.progress.status();
        tracing::info!("port {}: receives {}", status.port, status.path);
        jobs.injections.insert(spec.port.clone(), job);
        Ok(status)
    }

    /// Ends an injection.
    pub(crate) fn stop_injection(&self, port: &Name) -> Result<InjectionStatus, ArchiveError> {
        let gone = || ArchiveError::NoInjection { port: port.clone() };
        let mut job = self.jobs().injections.remove(port).ok_or_else(gone)?;
        job.end();
        Ok(job.progress.status())
    }

    /// All injections that are remembered.
    pub(crate) fn injections(&self) -> Vec<InjectionStatus> {
        self.jobs().injections.values().map(|job| job.progress.status()).collect()
    }

    /// Forgets what ended long ago.
    fn check(&self, running: usize, what: &'static str) -> Result<(), ArchiveError> {
        let mut jobs = self.jobs();
        let Jobs { recordings, replays, captures, injections, .. } = &mut *jobs;
        forget(recordings);
        forget(replays);
        forget(captures);
        forget(injections);
        if jobs.is_stopping {
            return Err(ArchiveError::Stopping);
        }
        if running >= RUNNING_MAX { Err(ArchiveError::TooMany { what, max: RUNNING_MAX }) } else { Ok(()) }
    }

    /// Stops everything, and waits for it.
    pub(crate) fn stop(&self) {
        let jobs = std::mem::replace(&mut *self.jobs(), Jobs { is_stopping: true, ..Jobs::default() });
        let Jobs { recordings, replays, captures, injections, .. } = jobs;
        recordings.into_values().for_each(|mut job| job.end());
        replays.into_values().for_each(|mut job| job.end());
        captures.into_values().for_each(|mut job| job.end());
        injections.into_values().for_each(|mut job| job.end());
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}
