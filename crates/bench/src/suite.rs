//! `flypack bench shm`: its parts, one after the other, and what they found.

mod departure;
mod handover;
mod lines;
mod publication;
mod report;
mod table;

use std::path::Path;

use anyhow::{Context as _, Result};

pub use publication::repeat;
pub use report::Report;

use crate::arguments::{Part, Shm};
use crate::pair::Place;
use crate::ring::{common_socket, start_broker};
use crate::{Machine, peer};

/// Measures and prints.
///
/// # Errors
/// What could not be measured.
pub fn run(arguments: &Shm) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("flypack-bench-").tempdir()?;
    let report = measure(arguments, folder.path());
    peer::clean(folder.path());
    let report = report?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

fn measure(arguments: &Shm, folder: &Path) -> Result<Report> {
    // Before anything is pinned or busy.
    let mut report = Report::new(Machine::look());
    let cores: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    let broker = start_broker(&common_socket(folder), arguments.pages.into())?;
    let place = Place { folder, cores: &cores, pages: arguments.pages };
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    if wanted(Part::Handover) {
        report.handover = handover::measure(arguments, &place).context("hand-over")?;
        report.copies = if arguments.peers { handover::copies(arguments) } else { Vec::new() };
    }
    if wanted(Part::Lines) {
        report.lines = Some(lines::measure(arguments, &place).context("lines")?);
    }
    if wanted(Part::Departure) {
        report.departures = departure::measure(arguments, &place).context("departure")?;
    }
    if wanted(Part::Publication) {
        report.publication = publication::measure(arguments)?;
    }
    broker.stop();
    Ok(report)
}
