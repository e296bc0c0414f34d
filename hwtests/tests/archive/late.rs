//! A recorder that is kept from running: it loses what the ring could not keep for it, says how much and why, and goes on.

use std::time::Duration;

use hwtests::gateway_bench::{Camera, GatewayBench, LIMIT, SCREEN, STUDIO, Screen, format};
use hwtests::stall::{self, stall, thread_of};
use hwtests::{eventually, rfc4175, take_turn};

use crate::{can_run, gateway, places};

/// More than are recorded: each place in the round is a grain of its own.
const PICTURES: usize = 200;
const GRAINS: usize = 60;
/// Longer than the ring keeps a grain for a recorder of `hold_grains`: five periods.
const PAUSE: Duration = Duration::from_millis(400);

#[test]
fn a_recorder_that_stands_still_counts_what_it_lost_and_goes_on() {
    if !can_run() {
        return;
    }
    if let Some(reason) = stall::unavailable() {
        eprintln!("SKIPPED: no thread can be stopped here: {reason}");
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let folder = bench.file("tapes");
    let gateway = gateway(&bench, &folder);
    let pictures = rfc4175::noise(&format(), PICTURES, 7);
    let screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let watching = screen.keep_watching(pictures.clone()).unwrap();
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    gateway.ask(&format!("record cam take1 --grains {GRAINS} --detach")).unwrap();
    let recording = || gateway.ask("recordings").unwrap()["recordings"][0].take();
    eventually("it records", || recording()["grains"].as_u64() >= Some(5));
    stall(thread_of(gateway.process().id(), "record").unwrap(), PAUSE, 1, Duration::ZERO).unwrap();
    eventually("it is done", || recording()["state"] == "done");
    let recording = recording();
    let lost = recording["grains_lost"].as_u64().unwrap();
    assert!(recording["grains"] == GRAINS && recording["evictions"].as_u64() >= Some(1) && lost > 0, "{recording}");
    let log = gateway.process().log();
    assert!(log.contains("it was kept from running for ") && log.contains("and grains are lost"), "{log}");

    // What is on the tape is whole, and what is not is what it counted.
    let export = bench.file("export.raw");
    gateway.ask(&format!("export {} --output {}", folder.join("take1").display(), export.display())).unwrap();
    let recorded = places(&std::fs::read(export).unwrap(), &pictures);
    let steps = recorded.windows(2).map(|pair| (pair[1] + PICTURES - pair[0]) % PICTURES);
    let missing = steps.sum::<usize>() - (GRAINS - 1);
    // It counts those also that the flow has left out: a camera whose round was longer than meant.
    assert!(recorded.len() == GRAINS && (1..=lost as usize).contains(&missing), "{missing} of {lost}: {recorded:?}");

    // Nobody else has noticed.
    let frames = playing.stop();
    let statistics =
        gateway.settle(LIMIT, |now| now.of("sender", "out", "grains_sent").is_ok_and(|sent| sent == frames)).unwrap();
    assert_eq!(statistics.of("receiver", "cam", "grains_complete").unwrap(), frames);
    assert_eq!(statistics.of("sender", "out", "grains_sent").unwrap(), frames);
    assert_eq!(watching.damaged(), 0);
    gateway.stop().unwrap();
}
