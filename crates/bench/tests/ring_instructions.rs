//! What the writer of a ring executes, counted by callgrind: publishing a line and committing a grain cost the same
//! whoever reads; opening a grain costs so much, and so much for each consumer.
//!
//! Bounds are for the profile that tests are built with, whose overflow checks and assertions stay; what is released
//! executes less.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::Command;

const CONSUMERS: [u32; 3] = [1, 16, 64];
/// Of one line.
const PUBLISH_MOST: u64 = 100;
/// Of one grain of one line in a ring of eight slots.
const COMMIT_MOST: u64 = 650;
/// The same, without consumers.
const OPEN_MOST: u64 = 2400;
/// And for each consumer: its lease page is read and its window moved.
const OPEN_MOST_PER_CONSUMER: u64 = 220;

/// Whether valgrind is here; says so when it is not.
fn has_valgrind() -> bool {
    let has = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: valgrind is not installed; nothing was counted");
    }
    has
}

/// Instructions within `Writing::{operation}` over a run.
fn count(operation: &str, consumers: u32, grains: u32, lines: u32) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect=*Writing::{operation}*"))
        .arg(env!("CARGO_BIN_EXE_flypack-bench"))
        .args(["instructions", "--consumers", &consumers.to_string()])
        .args(["--grains", &grains.to_string(), "--lines", &lines.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counted = said.lines().find_map(|line| line.split_once("Collected :")).unwrap_or_else(|| panic!("{said}")).1;
    let counted = counted.trim().parse().unwrap();
    assert!(counted > 0, "{operation} is no function of the program: nothing was counted\n{said}");
    counted
}

/// Of one more grain: what a run costs anyway cancels out.
fn of_a_grain(operation: &str, consumers: u32) -> u64 {
    (count(operation, consumers, 60, 1) - count(operation, consumers, 20, 1)) / 40
}

#[test]
fn publishing_costs_the_same_whoever_reads() {
    if !has_valgrind() {
        return;
    }
    let of_a_line = |consumers| (count("publish", consumers, 40, 30) - count("publish", consumers, 40, 10)) / (40 * 20);
    let counted = CONSUMERS.map(of_a_line);
    println!("publish: {counted:?} instructions with {CONSUMERS:?} consumers");
    assert!(counted.iter().all(|count| *count == counted[0]), "{counted:?}");
    assert!(counted[0] <= PUBLISH_MOST, "{counted:?}");
}

#[test]
fn committing_costs_the_same_whoever_reads() {
    if !has_valgrind() {
        return;
    }
    let counted = CONSUMERS.map(|consumers| of_a_grain("commit", consumers));
    println!("commit: {counted:?} instructions with {CONSUMERS:?} consumers");
    assert!(counted.iter().all(|count| *count == counted[0]), "{counted:?}");
    assert!(counted[0] <= COMMIT_MOST, "{counted:?}");
}

#[test]
fn opening_costs_so_much_and_so_much_for_each_consumer() {
    if !has_valgrind() {
        return;
    }
    let counted = CONSUMERS.map(|consumers| of_a_grain("open", consumers));
    println!("open: {counted:?} instructions with {CONSUMERS:?} consumers");
    for (consumers, count) in CONSUMERS.into_iter().zip(counted) {
        let most = OPEN_MOST + OPEN_MOST_PER_CONSUMER * u64::from(consumers);
        assert!(count <= most, "{count} instructions with {consumers} consumers; {most} at most");
    }
}
