//! `record`, `replay`, `recordings`, `capture`, `inject` and `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use media::Name;

use super::pods::{MatrixName, OutputFormat};

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

/// `capture`.
#[derive(Debug, Args)]
pub struct Capture {
    /// The port, one of the gateway's own. What the kernel's interfaces carry tcpdump shows.
    pub port: Name,
    /// A pcap file in the gateway's folder of recordings (record.folder), relative to it. It must not be there.
    pub file: String,
    /// Stop after this many packets, at most 10,000,000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub packets: u32,
    /// Stop after this many seconds, if that comes first.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: Option<u32>,
    /// Take one of so many packets.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// Keep so many octets of a packet, from its Ethernet header on: 14 to 9216. The headers of video have 62 and more.
    #[arg(long = "snap", default_value_t = 128, value_parser = clap::value_parser!(u32).range(14..=9216))]
    pub snap_octets: u32,
}

/// `inject`.
#[derive(Debug, Args)]
pub struct Inject {
    /// The port, one of the gateway's own. What went to a station in the capture goes to this port.
    pub port: Name,
    /// A pcap file (Ethernet) in the gateway's folder of recordings (record.folder), relative to it.
    #[arg(required_unless_present = "stop")]
    pub file: Option<String>,
    /// Begin again at the end.
    #[arg(long = "loop")]
    pub repeat: bool,
    /// When packets come: as far apart as in the file, or as fast as the port takes them.
    #[arg(long, value_enum, default_value_t)]
    pub pace: InjectionPace,
    /// Leave it to the gateway: `--stop` ends it.
    #[arg(long)]
    pub detach: bool,
    /// End what is being injected.
    #[arg(long, conflicts_with_all = ["file", "repeat", "pace", "detach"])]
    pub stop: bool,
}

/// When the packets of a file come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum InjectionPace {
    /// As far apart as in the file.
    #[default]
    Recorded,
    /// As fast as the port's worker takes them.
    Unpaced,
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
