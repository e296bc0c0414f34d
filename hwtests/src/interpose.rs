//! What one thread asks of the C library's allocator between two points, in Rust or C: shows that a path allocates
//! nothing.
//!
//! The body runs in a process of its own with a small C library in front of the system's (`LD_PRELOAD`), which is
//! compiled when it is needed. It sees `malloc`, `calloc`, `realloc`, `free`, `posix_memalign`, `aligned_alloc`,
//! `memalign`, `mmap`, `munmap`, `brk` and `sbrk`, also of code that is linked statically, as long as the C library
//! is not. It does not see memory that DPDK hands out from its own heap.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::isolated::Isolated;

const SOURCE: &str = include_str!("interpose/alloc.c");
/// As in `alloc.c`, which answers when somebody asks for these variables.
const BEGIN: &str = "FLYPACK_COUNT_ALLOCATIONS";
const END: &str = "FLYPACK_COUNTED_ALLOCATIONS";

/// Calls by function; those that were not made are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    calls: BTreeMap<String, u64>,
}

impl Allocations {
    /// Calls of `function` (`aligned` for all three that align, `brk` for both).
    #[must_use]
    pub fn of(&self, function: &str) -> u64 {
        self.calls.get(function).copied().unwrap_or(0)
    }

    /// Calls of any of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// `malloc 3 free 0 `, as `alloc.c` writes it.
    fn parse(report: &str) -> Option<Self> {
        let mut words = report.split_whitespace();
        let mut calls = BTreeMap::new();
        while let Some(function) = words.next() {
            let count = words.next()?.parse().ok()?;
            if count > 0 {
                calls.insert(function.to_owned(), count);
            }
        }
        Some(Self { calls })
    }
}

impl fmt::Display for Allocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.calls.is_empty() {
            return f.write_str("no allocation");
        }
        for (place, (function, count)) in self.calls.iter().enumerate() {
            write!(f, "{}{count} {function}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The compiled library.
#[derive(Debug)]
pub struct Interposer {
    folder: TempDir,
}

impl Interposer {
    /// Compiles it.
    ///
    /// # Errors
    /// When `cc` cannot be run or does not like the source.
    pub fn build() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let source = folder.path().join("alloc.c");
        std::fs::write(&source, SOURCE).context("cannot write the library's source")?;
        let mut command = Command::new("cc");
        // No builtins: a compiler may otherwise turn our own malloc and memset into a call of calloc.
        command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-fno-builtin", "-ftls-model=initial-exec", "-o"]);
        let output = command.arg(folder.path().join("alloc.so")).arg(&source).arg("-ldl").output();
        let output = output.context("cannot run cc, which compiles the counting library")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { folder })
    }

    /// Has the body run with the library in front. Keep this value until it has run.
    #[must_use]
    pub fn preload<'a>(&self, isolated: Isolated<'a>) -> Isolated<'a> {
        isolated.env("LD_PRELOAD", OsString::from(self.folder.path().join("alloc.so")))
    }
}

/// In the process with the library in front: what this thread asks for during `work`.
///
/// # Errors
/// When the library is not there.
pub fn between<T>(work: impl FnOnce() -> T) -> Result<(T, Allocations)> {
    // Asking for a variable reaches the library without unsafe code, and does not allocate when there is none.
    let _ = std::env::var_os(BEGIN);
    let done = work();
    let report = std::env::var_os(END);
    let report = report.context("nobody counts here: run the test by `Interposer::preload`")?;
    let allocations = report.to_str().and_then(Allocations::parse);
    Ok((done, allocations.context("the counting library's report is none")?))
}
