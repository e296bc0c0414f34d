//! `flypack-bench`, which `flypack bench` runs.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use bench::arguments::{Arguments, Command};
use bench::{Machine, Verdict, local, network, playing, scale, suite};
use clap::Parser as _;

/// What is not a loss, but no measurement either.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(Verdict::Whole) => ExitCode::SUCCESS,
        Ok(Verdict::Lossy) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run() -> Result<Verdict> {
    match Arguments::parse().command {
        Command::Local(arguments) => return local::run(&arguments),
        Command::Scale(arguments) => return scale::run(&arguments),
        Command::Server(arguments) => return network::serve(&arguments),
        Command::Client(arguments) => return network::call(&arguments),
        Command::Machine { .. } => println!("{}", serde_json::to_string_pretty(&Machine::look())?),
        Command::Shm(arguments) => suite::run(&arguments)?,
        Command::Role { role } => playing::play(&serde_json::from_str(&role)?)?,
        Command::Instructions(arguments) => suite::repeat(&arguments)?,
    }
    Ok(Verdict::Whole)
}
