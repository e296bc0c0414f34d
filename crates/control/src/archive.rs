//! Recordings and their replay, as control sees them: what may be asked, how it stands, why it is refused.

use std::io;

use media::{FlowFormat, Name, VideoFormat};

use crate::Counters;

/// What records flows and plays recordings. Starting may take seconds (the disk is tried); reports come at once.
///
/// Everything is refused where it is not implemented.
pub trait Archive: Send + Sync + 'static {
    /// Begins to record a flow.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing is left behind.
    fn start_recording(&self, spec: &RecordSpec) -> Result<RecordingStatus, ArchiveError> {
        let _ = spec;
        Err(ArchiveError::Absent)
    }

    /// Ends a recording, and says what it came to. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`ArchiveError::NoRecording`].
    fn stop_recording(&self, id: u32) -> Result<RecordingStatus, ArchiveError> {
        Err(ArchiveError::NoRecording { id })
    }

    /// The recordings that run, and the last that have ended, by number.
    fn recordings(&self) -> Vec<RecordingStatus> {
        Vec::new()
    }

    /// Begins to play a recording as a flow.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing is left behind.
    fn start_replay(&self, spec: &ReplaySpec) -> Result<ReplayStatus, ArchiveError> {
        let _ = spec;
        Err(ArchiveError::Absent)
    }

    /// Ends a replay and its flow, and says what it came to.
    ///
    /// # Errors
    /// [`ArchiveError::NoReplay`].
    fn stop_replay(&self, flow: &Name) -> Result<ReplayStatus, ArchiveError> {
        Err(ArchiveError::NoReplay { flow: flow.clone() })
    }

    /// The replays that run, and the last that have ended, by flow.
    fn replays(&self) -> Vec<ReplayStatus> {
        Vec::new()
    }
}

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSpec {
    /// The flow.
    pub flow: Name,
    /// The file, in the gateway's folder of recordings. It must not be there.
    pub file: String,
    /// Grains to record; none: until it is stopped.
    pub grains: Option<u32>,
    /// Seconds to record; none: until it is stopped.
    pub seconds: Option<u32>,
}

/// How a recording or a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveState {
    /// It goes on.
    Running,
    /// All that was asked for is done.
    Done,
    /// It was stopped.
    Stopped,
    /// The flow is gone, or has another format by now.
    FlowEnded,
    /// There is no more room on the disk.
    DiskFull,
    /// The disk, or the ring, refused.
    Failed,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingStatus {
    /// Its number, from 1 since the gateway's start.
    pub id: u32,
    /// The flow.
    pub flow: Name,
    /// Where the grains are; the index is beside it, with `.index` behind the name.
    pub path: String,
    /// What they are.
    pub format: VideoFormat,
    /// How it stands.
    pub state: ArchiveState,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Grains in the file.
    pub grains: u32,
    /// Octets of the file.
    pub octets: u64,
    /// Grains of the flow that are not in it: the disk was late, or they were never there.
    pub grains_lost: u64,
    /// Grains that their writer gave up.
    pub grains_cancelled: u64,
    /// Lines that were lost before they came here.
    pub lines_lost: u64,
    /// How often the ring evicted the recorder, as the disk was late.
    pub evictions: u64,
    /// Writes that took longer than a frame period.
    pub slow_writes: u64,
    /// The longest write, microseconds.
    pub longest_write_us: u64,
    /// What the disk took in its trial, octets a second; 0 where it was not tried.
    pub disk_octets_per_second: u64,
    /// What the flow needs, octets a second.
    pub needed_octets_per_second: u64,
}

impl RecordingStatus {
    /// Its counters, for metrics.
    #[must_use]
    pub fn counters(&self) -> Counters {
        vec![
            ("grains", self.grains.into()),
            ("octets", self.octets),
            ("grains_lost", self.grains_lost),
            ("grains_cancelled", self.grains_cancelled),
            ("lines_lost", self.lines_lost),
            ("evictions", self.evictions),
            ("slow_writes", self.slow_writes),
        ]
    }
}

/// What is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaySpec {
    /// The file, in the gateway's folder of recordings.
    pub file: String,
    /// The flow to make.
    pub flow: Name,
    /// What comes after its end.
    pub ending: ReplayEnding,
    /// Where the grains go in time.
    pub timing: ReplayTiming,
    /// Slots of the ring; the gateway's default where none are stated.
    pub slots: Option<u16>,
}

/// What comes after the end of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayEnding {
    /// The flow ends.
    #[default]
    Stop,
    /// It begins again.
    Repeat,
}

/// Where grains go in time. Both are on the TAI grid of the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayTiming {
    /// As far apart as they were recorded: what is missing stays missing.
    #[default]
    Recorded,
    /// One each period, whatever is missing.
    Dense,
}

