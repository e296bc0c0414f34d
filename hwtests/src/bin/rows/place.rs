//! Where rows are measured: a folder for what they write, and settings that are put back.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hwtests::sysctl::{RECEIVE_BUFFER_OCTETS, Sysctl};
use hwtests::{Scratch, gateway};

use crate::report::Report;

/// Rings of 2160p, spares of them, and DPDK's memory: what most rows have at a time at the most.
const HUGEPAGES: u64 = 1_024;

/// See the file's head.
pub(crate) struct Place {
    /// What stays.
    pub(crate) out: PathBuf,
    /// What goes.
    pub(crate) scratch: Scratch,
    /// Seconds are divided by it: a look, not a measurement, where it is more than 1.
    hurry: u32,
    _settings: Vec<Sysctl>,
}

impl Place {
    pub(crate) fn set_up(out: &Path, hurry: u32) -> Result<Self> {
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        // Whoever may not set them measures with what is there, and the report has the buffers.
        let large = |name| Sysctl::at_least(name, RECEIVE_BUFFER_OCTETS).ok();
        let mut settings: Vec<Sysctl> =
            ["net.core.rmem_max", "net.core.wmem_max"].into_iter().filter_map(large).collect();
        match Sysctl::free_hugepages(HUGEPAGES) {
            Ok(setting) => settings.push(setting),
            Err(error) => eprintln!("rows that need hugepages will not be measured: {error:#}"),
        }
        Ok(Self { out: out.to_owned(), scratch: Scratch::create()?, hurry, _settings: settings })
    }

    /// Has so many hugepages of 2 MiB free, for a row that needs more than all others, until what it returns drops.
    pub(crate) fn hugepages(&self, pages: u64) -> Result<Sysctl> {
        Sysctl::free_hugepages(pages).with_context(|| format!("{pages} free hugepages of 2 MiB, for this row"))
    }

    /// So many seconds, or fewer in a hurry.
    pub(crate) fn seconds(&self, seconds: u32) -> u32 {
        (seconds / self.hurry).max(1)
    }

    /// So many rounds, or fewer in a hurry.
    pub(crate) fn rounds(&self, rounds: u32) -> u32 {
        (rounds / self.hurry).max(1)
    }

    /// A file that goes.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Runs `flypack-bench` with these words and `--json`.
    pub(crate) fn bench(&self, words: &str) -> Result<Report> {
        Report::run(&gateway::program("flypack-bench")?, words)
    }
}
