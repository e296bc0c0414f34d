//! `flypack bench scale`.

use std::path::PathBuf;

use clap::Args;

use crate::FrameFormat;
use crate::device::DeviceName;
use crate::role::Policy;
use crate::traffic::Check;

/// `scale`.
#[derive(Debug, Args)]
pub struct Scale {
    /// Numbers of flows.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub flows: Vec<u16>,
    /// Their format.
    #[arg(long, default_value = "720p25")]
    pub format: FrameFormat,
    /// What they are sent and received by.
    #[arg(long, default_value = "net_ring")]
    pub device: DeviceName,
    /// Seconds for each number.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// What consumers look at: checking every octet takes more of the two cores than 64 flows leave.
    #[arg(long, value_enum, default_value_t = Check::Grains)]
    pub check: Check,
    /// Pages of the rings, and of DPDK's memory where they are `huge`. `prefer` may give the last flows other ones.
    #[arg(long, value_enum, default_value_t)]
    pub pages: Policy,
    /// Where the plot goes.
    #[arg(long)]
    pub svg: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}