/// A replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayStatus {
    /// The flow.
    pub flow: Name,
    /// The file.
    pub path: String,
    /// What it plays.
    pub format: VideoFormat,
    /// How it stands.
    pub state: ArchiveState,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Grains of the recording.
    pub grains: u32,
    /// Grains that were played, over all rounds.
    pub grains_played: u64,
    /// Grains that were left out, as the disk was late with them.
    pub grains_late: u64,
    /// Grains for which the ring had no slot.
    pub grains_no_slot: u64,
    /// Rounds that were completed.
    pub rounds: u64,
}

impl ReplayStatus {
    /// Its counters, for metrics.
    #[must_use]
    pub fn counters(&self) -> Counters {
        vec![
            ("grains_played", self.grains_played),
            ("grains_late", self.grains_late),
            ("grains_no_slot", self.grains_no_slot),
            ("rounds", self.rounds),
        ]
    }
}

/// Why something is not recorded or played.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nothing here records.
    #[error("this gateway does not record")]
    Absent,
    /// No such flow.
    #[error("there is no flow \"{flow}\"; there are: {}", if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
    NoFlow {
        /// The name that was asked for.
        flow: Name,
        /// The names that exist.
        available: Vec<String>,
    },
    /// What is no video.
    #[error("flow \"{flow}\" carries {format}, and only pictures are recorded: name a flow of video")]
    NotVideo {
        /// The flow.
        flow: Name,
        /// What it carries.
        format: FlowFormat,
    },
    /// A file's name that would be elsewhere, or nowhere.
    #[error("\"{file}\" cannot be a recording: name a file in {folder} (record.folder), relative to it")]
    Outside {
        /// What was asked for.
        file: String,
        /// The folder of recordings.
        folder: String,
    },
    /// The file is there.
    #[error(
        "{path} is there already, and recordings are never overwritten: choose another name, or remove it and its .index"
    )]
    FileExists {
        /// The file.
        path: String,
    },
    /// The file is not there.
    #[error("there is no recording {path}; recordings are in {folder} (record.folder)")]
    NoFile {
        /// The file.
        path: String,
        /// The folder of recordings.
        folder: String,
    },
    /// The system refuses a file.
    #[error("{what} {path}: {cause}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// No direct disk access here.
    #[error(
        "{folder} has no direct disk access ({cause}), so pictures would push everything else out of memory: set record.folder to a folder on ext4, xfs or btrfs"
    )]
    NotDirect {
        /// The folder of recordings.
        folder: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The disk is too slow.
    #[error(
        "the disk of {folder} took {} in its trial and the flow needs {}, with a quarter to spare: set record.folder to a \
         faster disk, or record a smaller picture", rate(*measured), rate(*needed)
    )]
    SlowDisk {
        /// The folder of recordings.
        folder: String,
        /// Octets a second in the trial.
        measured: u64,
        /// Octets a second of the flow.
        needed: u64,
    },
    /// The disk has not the room.
    #[error("the recording takes {} MB and {folder} has {} MB free: make room, or record less", needed / 1_000_000, free / 1_000_000)]
    NoRoom {
        /// The folder of recordings.
        folder: String,
        /// Octets that are needed.
        needed: u64,
        /// Octets that are free.
        free: u64,
    },
    /// What was recorded cannot be read.
    #[error("{path}: {cause}")]
    Index {
        /// The index.
        path: String,
        /// What is wrong with it.
        cause: media::recording::RecordingError,
    },
    /// There is not one grain in it.
    #[error("{path} holds no grain: there is nothing to play")]
    Empty {
        /// The recording.
        path: String,
    },
    /// A ring, or what reads and writes the disk, refused; the cause says what would work.
    #[error("{0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No such recording.
    #[error("there is no recording {id}: `flypack recordings` shows those that there are")]
    NoRecording {
        /// The number that was asked for.
        id: u32,
    },
    /// No such replay.
    #[error("nothing is played as \"{flow}\": `flypack recordings` shows what is")]
    NoReplay {
        /// The flow that was asked for.
        flow: Name,
    },
    /// As many as there may be.
    #[error("{max} {what} run already, which is the limit: stop one first")]
    TooMany {
        /// "recordings" or "replays".
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The gateway is going down.
    #[error("the gateway is stopping; try again when it has started")]
    Stopping,
}

/// Megaoctets a second, with a tenth.
fn rate(octets_per_second: u64) -> String {
    format!("{}.{} MB/s", octets_per_second / 1_000_000, octets_per_second / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_refused_with_both_numbers() {
        let slow = ArchiveError::SlowDisk { folder: "/srv".into(), measured: 61_250_000, needed: 129_600_000 };
        let text = slow.to_string();
        assert!(text.contains("61.2 MB/s") && text.contains("129.6 MB/s") && text.contains("record.folder"), "{text}");
    }
}
