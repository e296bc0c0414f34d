//! Capture files into ports.

use media::Name;

use super::{ArchiveState, ReplayEnding};
use crate::Counters;

/// What is to be injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectSpec {
    /// The port that receives it.
    pub port: Name,
    /// A pcap file in the gateway's folder of recordings.
    pub file: String,
    /// What comes after its end.
    pub ending: ReplayEnding,
    /// When its packets come.
    pub pace: InjectionPace,
}

/// When the packets of a file come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InjectionPace {
    /// As far apart as their times in the file, to the nanosecond; received in the worker's next turn.
    #[default]
    Recorded,
    /// As fast as the port's worker takes them.
    Unpaced,
}

/// An injection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionStatus {
    /// The port.
    pub port: Name,
    /// The file.
    pub path: String,
    /// How it stands.
    pub state: ArchiveState,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Packets that the port received.
    pub packets: u64,
    /// Packets that it had no buffer for.
    pub packets_dropped: u64,
    /// Packets that no port could receive: cut short in the file, too long, or the port's own.
    pub packets_skipped: u64,
    /// How late the latest of them was received, microseconds.
    pub longest_late_us: u64,
    /// Rounds that were completed.
    pub rounds: u64,
}

impl InjectionStatus {
    /// Its counters, for metrics. `longest_…` are levels.
    #[must_use]
    pub fn counters(&self) -> Counters {
        vec![
            ("packets", self.packets),
            ("packets_dropped", self.packets_dropped),
            ("packets_skipped", self.packets_skipped),
            ("longest_late_us", self.longest_late_us),
            ("rounds", self.rounds),
        ]
    }
}
