//! The machine is as it was, however a run ends. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hwtests::{Launch, Namespace, Sysctl, User, namespace, sysctl, take_turn};

const SETTING: &str = "net.core.rmem_max";
const CHILD: &str = "FLYPACK_TEST_CHILD";

fn can_run() -> bool {
    let reason = namespace::unavailable();
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
    }
    reason.is_none()
}

fn netns(pid: u32, role: &str) -> bool {
    Path::new("/run/netns").join(format!("fp-{pid}-{role}")).exists()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not so after 20 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_drop_undoes_everything() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let before = sysctl::read(SETTING).unwrap();
    let space = Namespace::create("drop").unwrap();
    let raised = Sysctl::at_least(SETTING, before + 4096).unwrap();
    assert_eq!(sysctl::read(SETTING).unwrap(), before + 4096);
    let folder = tempfile::tempdir().unwrap();
    let sleeper = Launch::new("sleep", &folder.path().join("log")).arg("600").inside(Some(&space)).start().unwrap();
    let pid = sleeper.id();
    assert!(netns(std::process::id(), "drop"));
    drop((sleeper, raised, space));
    assert!(!netns(std::process::id(), "drop"));
    assert!(!Path::new("/proc").join(pid.to_string()).exists());
    assert_eq!(sysctl::read(SETTING).unwrap(), before);
}

#[test]
fn nobody_is_nobody_inside_a_namespace() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let space = Namespace::create("nobody").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch::new("sh", &folder.path().join("log")).arg("-c").arg("id -u; id -G; ip -o link");
    let mut process = launch.inside(Some(&space)).by(User::Nobody).start().unwrap();
    process.finish(Duration::from_secs(20)).unwrap();
    let log = process.log();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[..2], ["65534", "65534"], "{log}");
    assert!(lines.len() == 3 && lines[2].contains("lo:"), "a fresh namespace has its loopback only: {log}");
}

/// Not a test by itself: what [`every_end_puts_the_machine_back`] starts and ends.
#[test]
fn child_that_holds_everything() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (raised, ready) = order.split_once(' ').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let space = Namespace::create("held").unwrap();
    let _setting = Sysctl::at_least(SETTING, raised.parse().unwrap()).unwrap();
    let start = || Launch::new("sleep", &folder.path().join("log")).arg("600");
    let _inside = start().inside(Some(&space)).start().unwrap();
    let outside = start().start().unwrap();
    std::fs::write(ready, outside.id().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn every_end_puts_the_machine_back() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let folder = tempfile::tempdir().unwrap();
    let before = sysctl::read(SETTING).unwrap();
    for signal in ["-INT", "-TERM", "-KILL"] {
        let ready = folder.path().join(signal);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_holds_everything"])
            .env(CHILD, format!("{} {}", before + 8192, ready.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        eventually("the child holds everything", || std::fs::read_to_string(&ready).is_ok_and(|pid| !pid.is_empty()));
        let sleeper = std::fs::read_to_string(&ready).unwrap();
        assert!(netns(pid, "held") && sysctl::read(SETTING).unwrap() == before + 8192);
        Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
        child.wait().unwrap();
        eventually("the namespace is gone", || !netns(pid, "held"));
        eventually("the setting is back", || sysctl::read(SETTING).unwrap() == before);
        // Whoever adopts orphans here may take its time to reap them: a zombie has no command line any more.
        let command_line = Path::new("/proc").join(&sleeper).join("cmdline");
        eventually("its child is gone", || {
            std::fs::read(&command_line).is_ok_and(|line| line.is_empty()) || !command_line.exists()
        });
    }
}

#[test]
fn what_a_dead_run_left_is_swept() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    // Above the largest process id (2^22), so certainly dead.
    let left = "fp-4194999-left";
    assert!(Command::new("ip").args(["netns", "add", left]).status().unwrap().success());
    namespace::sweep().unwrap();
    assert!(!Path::new("/run/netns").join(left).exists());
}
