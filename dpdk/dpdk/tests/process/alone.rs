//! One process per test: EAL initialises once, and never ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::Command;

use dpdk::eal::{Eal, EalConfig, Memory};

/// Set in the process that is to run one test itself.
const CHILD: &str = "FLYPACK_TEST_ALONE";

/// Runs `body` in a process of its own: this test binary once more, with this test only.
///
/// `test` is the name of the calling test.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == test) {
        return body();
    }
    let binary = std::env::current_exe().unwrap();
    let arguments = ["--exact", test, "--nocapture", "--include-ignored"];
    let output = Command::new(binary).args(arguments).env(CHILD, test).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let ran = out.contains("1 passed");
    assert!(output.status.success() && ran, "{test} in its own process: {}\n{out}\n{err}", output.status);
    print!("{err}");
}

/// EAL with ordinary pages: needs neither root nor hugepages.
pub(crate) fn eal(mib: u32) -> Eal {
    Eal::start(&EalConfig::new(Memory::NoHuge { mib })).unwrap()
}
