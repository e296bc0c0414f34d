//! `bench`: becomes `flypack-bench`, the program beside this one, so that whoever only operates a gateway need not have
//! what measuring it takes.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::printer::Printer;

/// Runs it with these arguments instead of this program; returns only when it cannot.
pub(crate) fn run(arguments: &[OsString], printer: Printer) -> Failure {
    let path = beside();
    let json = (printer.is_json() && !arguments.is_empty()).then_some("--json");
    let cause = Command::new(&path).args(arguments).args(json).exec();
    Failure::Bench { path, cause }
}

/// `flypack-bench` in this program's folder.
fn beside() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.parent().unwrap_or(Path::new("")).join("flypack-bench")
}
