//! A worker whose core is taken from it for a tenth of a second, again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use hwtests::crowd::{Crowd, Setting};
use hwtests::stall::{self, stall, thread_of};
use hwtests::take_turn;

use crate::{can_run, is_logged};

const PAUSE: Duration = Duration::from_millis(100);
const TIMES: u32 = 3;
/// A sender that was kept from sending catches up at 1.1 times its rate (ST 2110-21 §7.1): a tenth of a second takes one.
const REST: Duration = Duration::from_secs(2);

#[test]
fn a_worker_that_stands_still_for_a_tenth_of_a_second_loses_nothing_and_says_so() {
    if !can_run() {
        return;
    }
    if let Some(reason) = stall::unavailable() {
        eprintln!("SKIPPED: no thread can be stopped here: {reason}");
        return;
    }
    let _turn = take_turn();
    let mut crowd = Crowd::set_up(Setting::default()).unwrap();
    crowd.play(5);
    let worker = thread_of(crowd.gateway.process().id(), "port-worker-0").unwrap();
    let standstills = |crowd: &Crowd| {
        let node = crowd.gateway.node().unwrap();
        let workers = node["workers"].as_array().unwrap().clone();
        let worker = workers.into_iter().find(|worker| worker["name"] == "port-worker-0").unwrap();
        (worker["standstills"].as_u64().unwrap(), worker["longest_standstill_ns"].as_u64().unwrap())
    };
    let (before, _) = standstills(&crowd);
    std::thread::scope(|scope| {
        let stalling = scope.spawn(|| stall(worker, PAUSE, TIMES, REST));
        while !stalling.is_finished() {
            crowd.play(1);
        }
        stalling.join().unwrap().unwrap();
    });
    crowd.play(25);
    // What came meanwhile waited in the port's ring.
    let whole = crowd.others_are_whole(&BTreeSet::new());
    let (after, longest) = standstills(&crowd);
    assert!(after >= before + u64::from(TIMES), "{before} standstills, then {after}");
    assert!(u128::from(longest) >= PAUSE.as_nanos(), "{longest} ns");
    is_logged(&crowd.gateway, "port-worker-0 stood still");
    if let Err(error) = whole {
        // A ring keeps five grains for a sender: two tenths of a second.
        let is_longer = u128::from(longest) >= 2 * PAUSE.as_nanos();
        let more = after - before - u64::from(TIMES);
        assert!(is_longer || more > 0, "{error:#}");
        eprintln!(
            "SKIPPED: this machine took the worker's core {more} times by itself, for {longest} ns at most: {error:#}"
        );
    }
    crowd.gateway.stop().unwrap();
}
