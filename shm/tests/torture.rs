//! Pods as real processes that are killed and stopped at any moment: the others lose nothing, and every slot is
//! accounted for afterwards. Needs no rights and no hugepages. `hwtests` does the same at random instants, for longer.
//!
//! Every step waits for the one before: the parent writes a grain, then tells the reading pods to read it. So a pod
//! that lives is never late, however slow the machine is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "torture/pod.rs"]
mod pod;
#[path = "torture/stage.rs"]
mod stage;

use media::GrainIndex;
use rustix::process::Signal;
use shm::{ConsumerState, FlowEvent, FlowOrigin, Refusal, SubscribeError};

use pod::Pod;
use stage::{Stage, check, leased, name, until};

/// What the children run: see [`pod::main`].
#[test]
fn pod_main() {
    pod::main();
}

#[test]
fn killed_and_stopped_consumers_cost_the_others_nothing() {
    let stage = Stage::new();
    // 2 + 5 × (2 + 1) = 17 slots.
    let worker = stage.flow("cam", 17);
    let mut own = stage.broker.subscribe(&name("cam"), leased(2)).unwrap();
    let mut honest = Pod::consumer(&stage, "cam", 2);
    let mut killed = Pod::consumer(&stage, "cam", 2);
    let mut stopped = Pod::consumer(&stage, "cam", 2);
    let mut doomed = Pod::consumer(&stage, "cam", 2);
    let mut next = 1;
    let mut step = |honest: &mut Pod, grains: u64| {
        for index in next..next + grains {
            worker.write(index);
            honest.ask(&format!("read {index}"), &format!("ok {index}"));
            check(&mut own, index);
        }
        next += grains;
    };
    step(&mut honest, 1);
    for pod in [&mut killed, &mut stopped, &mut doomed] {
        pod.ask("hold 1", "held 1");
    }
    stopped.signal(Signal::STOP);
    doomed.signal(Signal::STOP);
    killed.kill();
    step(&mut honest, 40);
    until("the killed one's seat comes free", || stage.consumers("cam").len() == 4);
    let evicted = |pid| {
        let consumers = stage.consumers("cam");
        let found = consumers.iter().find(|consumer| consumer.holder.pid() == Some(pid));
        found.is_some_and(|consumer| matches!(consumer.state, ConsumerState::Evicted { .. }))
    };
    until("the stopped ones are evicted", || evicted(stopped.pid()) && evicted(doomed.pid()));
    // Killed while it is stopped.
    doomed.kill();
    step(&mut honest, 40);
    until("its seat comes free", || stage.consumers("cam").len() == 3);
    // What the stopped one holds was never overwritten, eighty grains later.
    assert!(worker.accounts().quarantined > 0);
    stopped.signal(Signal::CONT);
    stopped.ask("check", "intact");
    stopped.ask("acknowledge", "acknowledged");
    until("its seat comes free", || stage.consumers("cam").len() == 2);
    step(&mut honest, 10);
    honest.leave();
    drop(own);
    until("all seats come free", || stage.consumers("cam").is_empty());
    let accounts = worker.accounts();
    assert_eq!((accounts.leased, accounts.quarantined), (0, 0));
    assert_eq!(accounts.free + accounts.open + accounts.done, 17);
    assert_eq!(stage.counters("cam").no_slot(), 0);
}

#[test]
fn killed_and_stopped_producers_cost_the_others_nothing() {
    let stage = Stage::new();
    let worker = stage.flow("cam", 8);
    let mut honest = Pod::consumer(&stage, "cam", 2);
    let mut killed = Pod::producer(&stage, "gfx");
    let mut stopped = Pod::producer(&stage, "key");
    let mut reader = Pod::consumer(&stage, "gfx", 1);
    let mut own = stage.broker.subscribe(&name("gfx"), leased(1)).unwrap();
    let mut of_stopped = stage.broker.subscribe(&name("key"), leased(1)).unwrap();
    let added = |flow| FlowEvent::Added { name: name(flow) };
    assert_eq!([stage.event(), stage.event(), stage.event()], [added("cam"), added("gfx"), added("key")]);
    for index in 1..20 {
        killed.ask(&format!("write {index}"), &format!("wrote {index}"));
        reader.ask(&format!("read {index}"), &format!("ok {index}"));
        check(&mut own, index);
    }
    // It dies inside a grain.
    killed.ask("begin 20", "begun 20");
    let lease = own.lease(GrainIndex(20)).unwrap();
    stopped.ask("write 1", "wrote 1");
    check(&mut of_stopped, 1);
    stopped.signal(Signal::STOP);
    killed.kill();
    assert_eq!(stage.event(), FlowEvent::Removed { name: name("gfx") });
    reader.ask("gone", "gone");
    assert_eq!(lease.state().unwrap().slices, 1);
    assert!(lease.copy_lines(0..1, &mut [0; 40]).is_ok());
    for index in 1..40 {
        worker.write(index);
        honest.ask(&format!("read {index}"), &format!("ok {index}"));
    }
    // The stopped one is asked, does not answer, and keeps its flow.
    let silent = stage.broker.subscribe(&name("key"), leased(1));
    assert!(matches!(silent, Err(SubscribeError::Refused(Refusal::WriterSilent { .. }))), "{silent:?}");
    stopped.signal(Signal::CONT);
    until("the seat comes free", || stage.consumers("key").len() == 1);
    let mut late = Pod::consumer(&stage, "key", 1);
    stopped.ask("write 2", "wrote 2");
    late.ask("read 2", "ok 2");
    check(&mut of_stopped, 2);
    // The dead one's name is free.
    let mut again = Pod::producer(&stage, "gfx");
    let uid = rustix::process::geteuid().as_raw();
    let origin = stage.broker.flows().iter().find(|flow| flow.name.as_str() == "gfx").map(|flow| flow.origin);
    assert_eq!(origin, Some(FlowOrigin::Pod { uid, pid: Some(again.pid()) }));
    for pod in [&mut honest, &mut late, &mut reader, &mut again, &mut stopped] {
        pod.leave();
    }
    until("all seats come free", || stage.consumers("cam").is_empty());
    let accounts = worker.accounts();
    assert_eq!((accounts.leased, accounts.quarantined), (0, 0));
}
