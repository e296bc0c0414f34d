//! What a program of ours says of its measurement, in JSON.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// See the file's head.
pub(crate) struct Report {
    /// Whether the program calls it whole: exit status 0.
    pub(crate) is_whole: bool,
    /// What it printed.
    pub(crate) json: Value,
}

/// Quartiles and median over rounds.
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Report {
    /// Runs it to its end.
    pub(crate) fn run(program: &Path, words: &str) -> Result<Self> {
        Self::of(Command::new(program).args(words.split_whitespace()).arg("--json"))
    }

    /// Runs a command to its end; 1 as its exit status is a result too.
    pub(crate) fn of(command: &mut Command) -> Result<Self> {
        let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {}", said.trim());
        let json = serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?}: {}", said.trim()))?;
        Ok(Self { is_whole: output.status.success(), json })
    }

    /// A number of it; one that is not there is an error.
    pub(crate) fn number(&self, pointer: &str) -> Result<f64> {
        self.json.pointer(pointer).and_then(Value::as_f64).with_context(|| format!("the report has no {pointer}"))
    }

    /// A spread of it.
    pub(crate) fn spread(&self, pointer: &str) -> Result<Spread> {
        let of = |name| self.number(&format!("{pointer}/{name}"));
        Ok(Spread { low: of("low")?, median: of("median")?, high: of("high")? })
    }

    /// What was amiss in a round, in words; empty where nothing was.
    pub(crate) fn amiss(&self, outcome: &str) -> Result<String> {
        const WHAT: [&str; 8] = [
            "late_skipped",
            "not_sent",
            "refused_by_device",
            "grains_missed",
            "late",
            "refused",
            "grains_incomplete",
            "wrong_blocks",
        ];
        let mut words = Vec::new();
        let lost = self.number(&format!("{outcome}/packets_lost"))?;
        if lost > 0.0 {
            words.push(format!("lost {lost}"));
        }
        for what in WHAT {
            let count = self.number(&format!("{outcome}/total/{what}"))?;
            if count > 0.0 {
                words.push(format!("{what} {count}"));
            }
        }
        Ok(words.join(", "))
    }

    /// Leaves the second-by-second figures out: a report of rows is for reading.
    pub(crate) fn without_seconds(mut self) -> Value {
        strip(&mut self.json);
        self.json
    }
}

impl Spread {
    /// In so large a unit.
    pub(crate) fn text(&self, unit: f64, decimals: usize) -> String {
        let Self { low, median, high } = self;
        format!("{:.decimals$} [{:.decimals$}, {:.decimals$}]", median / unit, low / unit, high / unit)
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("seconds").is_some_and(Value::is_array) {
                fields.remove("seconds");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Fails where a command did.
pub(crate) fn done(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
