//! `flypack-bench`, which `flypack bench` runs.
#![forbid(unsafe_code)]

use anyhow::Result;
use bench::arguments::{Arguments, Command};
use bench::{role, suite};
use clap::Parser as _;

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Shm(arguments) => suite::run(&arguments),
        Command::Role { role } => role::play(&serde_json::from_str(&role)?),
        Command::Instructions(arguments) => suite::repeat(&arguments),
    }
}
