//! The system calls that one thread makes between two markers: shows that a path makes none.
//!
//! The body runs in a process of its own under `strace`. The markers are themselves system calls, with arguments that
//! nobody else uses; what lies between them on the thread that made them is counted, whatever other threads do. Calls
//! that the vDSO answers (the clock, mostly) are none.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, getpriority_process};

use crate::isolated::{self, Isolated};
use crate::turn::take_turn;

/// No process can have these: they lie above the largest process id (2^22).
const BEGIN: i32 = 2_011_110_001;
const END: i32 = 2_011_110_002;

/// Why system calls cannot be traced here, or `None` when they can.
#[must_use]
pub fn unavailable() -> Option<String> {
    match Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output() {
        Err(error) => Some(format!("strace cannot be started: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// In the traced process: counts what this thread does during `work`. Everything in it counts, so what `work` needs
/// must be there before.
pub fn between<T>(work: impl FnOnce() -> T) -> T {
    mark(BEGIN);
    let done = work();
    mark(END);
    done
}

fn mark(number: i32) {
    // That there is no such process is what is expected.
    let _ = getpriority_process(Pid::from_raw(number));
}

/// Runs `isolated` under `strace` and gives back the calls that were made inside of [`between`], as `strace` writes
/// them, thread after thread.
///
/// # Errors
/// When the test fails, or never came to the end of a [`between`].
pub fn traced(isolated: Isolated<'_>) -> Result<Vec<String>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let trace = folder.path().join("trace");
    // One file per thread (-ff): no call is cut in two by another thread's.
    let trace_text = trace.to_str().context("the temporary folder's path is no text")?;
    isolated.under(["strace", "-ff", "-qq", "-o", trace_text]).run()?;
    let mut windows = 0;
    let mut calls = Vec::new();
    for path in files(folder.path())? {
        let text = std::fs::read(&path).context("cannot read a trace")?;
        windows += collect(&String::from_utf8_lossy(&text), &mut calls)?;
    }
    ensure!(windows > 0, "no thread came to a marker: is the body inside of `syscalls::between`?");
    Ok(calls)
}

/// Runs `body`, which has a [`between`] in it, in a process of its own and gives back the calls that it made there. Nothing in
/// that process, and where calls cannot be traced; then it says loudly that the test was skipped.
///
/// # Errors
/// As [`traced`].
pub fn of(test: &str, body: impl FnOnce()) -> Result<Option<Vec<String>>> {
    if isolated::is_inside(test) {
        body();
        return Ok(None);
    }
    if let Some(reason) = unavailable() {
        eprintln!("SKIPPED: system calls cannot be traced here: {reason}");
        return Ok(None);
    }
    let _turn = take_turn();
    traced(Isolated::new(test)).map(Some)
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).context("cannot list the traces")?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

/// Adds the calls of one thread that lie between markers; how many pairs of markers there were.
fn collect(trace: &str, calls: &mut Vec<String>) -> Result<usize> {
    let is_marker =
        |line: &str, number: i32| line.starts_with("getpriority(") && line.contains(&format!(", {number})"));
    let (mut windows, mut inside) = (0, false);
    for line in trace.lines() {
        if is_marker(line, BEGIN) {
            ensure!(!inside, "a marker follows one of its own kind");
            inside = true;
        } else if is_marker(line, END) {
            ensure!(inside, "a marker follows one of its own kind");
            inside = false;
            windows += 1;
        } else if inside && !line.starts_with("---") && !line.starts_with("+++") {
            calls.push(line.to_owned());
        }
    }
    if inside {
        bail!("a thread began and did not end; it made {} calls, the last {:?}", calls.len(), calls.last());
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(number: i32) -> String {
        format!("getpriority(PRIO_PROCESS, {number}) = -1 ESRCH (No such process)\n")
    }

    #[test]
    fn only_calls_between_markers_are_collected() {
        let (begin, end) = (marker(BEGIN), marker(END));
        let trace = format!(
            "brk(NULL) = 0x1\n{begin}{end}{begin}futex(0x1, FUTEX_WAKE_PRIVATE, 1) = 0\n--- SIGCHLD {{}} ---\n{end}exit(0) = ?\n"
        );
        let mut calls = Vec::new();
        assert_eq!(collect(&trace, &mut calls).unwrap(), 2);
        assert_eq!(calls, ["futex(0x1, FUTEX_WAKE_PRIVATE, 1) = 0"]);
    }

    #[test]
    fn a_thread_that_does_not_come_to_the_end_is_an_error() {
        let (begin, end) = (marker(BEGIN), marker(END));
        for trace in [begin.clone(), end.clone(), format!("{begin}{begin}{end}")] {
            assert!(collect(&trace, &mut Vec::new()).is_err(), "{trace}");
        }
        assert_eq!(collect("read(0, \"\", 1) = 0\n", &mut Vec::new()).unwrap(), 0);
    }
}
