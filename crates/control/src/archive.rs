//! Recordings, their replay, captures and injections, as control sees them: what may be asked, how it stands, why it is refused.

mod error;
mod injection;

use media::{Name, VideoFormat};

pub use error::ArchiveError;
pub use injection::{InjectSpec, InjectionPace, InjectionStatus};

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

    /// Begins to capture what passes a port.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing is left behind.
    fn start_capture(&self, spec: &CaptureSpec) -> Result<CaptureStatus, ArchiveError> {
        Err(ArchiveError::NoPort { port: spec.port.clone(), available: Vec::new() })
    }

    /// Ends a capture, and says what it came to.
    ///
    /// # Errors
    /// [`ArchiveError::NoCapture`].
    fn stop_capture(&self, port: &Name) -> Result<CaptureStatus, ArchiveError> {
        Err(ArchiveError::NoCapture { port: port.clone() })
    }

    /// The captures that run and those that have ended by themselves, by port.
    fn captures(&self) -> Vec<CaptureStatus> {
        Vec::new()
    }

    /// Begins to have a port receive what is in a capture file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    fn start_injection(&self, spec: &InjectSpec) -> Result<InjectionStatus, ArchiveError> {
        Err(ArchiveError::NoPort { port: spec.port.clone(), available: Vec::new() })
    }

    /// Ends an injection, and says what it came to.
    ///
    /// # Errors
    /// [`ArchiveError::NoInjection`].
    fn stop_injection(&self, port: &Name) -> Result<InjectionStatus, ArchiveError> {
        Err(ArchiveError::NoInjection { port: port.clone() })
    }

    /// The injections that run and those that have ended by themselves, by port.
    fn injections(&self) -> Vec<InjectionStatus> {
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
    /// Its counters, for metrics. `longest_…` are levels.
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
            ("longest_write_us", self.longest_write_us),
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

/// What is to be captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSpec {
    /// The port.
    pub port: Name,
    /// The file, in the gateway's folder of recordings. It must not be there.
    pub file: String,
    /// Packets to write, 1 to 10,000,000.
    pub packets: u32,
    /// Seconds to capture, if that comes first.
    pub seconds: Option<u32>,
    /// One of so many packets is taken, at least 1.
    pub sample: u32,
    /// Octets of a packet that are kept, 14 to 9,216.
    pub snap_octets: u16,
}

impl CaptureSpec {
    /// The most packets of one capture.
    pub const PACKETS_MAX: u32 = 10_000_000;
    /// The fewest octets of a packet: its Ethernet header.
    pub const SNAP_OCTETS_MIN: u16 = 14;
    /// The most octets of a packet: a jumbo frame.
    pub const SNAP_OCTETS_MAX: u16 = 9_216;
}

/// A capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureStatus {
    /// The port.
    pub port: Name,
    /// The file.
    pub path: String,
    /// How it stands.
    pub state: ArchiveState,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Packets in the file.
    pub packets: u64,
    /// Packets that passed the port meanwhile.
    pub packets_seen: u64,
    /// Packets that were to be taken, and were not: the disk was late.
    pub packets_dropped: u64,
}

impl CaptureStatus {
    /// Its counters, for metrics.
    #[must_use]
    pub fn counters(&self) -> Counters {
        vec![("packets", self.packets), ("packets_seen", self.packets_seen), ("packets_dropped", self.packets_dropped)]
    }
}
