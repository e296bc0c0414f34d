//! `flypack-bench shm` runs, and says what was asked for. No figure is looked at: this machine may be busy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::{Command, Output};

use serde_json::Value;

fn shm(words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flypack-bench")).arg("shm").args(words.split(' ')).output().unwrap()
}

#[test]
fn a_short_run_reports_every_part() {
    let output = shm("--json --peers --rounds 2 --messages 20 --consumers 2 --frames 4K,64K --pages plain \
                      --parts handover,lines,publication");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> =
        report["handover"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    for wanted in ["ring-4096", "pod-ring-65536", "unix-socket-4096", "pod-ring-inline-2", "ring-housekeeping-2"] {
        assert!(names.contains(&wanted), "{wanted} is not in {names:?}");
    }
    for row in report["handover"].as_array().unwrap() {
        assert!(row["from_stamp"]["p50"].as_f64().unwrap() > 0.0, "{row}");
        assert_eq!(row["rounds"], 2, "{row}");
    }
    assert_eq!(report["copies"].as_array().unwrap().len(), 2);
    assert_eq!(report["lines"]["frame_octets"], 8 << 20);
    assert_eq!(report["publication"].as_array().unwrap().len(), 3);
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_would_work() {
    for (words, says) in [
        ("--frames 65000", "power of two"),
        ("--rounds 0", "1..=1000"),
        ("--parts everything", "handover"),
        ("--consumers 33", "1..=32"),
    ] {
        let output = shm(words);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && log.contains(says), "{words}: {log}");
    }
}
