//! `make bench-rows`: every row of the table of what the data plane promises, one after the other, and what was found.
//!
//! Nothing else should run meanwhile. What a row finds is written to FOLDER/rows.json when it has ended, so that a run
//! that is broken off has what it had. The exit status is 0 when every row met its target, 1 when one did not.
#![forbid(unsafe_code)]

mod create;
mod idle;
mod place;
mod plane;
mod report;
mod row;
mod served;
mod stage;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::place::Place;
use crate::row::{Row, Written};

const USAGE: &str = "usage: flypack-rows [--only ROW,ROW] [--hurry N] [--out FOLDER]; --hurry divides the lengths: a look, no measurement";

fn main() {
    let status = match run() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("the rows could not be measured: {error:#}");
            2
        }
    };
    hwtests::reaper::exit(status);
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = plane::rows().into_iter().chain(wire::rows()).chain(served::rows()).collect();
    rows.extend([idle::row(), create::row()]);
    rows
}

/// Whether all that was measured met its target.
fn run() -> Result<bool> {
    let Arguments { only, hurry, out } = arguments()?;
    let place = Place::set_up(&out, hurry)?;
    let machine = place.bench("machine")?.json;
    println!("{machine}");
    let (began, mut written) = (Instant::now(), Vec::new());
    for row in rows().iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.name)) {
        let at = Instant::now();
        let found = (row.measure)(&place);
        let one = Written::of(row, found, at.elapsed().as_secs_f64());
        println!("{}", one.text());
        written.push(one);
        save(&out, &json!({"machine": machine, "hurry": hurry, "rows": written}))?;
    }
    println!("{} rows in {:.0} s: {}", written.len(), began.elapsed().as_secs_f64(), out.join("rows.json").display());
    Ok(!written.iter().any(Written::is_missed))
}

fn save(out: &Path, report: &serde_json::Value) -> Result<()> {
    let file = out.join("rows.json");
    let text = serde_json::to_string_pretty(report)? + "\n";
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// What the command line asks for.
struct Arguments {
    only: Vec<String>,
    hurry: u32,
    out: PathBuf,
}

fn arguments() -> Result<Arguments> {
    let (mut only, mut hurry, mut out) = (Vec::new(), 1, PathBuf::from("out/rows"));
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value; {USAGE}"))?;
        match &*word {
            "--only" => only = value.split(',').map(str::to_owned).collect(),
            "--hurry" => hurry = value.parse().with_context(|| format!("\"{value}\" is no number; {USAGE}"))?,
            "--out" => out = value.into(),
            _ => anyhow::bail!("there is no {word}; {USAGE}"),
        }
    }
    ensure!((1..=60).contains(&hurry), "--hurry can be 1 to 60");
    for name in &only {
        let names: Vec<&str> = rows().iter().map(|row| row.name).collect();
        ensure!(names.contains(&&**name), "there is no row {name}; there are: {}", names.join(", "));
    }
    Ok(Arguments { only, hurry, out })
}
