//! `doctor`: what a gateway needs of this machine, what is there, and how to mend it.
//!
//! Everything is read from `/proc` and `/sys` below a root folder, so that tests can show it any machine;
//! what only a system call tells is tried once, in [`Trials`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arguments::Doctor;
use crate::printer::Printer;
use crate::{Exit, Failure};

mod configuration;
mod cpu;
mod kernel;
mod machine;
mod memory;
mod network;
mod ports;
mod time;
mod trials;

use machine::Machine;
pub use trials::Trials;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The gateway works, less well.
    Warn,
    /// The gateway does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// A stable word: "hugepages", "governor".
    pub name: Cow<'static, str>,
    /// How it came out.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do, mostly a command; null when nothing needs doing.
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Ok, found: found.into(), fix: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Warn, found: found.into(), fix: Some(fix.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Fail, found: found.into(), fix: Some(fix.into()) }
    }
}

/// All checks: what `doctor --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst level of all.
    pub worst: Level,
    /// In the order in which a packet meets them: kernel, processors, memory, network, ports, time; then those of a
    /// configuration.
    pub checks: Vec<Check>,
}

impl Report {
    /// Looks at the machine whose `/proc` and `/sys` are below `root`.
    #[must_use]
    pub fn of(root: PathBuf, trials: &Trials) -> Self {
        let machine = Machine::new(root);
        let parts = [
            kernel::checks(&machine, trials),
            cpu::checks(&machine),
            memory::checks(&machine, trials),
            network::checks(&machine),
            ports::checks(&machine),
            time::checks(&machine, trials),
        ];
        let checks: Vec<Check> = parts.into_iter().flatten().collect();
        let worst = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
        Self { worst, checks }
    }

    /// With what a configuration needs of the machine, as `flypackd --check` has it.
    #[must_use]
    pub fn with_configuration(mut self, config: &Path) -> Self {
        self.checks.extend(configuration::checks(config));
        self.worst = self.checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
        self
    }

    fn text(&self) -> String {
        let name_width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        let line = |check: &Check| {
            let level = match check.level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            let fix =
                check.fix.as_ref().map(|fix| format!("{:name_width$}        fix: {fix}\n", "")).unwrap_or_default();
            format!("{level}  {:name_width$}  {}\n{fix}", check.name, check.found)
        };
        self.checks.iter().map(line).collect()
    }
}

/// Looks, prints, and says with the exit code whether a gateway works here.
pub(crate) fn run(arguments: Doctor, printer: Printer) -> Result<Exit, Failure> {
    let mut report = match arguments.root {
        Some(root) => Report::of(root, &Trials::default()),
        None => Report::of("/".into(), &Trials::run()),
    };
    if let Some(config) = &arguments.config {
        report = report.with_configuration(config);
    }
    printer.result(&report, || report.text())?;
    Ok(if report.worst == Level::Fail { Exit::Failure } else { Exit::Success })
}

#[cfg(test)]
mod tests;
