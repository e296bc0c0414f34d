//! A thread of another process that stands still for a while, the rest of its process does not: as when something else has
//! its core. SIGSTOP stops whole processes; this is ptrace's interrupt, by Python (its source is beside this file), because
//! safe Rust has none.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const SCRIPT: &str = include_str!("stall/stall.py");

/// Why no thread can be stopped here, or `None` when it can.
#[must_use]
pub fn unavailable() -> Option<String> {
    match Command::new("python3").args(["-c", "import ctypes"]).output() {
        Err(error) => Some(format!("python3 cannot be started: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// The thread of a process that has this name.
///
/// # Errors
/// When there is none, or the process has ended.
pub fn thread_of(process: u32, name: &str) -> Result<u32> {
    let tasks = Path::new("/proc").join(process.to_string()).join("task");
    for task in std::fs::read_dir(&tasks).with_context(|| format!("process {process} has ended"))? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name) {
            let id = task.file_name().and_then(|id| id.to_str()?.parse().ok());
            return id.with_context(|| format!("{} has no number", task.display()));
        }
    }
    bail!("process {process} has no thread {name}")
}

/// Stops a thread `times` times for `pause` each, and lets it run for `rest` after each.
///
/// # Errors
/// When it has ended, or must not be traced.
pub fn stall(thread: u32, pause: Duration, times: u32, rest: Duration) -> Result<()> {
    let words = [thread.to_string(), pause.as_millis().to_string(), times.to_string(), rest.as_millis().to_string()];
    let output = Command::new("python3").args(["-c", SCRIPT]).args(words).output().context("cannot start python3")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "thread {thread} was not stopped: {}", said.trim());
    Ok(())
}
