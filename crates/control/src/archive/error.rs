//! Why something is not recorded, played or captured; each says what would work.

use std::io;

use media::{FlowFormat, Name};

/// Why something is not recorded, played or captured.
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
    #[error("{path} is empty: there is nothing to play")]
    Empty {
        /// The recording.
        path: String,
    },
    /// A ring, or what reads and writes the disk, refused; the cause says what would work.
    #[error("{0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No such port, or one of the kernel's.
    #[error("there is no port \"{port}\" of this gateway's own; there are: {}; what the kernel's interfaces carry tcpdump shows", if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
    NoPort {
        /// The name that was asked for.
        port: Name,
        /// The names that exist.
        available: Vec<String>,
    },
    /// Nothing is captured there.
    #[error("nothing is captured on port \"{port}\"")]
    NoCapture {
        /// The port that was asked for.
        port: Name,
    },
    /// What is to be injected is no capture.
    #[error("{path}: {cause}")]
    NoCaptureFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing is injected there.
    #[error("nothing is injected into port \"{port}\"")]
    NoInjection {
        /// The port that was asked for.
        port: Name,
    },
    /// A number that is too small or too large.
    #[error("{field} is {value}: use {min} to {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// What was asked for.
        value: u32,
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
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
