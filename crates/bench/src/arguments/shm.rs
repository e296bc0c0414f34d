//! `flypack bench shm`, and what of it is counted by callgrind.

use clap::{Args, ValueEnum};

use crate::FrameSize;
use crate::role::Policy;

/// `shm`.
#[derive(Debug, Args)]
pub struct Shm {
    /// Parts to measure; otherwise all.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub parts: Vec<Part>,
    /// How consumers wait in the hand-over: spin, inline (woken by a pod that produces), housekeeping (woken as by a
    /// gateway).
    #[arg(long, value_enum, value_delimiter = ',', default_value = "spin,inline,housekeeping")]
    pub modes: Vec<Mode>,
    /// Octets of a frame: powers of two, such as 64K, 8M, 32M.
    #[arg(long, value_delimiter = ',', default_value = "64K,32M")]
    pub frames: Vec<FrameSize>,
    /// How many sleep at a time, in the modes in which they are woken.
    #[arg(long, value_delimiter = ',', default_value = "1,3,16", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub consumers: Vec<u16>,
    /// Rounds, each of every candidate in turn; one more warms up.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Messages of a round.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub messages: u32,
    /// Also measure what others have: iceoryx2 (where it is built in), a Unix socket with a copy, memcpy.
    #[arg(long)]
    pub peers: bool,
    /// Pages of the rings.
    #[arg(long, value_enum, default_value_t)]
    pub pages: Policy,
    /// One JSON document on stdout instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// From a producer to its consumers, spinning and asleep.
    Handover,
    /// From a frame's last line to all of it read.
    Lines,
    /// From a consumer's death to its slots.
    Departure,
    /// What the writer itself spends.
    Publication,
}

/// How a consumer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It does not sleep.
    Spin,
    /// The writer wakes it.
    Inline,
    /// A thread beside the writer wakes it.
    Housekeeping,
}

/// `instructions`.
#[derive(Debug, Args)]
pub struct Instructions {
    /// Consumers that hold a seat.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=64))]
    pub consumers: u8,
    /// Grains.
    #[arg(long, default_value_t = 100)]
    pub grains: u32,
    /// Lines of each that are published one by one.
    #[arg(long, default_value_t = 1)]
    pub lines: u16,
}
