//! A body in a process of its own: it runs there, its failure is ours, and it does not outlive us.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hwtests::isolated::{self, Isolated};
use hwtests::{Namespace, namespace};

const FILE: &str = "FLYPACK_TEST_FILE";
const LIMIT: Duration = Duration::from_secs(20);

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not so after {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_body_runs_in_another_process() {
    const TEST: &str = "a_body_runs_in_another_process";
    if isolated::is_inside(TEST) {
        println!("I am {}", std::process::id());
        return;
    }
    let said = Isolated::new(TEST).run().unwrap();
    let line = said.lines().find_map(|line| line.split("I am ").nth(1)).unwrap();
    assert_ne!(line.parse::<u32>().unwrap(), std::process::id());
    isolated::run("a_plain_body", || unreachable!("this is not its process")).unwrap();
}

#[test]
fn a_plain_body() {
    isolated::run("a_plain_body", || assert!(isolated::is_inside("a_plain_body"))).unwrap();
}

#[test]
fn a_body_that_fails_or_does_not_end_or_is_not_there_is_an_error() {
    const TEST: &str = "a_body_that_fails_or_does_not_end_or_is_not_there_is_an_error";
    if isolated::is_inside(TEST) {
        assert!(std::env::var_os(FILE).is_some(), "as ordered");
        std::thread::sleep(Duration::from_secs(600));
    }
    let error = Isolated::new(TEST).run().unwrap_err().to_string();
    assert!(error.contains("ended with"), "{error}");
    let error = Isolated::new(TEST).env(FILE, "x").limit(Duration::from_secs(1)).run().unwrap_err().to_string();
    assert!(error.contains("still ran after 1s"), "{error}");
    let error = Isolated::new("no_such_test").run().unwrap_err().to_string();
    assert!(error.contains("has no test"), "{error}");
}

#[test]
fn a_body_runs_in_a_namespace() {
    const TEST: &str = "a_body_runs_in_a_namespace";
    if isolated::is_inside(TEST) {
        let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
        assert_eq!(devices.lines().skip(2).count(), 1, "a fresh namespace has its loopback only: {devices}");
        return;
    }
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let space = Namespace::create("isolated").unwrap();
    Isolated::new(TEST).inside(&space).run().unwrap();
}

/// Not a test by itself: what [`a_child_ends_with_its_parent`] starts and kills.
#[test]
fn parent_of_a_child() {
    const TEST: &str = "parent_of_a_child";
    let Ok(file) = std::env::var(FILE) else { return };
    if isolated::is_inside(TEST) {
        std::fs::write(file, std::process::id().to_string()).unwrap();
        std::thread::sleep(Duration::from_secs(600));
    }
    let _ = Isolated::new(TEST).limit(Duration::from_secs(600)).run();
}

#[test]
fn a_child_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent_of_a_child"])
        .env(FILE, &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the child runs", || std::fs::read_to_string(&file).is_ok_and(|pid| !pid.is_empty()));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let child = std::fs::read_to_string(&file).unwrap();
    let command_line = Path::new("/proc").join(&child).join("cmdline");
    // Whoever adopts orphans here may take its time to reap them: a zombie has no command line any more.
    eventually("the child is gone", || {
        std::fs::read(&command_line).is_ok_and(|line| line.is_empty()) || !command_line.exists()
    });
}
