//! `record`, `replay`, `recordings` and `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use media::Name;

use super::{MatrixName, OutputFormat};

/// `record`.
#[derive(Debug, Args)]
pub struct Record {
    /// The flow.
    pub flow: Name,
    /// A file in the gateway's folder of recordings (record.folder), relative to it. It must not be there.
    pub file: String,
    /// Stop after this many seconds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: Option<u32>,
    /// Stop after this many grains.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub grains: Option<u32>,
    /// Leave it to the gateway: `recordings` shows it, and `recordings stop` ends it.
    #[arg(long)]
    pub detach: bool,
}

/// `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// A file in the gateway's folder of recordings (record.folder), relative to it.
    pub file: String,
    /// The flow to make.
    #[arg(long = "as")]
    pub flow: Name,
    /// Begin again at the end.
    #[arg(long = "loop")]
    pub repeat: bool,
    /// Where grains that are missing in the recording leave their place empty, or the next follow at once.
    #[arg(long, value_enum, default_value_t)]
    pub timing: ReplayTiming,
    /// Slots of the ring, 4 to 1024; otherwise the gateway's default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=1024))]
    pub slots: Option<u32>,
    /// Leave it to the gateway: `recordings` shows it, and `recordings stop-replay` ends it.
    #[arg(long)]
    pub detach: bool,
}

/// Where the grains of a replay go in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReplayTiming {
    /// As far apart as they were recorded.
    #[default]
    Recorded,
    /// One each period.
    Dense,
}

/// `recordings`.
#[derive(Debug, Subcommand)]
pub enum RecordingAction {
    /// Lists the recordings and replays that run, and the last that have ended.
    List,
    /// Ends a recording; its files are whole then.
    Stop {
        /// Its number.
        id: u32,
    },
    /// Ends a replay and its flow.
    StopReplay {
        /// The flow.
        flow: Name,
    },
}

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The recording, a file of this machine; its index is beside it.
    pub file: PathBuf,
    /// raw (FLOW.raw), png (FLOW.png), - (raw to stdout), or a file; with %d or %06d in its name, one file
    /// per frame, numbered from 1.
    #[arg(long)]
    pub output: String,
    /// What to write, where the output's name does not say.
    #[arg(long, value_enum)]
    pub format: Option<OutputFormat>,
    /// Leave out so many frames at the beginning.
    #[arg(long, default_value_t = 0)]
    pub skip: u32,
    /// Stop after this many frames; a single PNG without %d stops after one.
    #[arg(long)]
    pub frames: Option<u32>,
    /// Colours of the PNG.
    #[arg(long, value_enum)]
    pub matrix: Option<MatrixName>,
}
