//! One sender, two legs (ST 2022-7): the same packets, and each leg's troubles its own.

use std::sync::Arc;

use netio::Path;
use netio::sim::{Faults, SimTxConfig};

use super::studio::{Command, Receiving, Report, Studio, drain, format, picture};
use crate::counters::{LegCounters, SenderCounters};
use crate::key::{OutputIndex, SenderKey};
use crate::sender::{Lateness, Sender, SenderConfig, SenderTiming};

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A sender of a camera's pictures by two outputs, each to a receiver of its own.
struct Roads {
    near: Receiving,
    far: [Receiving; 2],
    key: SenderKey,
    counters: Arc<SenderCounters>,
    legs: Vec<Arc<LegCounters>>,
}

fn roads(studio: &mut Studio) -> Roads {
    roads_with(studio, |_| {})
}

fn roads_with(studio: &mut Studio, change: impl FnOnce(&mut SenderConfig)) -> Roads {
    let mut near = studio.receive(format(25), 16);
    let far = [1, 2].map(|_| studio.receive(format(25), 16));
    let (one, _) = studio.sender_with(far[0].destination, SenderTiming::Source, change);
    let Report::SenderRemoved(one) = studio.ask(Command::RemoveSender(one)) else { panic!("not removed") };
    let key = SenderKey(900);
    let sender = Sender::new(key, one.config().clone()).with_second_leg(Path::to(far[1].destination), OutputIndex(1));
    let (counters, legs) = (sender.counters(), sender.leg_counters());
    assert!(matches!(studio.ask(Command::AddSender(Box::new(sender))), Report::Added));
    // As many leases as the gateway gives a sender.
    studio.connect(key, &mut near, 3);
    Roads { near, far, key, counters, legs }
}

#[test]
fn both_legs_carry_the_same_and_the_grain_is_held_once() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let mut roads = roads(&mut studio);
    let mut readers = roads.far.each_mut().map(|far| studio.reader(far, 8));
    let mut camera = studio.camera(&roads.near, 1);
    for number in 0..5 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(FRAME);
    for reader in &mut readers {
        let seen: Vec<_> = drain(reader).into_iter().map(|(octets, _)| octets).collect();
        assert!(seen == (0..5).map(|number| picture(&roads.near.format, number)).collect::<Vec<_>>());
    }
    let packets = roads.legs[0].packets.value();
    assert_eq!((roads.legs[1].packets.value(), roads.counters.packets.value()), (packets, 2 * packets));
    assert_eq!(roads.counters.grains_sent.value(), 5);
    assert_eq!(roads.near.writer.slot_accounts().leased, 0, "every lease has ended");
}

#[test]
fn a_stuck_leg_loses_its_own_packets_only() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let mut roads = roads(&mut studio);
    let mut reader = studio.reader(&mut roads.far[1], 12);
    let mut camera = studio.camera(&roads.near, 1);
    studio.valves[0].shut();
    for number in 0..8 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(2 * FRAME);
    let seen: Vec<_> = drain(&mut reader).into_iter().map(|(octets, lost)| (octets, lost.len())).collect();
    assert!(seen == (0..8).map(|number| (picture(&roads.near.format, number), 0)).collect::<Vec<_>>());
    assert_eq!((roads.far[1].counters.packets_lost.value(), roads.legs[1].packets_skipped_late.value()), (0, 0));
    assert_eq!(roads.legs[1].packets_taken_back.value(), 0);
    assert_eq!(roads.far[0].counters.packets.value(), 0);
    assert!(roads.legs[0].packets_skipped_late.value() > 0 && roads.legs[0].queue_full.value() > 0);
    assert_eq!(roads.near.writer.slot_accounts().leased, 0, "what the stuck leg held has ended");

    // It flows again, in step with the other.
    studio.valves[0].open();
    camera.send(8, 8 * TICKS);
    studio.pass(2 * FRAME);
    assert_eq!(roads.far[0].counters.grains_complete.value(), 1, "{:?}", roads.far[0].counters.values());
    assert_eq!(roads.far[1].counters.grains_complete.value(), 9);
}

