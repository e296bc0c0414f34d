//! A consumer that stops in the middle of its work, and as many as the ring has room for.

use std::collections::BTreeSet;

use hwtests::crowd::{Crowd, Setting, cam};
use hwtests::{Launch, Process, eventually, take_turn};
use rustix::process::Signal;

use crate::{BROKEN, can_run, is_logged, is_troubled};

/// A reader of the broken flow; none when the ring has no room for it.
fn reader(crowd: &mut Crowd, number: usize) -> Option<Process> {
    let file = |ending: &str| crowd.bench.file(&format!("reader-{number}.{ending}"));
    let mut process = Launch::new(&crowd.gateway.flypack, &file("log"))
        .words(&format!("recv {} --format raw --output {}", cam(BROKEN), file("raw").display()))
        .words(&format!("--broker {}", crowd.gateway.broker.display()))
        .start()
        .unwrap();
    let (id, mut refused) = (process.id(), false);
    eventually("the reader has joined, or is refused", || {
        crowd.play(1);
        let flows = crowd.gateway.ask("flows").unwrap();
        let flow = flows["flows"].as_array().unwrap().iter().find(|flow| flow["name"] == *cam(BROKEN)).unwrap();
        let is_live = |consumer: &serde_json::Value| consumer["pid"] == id && consumer["state"] == "live";
        refused = process.log().contains("slots");
        refused || flow["consumers"].as_array().unwrap().iter().any(is_live)
    });
    if refused {
        process.wait(hwtests::gateway_bench::LIMIT).unwrap();
        return None;
    }
    Some(process)
}

#[test]
fn stalled_consumers_fill_their_ring_and_cost_nobody_a_frame() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut crowd = Crowd::set_up(Setting::default()).unwrap();
    crowd.play(5);
    let (mut stalled, evicted) = (Vec::new(), format!("flow {}: consumers evicted", cam(BROKEN)));
    while let Some(process) = reader(&mut crowd, stalled.len()) {
        process.signal(Signal::STOP).unwrap();
        stalled.push(process);
        crowd.play(10);
        eventually("status says that it was evicted", || {
            crowd.play(1);
            is_troubled(&crowd.gateway, &evicted)
        });
        assert!(stalled.len() < 64, "the ring never fills");
    }
    assert!(!stalled.is_empty(), "no reader has joined");
    // The ring is full of what the stalled hold, and its own flow goes on whole: nobody is waited for.
    crowd.play(25);
    let statistics = crowd.others_are_whole(&BTreeSet::new()).unwrap();
    let flow = |counter: &str| statistics.of("flow", &cam(BROKEN), counter).unwrap();
    assert_eq!(flow("consumers_evicted"), stalled.len() as u64);
    is_logged(&crowd.gateway, &evicted);

    // They go: the slots come back, and the next one is served.
    stalled.clear();
    eventually("their slots are free", || {
        crowd.play(1);
        crowd.gateway.statistics().unwrap().of("flow", &cam(BROKEN), "slots_quarantined").unwrap() == 0
    });
    let next = reader(&mut crowd, 99).expect("there is room again");
    crowd.play(10);
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    drop(next);
    crowd.gateway.stop().unwrap();
}
