//! What runs through a measurement: streams of one format, how they are sent, for how long.

use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use media::{Depth, VideoFormat};
use serde::{Deserialize, Serialize};
use shm::FrameReader;
use st2110::{PackingMode, PackingPlan, ReadSchedule, SenderType, UdpLimit};
use worker::{Lateness, Source};

use crate::FrameFormat;
use crate::role::Policy;

/// Streams, and how they are sent.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Traffic {
    /// Rows and rate of the pictures: 720p50, 1080p59.94, 2160p59.94; or WIDTHxROWSpRATE.
    #[arg(long, default_value = "1080p59.94")]
    pub format: FrameFormat,
    /// Bits of a sample.
    #[arg(long, value_enum, default_value_t)]
    pub depth: DepthName,
    /// How rows are cut: gpm (pieces of a row) or bpm (blocks of 180 octets).
    #[arg(long, value_enum, default_value_t)]
    pub packing: PackingName,
    /// Streams, each with a ring, a sender and a receiver of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub streams: u16,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Sends as fast as it goes, not as the schedule says.
    #[arg(long)]
    pub unpaced: bool,
    /// Sender type of ST 2110-21, which says when packets go and how many at once: N (gapped), NL (linear), W (gapped).
    #[arg(long = "type", value_enum, ignore_case = true, default_value_t)]
    pub sender_type: TypeName,
    /// Legs of ST 2022-7, each by a port of its own: packets are sent by all of them, and the first copy is kept.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=2))]
    pub legs: u16,
    /// How late a packet may be sent, rounded up to frame periods; what is later is skipped and counted.
    #[arg(long, default_value_t = 17, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub lateness_ms: u32,
    /// What a consumer looks at, and what a source writes for it.
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    pub check: Check,
    /// Of the pattern that the pictures show.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Cores of the thread that sends and of the one that receives; otherwise the first two. One core: both in turn.
    #[arg(long, value_delimiter = ',')]
    #[serde(skip)]
    pub cores: Vec<usize>,
    /// Pages of the rings, and of DPDK's memory where they are `huge`.
    #[arg(long, value_enum, default_value_t)]
    #[serde(skip)]
    pub pages: Policy,
}

/// What is checked of the grains that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Check {
    /// Every octet; a source writes each grain anew. Both take time of the workers' cores.
    #[default]
    Octets,
    /// That every grain came, with all of its lines, by the number at its beginning: what the workers do is left alone.
    Grains,
}

impl Check {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Octets => "every octet checked",
            Self::Grains => "the number and the lines of each grain checked",
        }
    }
}

/// [`Depth`], as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum DepthName {
    /// 8 bits.
    #[value(name = "8")]
    Bits8,
    /// 10 bits.
    #[default]
    #[value(name = "10")]
    Bits10,
}

/// [`PackingMode`], as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum PackingName {
    /// General.
    #[default]
    Gpm,
    /// Blocks.
    Bpm,
}

/// Sender types of ST 2110-21, as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum TypeName {
    /// Narrow.
    #[default]
    N,
    /// Narrow linear.
    Nl,
    /// Wide.
    W,
}

impl Traffic {
    /// The pictures.
    ///
    /// # Errors
    /// When they are too large.
    pub fn video(&self) -> Result<VideoFormat> {
        let depth = match self.depth {
            DepthName::Bits8 => Depth::Bits8,
            DepthName::Bits10 => Depth::Bits10,
        };
        Ok(self.format.video(depth)?)
    }

    /// How they are cut into packets.
    ///
    /// # Errors
    /// When they cannot be.
    pub fn plan(&self) -> Result<PackingPlan> {
        let mode = match self.packing {
            PackingName::Gpm => PackingMode::Gpm,
            PackingName::Bpm => PackingMode::Bpm,
        };
        Ok(PackingPlan::new(self.video()?, mode, UdpLimit::Standard)?)
    }

    /// What a sender makes of what `reader` reads.
    #[must_use]
    pub fn source(&self, reader: FrameReader, plan: &Arc<PackingPlan>) -> Source {
        let source = Source::new(reader, Arc::clone(plan), self.read_schedule()).of_type(self.sender_type());
        if self.unpaced { source.unpaced() } else { source }
    }

    /// How many packets may be bunched.
    #[must_use]
    pub fn sender_type(&self) -> SenderType {
        match self.sender_type {
            TypeName::N => SenderType::N,
            TypeName::Nl => SenderType::NL,
            TypeName::W => SenderType::W,
        }
    }

    /// When their packets are read.
    #[must_use]
    pub fn read_schedule(&self) -> ReadSchedule {
        match self.sender_type {
            TypeName::N | TypeName::W => ReadSchedule::Gapped,
            TypeName::Nl => ReadSchedule::Linear,
        }
    }

    /// How late a grain may be: without a schedule nothing ever is.
    #[must_use]
    pub fn lateness(&self) -> Lateness {
        if self.unpaced { Lateness::Frames(u8::MAX) } else { Lateness::Ms(self.lateness_ms) }
    }

    /// Frames that a sender may be behind.
    ///
    /// # Errors
    /// As [`Self::video`].
    pub fn frames_late(&self) -> Result<u16> {
        let period = self.video()?.rate().period_nanos().max(1).unsigned_abs();
        let frames = (u64::from(self.lateness_ms) * 1_000_000).div_ceil(period);
        Ok(u16::try_from(frames).unwrap_or(u16::MAX))
    }

    /// Packets a second of all streams together, in real time.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn packets_per_second(&self) -> Result<f64> {
        let plan = self.plan()?;
        let rate = plan.format().rate();
        let frames = f64::from(rate.num()) / f64::from(rate.den());
        Ok(frames * f64::from(plan.packets_per_frame()) * f64::from(self.streams))
    }

    /// The cores of the sending and of the receiving thread.
    #[must_use]
    pub fn pair_of_cores(&self) -> [Option<usize>; 2] {
        let usable = worker::run::usable_cores();
        let given = if self.cores.is_empty() { &usable } else { &self.cores };
        let first = given.first().copied();
        [first, given.get(1).copied().or(first)]
    }
}