#[test]
fn a_leg_without_a_next_hop_and_a_sender_that_leaves_hold_nothing() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let roads = roads(&mut studio);
    let mut camera = studio.camera(&roads.near, 1);
    studio.valves[1].unresolve();
    for number in 0..3 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    assert!(roads.legs[1].unresolved.value() > 0 && roads.legs[0].unresolved.value() == 0);
    camera.send(3, 3 * TICKS);
    studio.pass(FRAME / 3);
    let Report::SenderRemoved(sender) = studio.ask(Command::RemoveSender(roads.key)) else { panic!("not removed") };
    drop(sender);
    studio.pass(FRAME);
    assert_eq!(roads.near.writer.slot_accounts().leased, 0);
    assert!(roads.far[0].counters.grains_complete.value() >= 3, "{:?}", roads.far[0].counters.values());
}

#[test]
fn a_second_leg_by_an_output_that_is_not_there_opens_neither() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let roads = roads(&mut studio);
    let Report::SenderRemoved(sender) = studio.ask(Command::RemoveSender(roads.key)) else { panic!("not removed") };
    let config = sender.config().clone();
    for _ in 0..100 {
        let sender = Sender::new(SenderKey(901), config.clone())
            .with_second_leg(Path::to(roads.far[1].destination), OutputIndex(2));
        // More often than a queue has paths: none stays open.
        assert!(matches!(studio.ask(Command::AddSender(Box::new(sender))), Report::SenderRefused(..)));
    }
}

/// A stuck leg is at both grains that a sender may have on their way, and for the next one there is no place in the queue's
/// table: then that one is missed, and neither of the others given up for it.
#[test]
fn a_grain_that_cannot_be_attached_costs_no_other() {
    let device = SimTxConfig { queue_packets: 4096, payloads: 2, ..SimTxConfig::default() };
    let mut studio = Studio::with_devices(1, Faults::default(), 2, device);
    let roads = roads_with(&mut studio, |config| config.lateness = Lateness::Frames(100));
    let mut camera = studio.camera(&roads.near, 1);
    studio.valves[0].shut();
    for number in 0..3 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    assert_eq!((roads.counters.grains_missed.value(), roads.counters.queue_full.value() > 0), (1, true));
    studio.valves[0].open();
    studio.pass(4 * FRAME);
    for far in &roads.far {
        assert_eq!((far.counters.grains_complete.value(), far.counters.grains_incomplete.value()), (2, 0));
    }
    assert_eq!(roads.counters.grains_late.value(), 0);
}

/// A device that stands still keeps a packet, and so a lease beside those of the two grains at which its leg is. The other leg
/// has its next grain all the same, though the stuck one's are not late for long.
#[test]
fn a_device_that_keeps_a_lease_holds_up_its_own_leg_only() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let roads = roads_with(&mut studio, |config| config.lateness = Lateness::Frames(100));
    let mut camera = studio.camera(&roads.near, 1);
    studio.valves[0].keep(1);
    for number in 0..3 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    let before = roads.legs[1].packets.value();
    camera.send(3, 3 * TICKS);
    studio.pass(FRAME / 2);
    assert!(roads.legs[1].packets.value() > before, "the leg waits for the other");
    // It comes back before the ring needs the slot.
    studio.valves[0].keep(0);
    studio.pass(FRAME / 2);
    for number in 4..8 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(FRAME);
    let far = &roads.far[1].counters;
    assert_eq!((far.grains_complete.value(), far.packets_lost.value()), (8, 0), "{:?}", far.values());
    assert_eq!((roads.counters.grains_missed.value(), roads.counters.evictions.value()), (0, 0));
    assert_eq!(roads.legs[1].packets_skipped_late.value(), 0);
}

/// Where all leases stay with the devices, the reader is evicted; the grain that it had no lease for is missed once, however
/// often it was asked for.
#[test]
fn a_grain_without_a_lease_is_missed_once() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let roads = roads(&mut studio);
    let mut camera = studio.camera(&roads.near, 1);
    studio.valves.iter().for_each(|valve| valve.keep(u32::MAX));
    for number in 0..6 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    assert_eq!((roads.counters.grains_missed.value(), roads.counters.evictions.value()), (1, 1));
}
