//! `send` and `recv`: what makes this program a pod.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use media::{Name, Rate};

/// Where the broker of the rings is.
#[derive(Debug, Args)]
pub struct BrokerSocket {
    /// The gateway's broker socket.
    #[arg(long = "broker", env = "FLYPACK_BROKER", default_value = "/run/flypack/broker.sock")]
    pub path: PathBuf,
}

/// `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The format of the frames, as an SDP file.
    #[arg(long)]
    pub sdp: PathBuf,
    /// Frames as they are on the wire (pgroups, rows unpadded), or - for stdin.
    #[arg(long)]
    pub input: PathBuf,
    /// Name of the flow; otherwise the SDP file's name without its ending.
    #[arg(long)]
    pub name: Option<Name>,
    /// Frames per second, instead of the SDP's: 25, 30000/1001 or 29.97.
    #[arg(long)]
    pub rate: Option<Rate>,
    /// Stop after this many frames.
    #[arg(long)]
    pub frames: Option<u64>,
    /// Begin again at the end of the file.
    #[arg(long = "loop")]
    pub repeat: bool,
    /// At the rate on the TAI grid, or as fast as the ring takes them.
    #[arg(long, value_enum, default_value_t)]
    pub timing: SendTiming,
    /// Slots of the ring; otherwise the gateway's default.
    #[arg(long)]
    pub slots: Option<u16>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSocket,
}

/// When `send` opens the next grain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SendTiming {
    /// At its place on the TAI grid.
    #[default]
    Rate,
    /// At once.
    Fast,
}

/// `recv`.
#[derive(Debug, Args)]
pub struct Recv {
    /// The flow.
    pub flow: Name,
    /// raw (FLOW.raw), png (FLOW.png), - (raw to stdout), or a file; with %d or %06d in its name, one file
    /// per frame, numbered from 1.
    #[arg(long)]
    pub output: String,
    /// What to write, where the output's name does not say.
    #[arg(long, value_enum)]
    pub format: Option<OutputFormat>,
    /// Stop after this many frames; a single PNG without %d stops after one.
    #[arg(long)]
    pub frames: Option<u64>,
    /// Grains to hold at most, for a writer of files that is slow at times.
    #[arg(long, default_value_t = 2)]
    pub hold: u16,
    /// Go on with the newest grain each time instead of taking every one in order.
    #[arg(long)]
    pub newest: bool,
    /// Hold nothing: grains may be overwritten while they are read, which is noticed and counted.
    #[arg(long)]
    pub lossy: bool,
    /// Colours of the PNG.
    #[arg(long, value_enum)]
    pub matrix: Option<MatrixName>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSocket,
}

/// What `recv` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Frames as they are on the wire.
    Raw,
    /// RGB pictures of 8 bits.
    Png,
}

/// The colour matrix of a PNG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MatrixName {
    /// BT.601: standard definition, the default up to 576 rows.
    Bt601,
    /// BT.709: high definition, the default above.
    Bt709,
}
