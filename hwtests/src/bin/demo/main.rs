//! `make demo`: FFmpeg and GStreamer cameras in one network namespace, the gateway in a second, an
//! unprivileged viewer in a third, FFmpeg and GStreamer receivers; every frame is compared bit by bit.
//!
//! The gateway's packets go through a DPDK port on the rack's end of the veth pair (`--io dpdk`), or through the
//! kernel's UDP sockets (`--io udp`). The exit status is 0 only when every inner frame matched everywhere.
#![forbid(unsafe_code)]

mod plan;
mod round;
mod stage;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hwtests::{Gateway, sysctl};

use crate::plan::Plan;
use crate::stage::{PacketIo, Stage};
use crate::table::Row;

const USAGE: &str = "usage: flypack-demo [--io dpdk|udp] [--seconds N] [--out FOLDER]";

/// What the demo must leave as it found it.
const SETTINGS: [&str; 3] = ["net.core.rmem_max", "net.core.wmem_max", "vm.nr_hugepages"];

fn main() {
    let status = match run() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("the demo could not run to its end: {error:#}");
            2
        }
    };
    hwtests::reaper::exit(status);
}

/// Whether everything matched.
fn run() -> Result<bool> {
    let begin = Instant::now();
    let Arguments { io, seconds, out } = arguments()?;
    let before = settings();
    let rows = perform(io, seconds, &out)?;
    let left = if settings() == before { "as it was found" } else { "CHANGED" };
    println!("\n{}", table::render(&rows));
    println!("pictures and logs: {}", out.display());
    println!("the machine is left {left}; {} s", begin.elapsed().as_secs());
    let matched = rows.iter().all(Row::is_right);
    println!("{}", if matched { "all inner frames matched, bit by bit" } else { "NOT ALL FRAMES MATCHED" });
    Ok(matched && settings() == before)
}

/// Everything that changes the machine lives and ends in here.
fn perform(io: PacketIo, seconds: u32, out: &std::path::Path) -> Result<Vec<Row>> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let stage = Stage::set_up(io, out)?;
    stage.announce();
    let plan = Plan::new(&stage, seconds)?;
    let log = stage.out.join("flypackd.log");
    let mut gateway = Gateway::start(stage.scratch.path(), &(stage.config() + &plan.config()), stage.rack(), &log)?;
    announce(&gateway)?;
    let mut rows = Vec::new();
    for round in &plan.rounds {
        rows.extend(round::play(round, &stage, &mut gateway)?);
    }
    gateway.stop()?;
    Ok(rows)
}

/// What the gateway says of itself.
fn announce(gateway: &Gateway) -> Result<()> {
    let node = gateway.node()?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    println!("flypackd {}: rings in {}", text(&node["version"]), text(&node["pages"]));
    for warning in node["warnings"].as_array().into_iter().flatten() {
        println!("flypackd warns: {}", text(warning));
    }
    Ok(())
}

/// What the command line asks for.
struct Arguments {
    io: PacketIo,
    seconds: u32,
    out: PathBuf,
}

fn arguments() -> Result<Arguments> {
    let (mut io, mut seconds, mut out) = (PacketIo::Dpdk, 5, PathBuf::from("out/demo"));
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value; {USAGE}"))?;
        match &*word {
            "--seconds" => seconds = value.parse().with_context(|| format!("\"{value}\" is no number; {USAGE}"))?,
            "--out" => out = value.into(),
            "--io" => io = value.parse().with_context(|| format!("--io {value}; {USAGE}"))?,
            _ => bail!("there is no {word}; {USAGE}"),
        }
    }
    if !(2..=3600).contains(&seconds) {
        bail!("--seconds can be 2 to 3600");
    }
    Ok(Arguments { io, seconds, out })
}

fn settings() -> Vec<Option<u64>> {
    SETTINGS.iter().map(|name| sysctl::read(name).ok()).collect()
}
