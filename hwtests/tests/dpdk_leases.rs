//! Every slot of a ring comes back: after a queue that nobody empties, a port that stops with packets in flight, queues that drop
//! with them. Each test runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::sync::Arc;

use dpdk::payload::retired_leases;
use hwtests::isolated::{self, Isolated};
use hwtests::namespace::Link;
use hwtests::passage::{PORT, Passage, STUCK};
use hwtests::port_bench::small_eal;
use hwtests::{Namespace, Netdev, eventually, netdev, road};
use media::Clock;

/// Nobody reads the ring: it fills, the grain passes its lateness bound, the other sender goes on; then all recover.
#[test]
fn a_stuck_queue_is_late_for_its_own_sender_only() {
    isolated::run("a_stuck_queue_is_late_for_its_own_sender_only", || {
        let mut passage = Passage::open(&small_eal(192).unwrap(), &["net_ring"]).unwrap();
        passage.flows().unwrap();
        passage.is_shut.set(true);
        let others = passage.turning.output_counters()[1].clone();
        let before = others.packets.value();
        // A few pictures longer and the ring would evict the sender, which holds what is in flight.
        (0..STUCK).for_each(|_| _ = passage.play());
        assert_eq!(passage.sender.evictions.value(), 0);
        let per_picture = u64::from(road::plan().packets_per_frame());
        assert!(others.packets.value() - before >= u64::from(STUCK - 1) * per_picture, "the other sender went on");
        let sender = Arc::clone(&passage.sender);
        assert!(sender.grains_late.value() > 0 && sender.packets_skipped_late.value() > 0, "{:?}", sender.values());
        assert!(sender.queue_full.value() > 0 && sender.packets_taken_back.value() > 0, "{:?}", sender.values());
        assert!(passage.ports[0].counters.tx.queue_full.value() > 0);
        assert!(passage.leased() > 0, "what is in the ring is leased");
        passage.is_shut.set(false);
        passage.flows().unwrap();
        assert!(
            passage.receiver.packets_lost.value() > 0,
            "what was skipped is a loss: {:?}",
            passage.receiver.values()
        );
        passage.accounts().unwrap();
    })
    .unwrap();
}

#[test]
fn a_port_that_stops_with_packets_in_flight_gives_every_slot_back() {
    isolated::run("a_port_that_stops_with_packets_in_flight_gives_every_slot_back", || {
        let mut passage = Passage::open(&small_eal(192).unwrap(), &["net_ring"]).unwrap();
        for _ in 0..3 {
            passage.flows().unwrap();
            passage.is_shut.set(true);
            passage.play();
            assert!(passage.leased() > 0, "in flight");
            let mut queues = passage.turning.detach(PORT).unwrap();
            let rx = &mut queues.rx.as_mut().unwrap().rx;
            let stopped = passage.ports[0].stop(&mut queues.tx, rx).unwrap();
            passage.play();
            let rx = &mut queues.rx.as_mut().unwrap().rx;
            passage.ports[0].start(stopped, &mut queues.tx, rx).unwrap();
            passage.turning.attach(PORT, queues).unwrap();
            passage.accounts().unwrap();
            passage.is_shut.set(false);
        }
        passage.flows().unwrap();
        passage.accounts().unwrap();
    })
    .unwrap();
}

/// The worker, its queues and its port go while the ring is full.
#[test]
fn queues_that_drop_with_packets_in_flight_give_every_slot_back() {
    isolated::run("queues_that_drop_with_packets_in_flight_give_every_slot_back", || {
        let mut passage = Passage::open(&small_eal(192).unwrap(), &["net_ring"]).unwrap();
        passage.flows().unwrap();
        passage.is_shut.set(true);
        (0..3).for_each(|_| _ = passage.play());
        assert!(passage.leased() > 0, "in flight");
        let Passage { turning, ports, mut near, road, clock, .. } = passage;
        drop(turning);
        assert!(retired_leases() > 0, "the ring still refers to them");
        drop(ports);
        assert_eq!(retired_leases(), 0);
        eventually("the readers are gone", || {
            near.poll(clock.now());
            road.broker().flows().iter().all(|flow| flow.name.to_string() != "near" || flow.consumers.is_empty())
        });
        let accounts = near.slot_accounts();
        assert_eq!((accounts.leased, accounts.quarantined), (0, 0), "{accounts:?}");
    })
    .unwrap();
}

/// The sender's port stops and starts in the middle of a picture; the receiver's runs on.
#[test]
fn af_packet_stops_in_the_middle_of_a_picture() {
    let wire = |space: &Namespace| {
        let near = Netdev { namespace: space, name: "near" };
        netdev::wire(near, Link { namespace: space, interface: "far", addresses: &[] }, 1_500)
    };
    let test = Isolated::new("af_packet_stops_in_the_middle_of_a_picture");
    test.in_namespace("leases", wire, stop_in_the_middle).unwrap();
}

fn stop_in_the_middle() {
    let mut passage = Passage::open(&small_eal(256).unwrap(), &["net_af_packet:near", "net_af_packet:far"]).unwrap();
    let mut spare = passage.spare.take().unwrap();
    for round in 1..4 {
        passage.flows().unwrap();
        passage.write();
        passage.pass(30);
        assert!(passage.leased() > 0, "in the middle");
        let skipped = passage.sender.packets_skipped_gone.value();
        let mut queues = passage.turning.detach(PORT).unwrap();
        assert!(passage.sender.packets_skipped_gone.value() > skipped, "round {round}: {:?}", passage.sender.values());
        let stopped = passage.ports[0].stop(&mut queues.tx, &mut spare).unwrap();
        passage.play();
        passage.ports[0].start(stopped, &mut queues.tx, &mut spare).unwrap();
        eventually("the link is up", || passage.ports[0].port().link().up);
        passage.turning.attach(PORT, queues).unwrap();
        passage.accounts().unwrap();
    }
    passage.flows().unwrap();
    passage.accounts().unwrap();
}
