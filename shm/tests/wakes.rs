//! Consumers that sleep, as processes of their own: woken by the gateway's thread, by a pod's writer, or by nobody when
//! their producer was killed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "torture/pod.rs"]
#[allow(dead_code, reason = "shared with the torture test")]
mod pod;
#[path = "torture/stage.rs"]
#[allow(dead_code, reason = "shared with the torture test")]
mod stage;

use rustix::process::Signal;

use pod::Pod;
use stage::Stage;

/// What the children run: see [`pod::main`].
#[test]
fn pod_main() {
    pod::main();
}

fn closed(index: u64) -> String {
    format!("closed {index} complete true")
}

#[test]
fn the_gateway_wakes_pods_that_sleep() {
    let stage = Stage::new();
    let worker = stage.flow("cam", 32);
    let mut sleepers = [Pod::consumer(&stage, "cam", 2), Pod::consumer(&stage, "cam", 2)];
    for index in 1..100 {
        sleepers.iter_mut().for_each(|pod| pod.tell(&format!("sleep {index}")));
        worker.write(index);
        for pod in &mut sleepers {
            pod.expect(&closed(index));
            pod.ask(&format!("read {index}"), &format!("ok {index}"));
        }
    }
}

#[test]
fn a_pod_wakes_pods_that_sleep() {
    let stage = Stage::new();
    let mut producer = Pod::producer(&stage, "gfx");
    let mut sleepers = [Pod::consumer(&stage, "gfx", 1), Pod::consumer(&stage, "gfx", 1)];
    for index in 1..100 {
        sleepers.iter_mut().for_each(|pod| pod.tell(&format!("sleep {index}")));
        producer.ask(&format!("write {index}"), &format!("wrote {index}"));
        for pod in &mut sleepers {
            pod.expect(&closed(index));
            pod.ask(&format!("read {index}"), &format!("ok {index}"));
        }
    }
}

#[test]
fn a_sleeper_whose_producer_is_killed_wakes_up() {
    let stage = Stage::new();
    let mut producer = Pod::producer(&stage, "gfx");
    let mut sleeper = Pod::consumer(&stage, "gfx", 1);
    producer.ask("begin 7", "begun 7");
    sleeper.tell("sleep 7");
    producer.kill();
    sleeper.expect("grain 7 will not come: the producer is gone");
}

#[test]
fn a_sleeper_that_is_stopped_or_killed_is_in_nobodys_way() {
    let stage = Stage::new();
    let mut producer = Pod::producer(&stage, "gfx");
    let [mut stopped, mut killed, mut well] = [(); 3].map(|()| Pod::consumer(&stage, "gfx", 1));
    stopped.tell("sleep 1");
    killed.tell("sleep 1");
    stopped.signal(Signal::STOP);
    killed.kill();
    for index in 1..10 {
        well.tell(&format!("sleep {index}"));
        producer.ask(&format!("write {index}"), &format!("wrote {index}"));
        well.expect(&closed(index));
        well.ask(&format!("read {index}"), &format!("ok {index}"));
    }
    stopped.signal(Signal::CONT);
    stopped.expect(&closed(1));
}
