//! `flypackd` is killed under pods of other users: they go on, grain by grain, and the next gateway gets their flows.
//!
//! Everybody is in step: a grain is written when all consumers have read the one before, so that each must read each of
//! them, whatever happens to the gateway meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod pods;
mod stage;

use hwtests::{PidSpace, actor, take_turn};
use rustix::process::Signal;

use stage::{OTHER, Stage};

/// The parts that other processes play.
#[test]
fn actor() {
    let Some((part, words)) = actor::part() else { return };
    match part.as_str() {
        "producer" => pods::Writing::from_words(&words).run(),
        "consumer" => pods::Reading::from_words(&words).run(),
        "impostor" => pods::impersonate(&words),
        _ => panic!("no such part: {part}"),
    }
}

#[test]
fn pods_go_on_and_the_next_gateway_gets_their_flow() {
    let _turn = take_turn();
    let mut stage = Stage::new(PidSpace::Shared);
    let before = stage.grains(10);
    stage.gateway.kill().unwrap();
    assert_eq!(stage.grains(50), before, "nobody goes over without a gateway");
    // While the producer cannot come back, nobody else gets its name.
    stage.producer.signal(Signal::STOP);
    stage.gateway.start_again().unwrap();
    if stage.is_root {
        let said = stage.impostor(OTHER);
        assert!(said.contains("kept for the flow of another user"), "{said}");
    }
    stage.producer.signal(Signal::CONT);
    stage.check_back(&before);
    // A process that the same user starts anew is no impostor, and finds the name taken by now.
    let said = stage.impostor(stage.owner());
    assert!(said.contains("a flow of this name exists already"), "{said}");
}

#[test]
fn a_gateway_that_is_killed_again_before_the_switch_stops_nobody() {
    let _turn = take_turn();
    let mut stage = Stage::new(PidSpace::Shared);
    let before = stage.grains(10);
    stage.gateway.kill().unwrap();
    // A grain that stays open keeps the producer in its old ring.
    stage.begin();
    stage.gateway.start_again().unwrap();
    stage.wait_for_rings(2);
    stage.gateway.kill().unwrap();
    stage.end();
    assert_eq!(stage.grains(50), before, "nobody goes over without a gateway");
    stage.gateway.start_again().unwrap();
    stage.check_back(&before);
}

#[test]
fn a_gateway_that_cannot_tell_processes_apart_gets_the_flow_too() {
    let _turn = take_turn();
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a PID namespace needs root");
        return;
    }
    let mut stage = Stage::new(PidSpace::Own);
    assert_eq!(stage.origin()["pid"], serde_json::Value::Null, "it sees the processes of pods");
    let before = stage.grains(10);
    stage.gateway.kill().unwrap();
    assert_eq!(stage.grains(50), before, "nobody goes over without a gateway");
    stage.gateway.start_again().unwrap();
    stage.check_back(&before);
}
