//! `flypack bench` is `flypack-bench` beside it, with its arguments and its exit code.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

/// A folder with this program in it, and nothing else.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    install(env!("CARGO_BIN_EXE_flypack").as_ref(), &folder.path().join("flypack"));
    folder
}

/// By another process: a program that this one has open for writing, or whose descriptor a child of another test's has
/// just inherited, cannot be started ("text file busy").
fn install(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap();
    assert!(status.success(), "install {} {}", from.display(), to.display());
}

fn flypack(folder: &Path, words: &str) -> Output {
    Command::new(folder.join("flypack")).args(words.split(' ')).output().unwrap()
}

#[test]
fn the_program_beside_gets_the_words_and_gives_the_exit_code() {
    let folder = folder();
    let beside = folder.path().join("flypack-bench");
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    install(&script, &beside);
    for (words, told) in [
        ("bench shm --peers --rounds 3", "shm --peers --rounds 3\n"),
        ("bench --help", "--help\n"),
        ("bench shm --json", "shm --json\n"),
        ("--json bench shm", "shm --json\n"),
    ] {
        let output = flypack(folder.path(), words);
        assert_eq!(String::from_utf8_lossy(&output.stdout), told, "{words}");
        assert_eq!(output.status.code(), Some(7), "{words}");
    }
}

#[test]
fn without_it_the_error_says_where_it_belongs() {
    let folder = folder();
    let output = flypack(folder.path(), "bench shm");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&folder.path().join("flypack-bench").display().to_string()), "{said}");
    assert!(said.contains("cargo build --release -p flypack-bench"), "{said}");
    let said = String::from_utf8(flypack(folder.path(), "--json bench shm").stderr).unwrap();
    assert!(said.contains("\"bench\""), "{said}");
}
