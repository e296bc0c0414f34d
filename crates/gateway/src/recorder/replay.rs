//! One replay: from the disk into a flow of its own, until its end or somebody's word.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use control::{ArchiveError, ArchiveState, ReplayEnding, ReplaySpec, ReplayStatus};
use media::{Name, VideoFormat};

use super::ending::Ending;
use super::flows::Flows;
use super::folder::Folder;
use super::index_file::IndexReader;
use super::player::{Place, Player};
use super::prefetch::{AHEAD, Prefetch, PrefetchError};
use crate::clock::TaiClock;
use crate::uring::DirectFile;

/// The longest wait for a disk that is late, before consumers are looked after.
const PATIENCE: Duration = Duration::from_millis(1);

/// What a replay says of itself. The counters say nothing about one another, so all of them are relaxed.
#[derive(Debug)]
pub(super) struct Played {
    flow: Name,
    path: String,
    format: VideoFormat,
    grains: u32,
    ending: Mutex<Option<Ending>>,
    played: AtomicU64,
    late: AtomicU64,
    no_slot: AtomicU64,
    rounds: AtomicU64,
}

impl Played {
    pub(super) fn status(&self) -> ReplayStatus {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReplayStatus {
            flow: self.flow.clone(),
            path: self.path.clone(),
            format: self.format,
            state: ending.as_ref().map_or(ArchiveState::Running, |ending| ending.state),
            trouble: ending.and_then(|ending| ending.trouble),
            grains: self.grains,
            grains_played: value(&self.played),
            grains_late: value(&self.late),
            grains_no_slot: value(&self.no_slot),
            rounds: value(&self.rounds),
        }
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// See the module.
pub(super) struct Replay<F: Flows> {
    made: Made<F>,
    prefetch: Prefetch,
    player: Player,
    period: Duration,
}

/// The flow that was made, and goes with it.
struct Made<F: Flows> {
    flows: F,
    flow: Name,
}

impl<F: Flows> Drop for Made<F> {
    fn drop(&mut self) {
        self.flows.remove(&self.flow);
    }
}

/// Opens the files and makes the flow.
///
/// # Errors
/// [`ArchiveError`]; nothing is left behind, as the flow goes with what is dropped.
pub(super) fn prepare<F: Flows>(
    folder: &Folder,
    flows: F,
    spec: &ReplaySpec,
    clock: &TaiClock,
) -> Result<(Replay<F>, Played), ArchiveError> {
    let path = folder.shown(&spec.file);
    let files = folder.open_files(&spec.file)?;
    let index = IndexReader::open(files.index);
    let index =
        index.map_err(|cause| ArchiveError::File { what: "cannot read the index of", path: path.clone(), cause })?;
    let index = index.map_err(|cause| ArchiveError::Index { path: format!("{path}.index"), cause })?;
    if index.grains() == 0 {
        return Err(ArchiveError::Empty { path });
    }
    let (format, grains) = (index.header().format, index.grains());
    let disk = DirectFile::new(files.grains, AHEAD).map_err(|error| ArchiveError::Refused(Box::new(error)))?;
    let writer = flows.create(&spec.flow, format.into(), spec.slots)?;
    let played = Played {
        flow: spec.flow.clone(),
        path,
        format,
        grains,
        ending: Mutex::default(),
        played: AtomicU64::new(0),
        late: AtomicU64::new(0),
        no_slot: AtomicU64::new(0),
        rounds: AtomicU64::new(0),
    };
    let replay = Replay {
        made: Made { flows, flow: spec.flow.clone() },
        prefetch: Prefetch::new(index, disk, spec.ending == ReplayEnding::Repeat),
        player: Player::new(writer, clock.clone(), spec.timing),
        period: Duration::from_nanos(format.rate().period_nanos().unsigned_abs()),
    };
    Ok((replay, played))
}

impl<F: Flows> Replay<F> {
    /// Plays until it ends; the flow ends with it.
    pub(super) fn run(mut self, played: &Played, stop: &AtomicBool) {
        let ending = self.play(played, stop);
        self.player.linger();
        let Self { made, .. } = self;
        drop(made);
        match &ending.trouble {
            Some(trouble) => tracing::warn!("flow {}: {trouble}; the replay has ended", played.flow),
            None => tracing::info!("flow {}: the replay of {} has ended", played.flow, played.path),
        }
        *played.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }

    fn play(&mut self, played: &Played, stop: &AtomicBool) -> Ending {
        let last = self.prefetch.header().flow.clone();
        tracing::debug!("flow {}: was recorded as {last}", self.made.flow);
        loop {
            let turned = self.prefetch.turn();
            let Some(coming) = self.prefetch.front() else {
                match turned {
                    Err(error) => return Ending::because(ArchiveState::Failed, error.to_string()),
                    Ok(()) if self.prefetch.is_at_end() => return Ending::of(ArchiveState::Done),
                    // All that was read ahead came too late: the disk stands still.
                    Ok(()) => self.prefetch.wait(PATIENCE),
                }
                if stop.load(Ordering::Relaxed) {
                    return Ending::of(ArchiveState::Stopped);
                }
                continue;
            };
            let place = self.player.place(&coming.entry);
            while !self.player.turn_until(place) {
                // What is wrong with later grains is told when it is their turn.
                let _ = self.prefetch.turn();
                // A flag alone: see Job::end.
                if stop.load(Ordering::Relaxed) {
                    return Ending::of(ArchiveState::Stopped);
                }
            }
            if let Err(error) = self.play_front(place, played) {
                return Ending::because(ArchiveState::Failed, error.to_string());
            }
        }
    }

    /// Plays the next grain, whose time has come; passes it where the disk does not have it for another period.
    fn play_front(&mut self, place: Place, played: &Played) -> Result<(), PrefetchError> {
        loop {
            // What is wrong with the index is told when it is its turn.
            let _ = self.prefetch.turn();
            let Some(coming) = self.prefetch.front() else { return Ok(()) };
            if let Some(octets) = coming.octets()? {
                let outcome = self.player.play(place, &coming.entry, octets);
                Played::count(if outcome.is_ok() { &played.played } else { &played.no_slot });
                break;
            }
            if self.player.lateness(place) > self.period {
                Played::count(&played.late);
                break;
            }
            self.prefetch.wait(PATIENCE);
            self.player.turn_until(place);
        }
        let is_last = self.prefetch.front().is_some_and(|coming| coming.entry.number + 1 == played.grains);
        if is_last {
            Played::count(&played.rounds);
        }
        self.player.passed(place);
        self.prefetch.pass();
        Ok(())
    }
}
