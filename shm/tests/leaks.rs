//! The broker's process holds nothing of pods that are gone: no descriptor, no mapping. Alone in its binary, for it
//! counts all that the process has.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "torture/pod.rs"]
#[allow(dead_code, reason = "shared with the torture test")]
mod pod;
#[path = "torture/stage.rs"]
#[allow(dead_code, reason = "shared with the torture test")]
mod stage;

use std::fs;

use shm::{ConsumerClass, Session};

use pod::Pod;
use stage::{Stage, leased, name, tiny, until};

/// What the children run: see [`pod::main`].
#[test]
fn pod_main() {
    pod::main();
}

/// Descriptors, and mappings of rings and lease pages.
fn held() -> (usize, usize) {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    (descriptors, maps.lines().filter(|line| line.contains("memfd:flypack")).count())
}

#[test]
fn pods_that_are_gone_leave_no_descriptor_and_no_mapping() {
    let stage = Stage::new();
    let worker = stage.flow("cam", 32);
    worker.write(1);
    let before = held();
    assert!(before.1 >= 3, "the ring itself is mapped: {before:?}");
    for round in 0..4 {
        let mut killed = [Pod::consumer(&stage, "cam", 2), Pod::producer(&stage, "gfx")];
        let mut left = [Pod::consumer(&stage, "cam", 1), Pod::consumer(&stage, "gfx", 1)];
        let own = [stage.broker.subscribe(&name("cam"), leased(1)), stage.broker.subscribe(&name("gfx"), leased(1))];
        let session = Session::connect(&stage.socket()).unwrap();
        assert!(session.subscribe(&name("cam"), leased(60)).is_err());
        assert!(session.produce(&name("cam"), tiny(), None).is_err());
        let lossy = session.subscribe(&name("cam"), ConsumerClass::Lossy).unwrap();
        assert!(held() > before, "the count sees what is held");
        killed[round % 2].kill();
        left.iter_mut().for_each(Pod::leave);
        killed[1 - round % 2].kill();
        drop((own, session, lossy));
    }
    until("everything is given back", || held() == before);
}
