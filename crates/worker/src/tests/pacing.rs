//! What a sender bunches, whatever keeps it from its turns; and who has a queue that has little room.

use std::sync::Arc;

use media::Clock;
use netio::sim::{Faults, SimRx, SimRxConfig};
use netio::{Burst, PacketBuf, RxQueue};
use st2110::{PackingMode, PackingPlan, ReadSchedule, Schedule, SenderType, UdpLimit};

use super::devices::Drag;
use super::studio::{Receiving, Studio, tall};
use crate::counters::SenderCounters;
use crate::sender::{Lateness, SenderConfig, SenderTiming, Source};

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A camera's receiver and a sender of it, as `change` makes its source.
fn road(studio: &mut Studio, change: impl FnOnce(Source) -> Source) -> (Receiving, Receiving, Arc<SenderCounters>) {
    let mut near = studio.receive(tall(), 16);
    let far = studio.receive(tall(), 16);
    let (key, counters) = studio.sender(far.destination, SenderTiming::Source);
    studio.connect_with(key, &mut near, 4, change);
    (near, far, counters)
}

/// Packets that a turn makes, after `nanos` without one.
fn made(studio: &mut Studio, counters: &SenderCounters, nanos: i64) -> u64 {
    let before = counters.packets.value();
    studio.clock.advance_nanos(nanos);
    studio.worker.turn();
    counters.packets.value() - before
}

#[test]
fn a_pause_is_made_up_for_in_bunches_of_c_max() {
    for (sender_type, c_max) in [(SenderType::N, 4), (SenderType::NL, 4), (SenderType::W, 16)] {
        let mut studio = Studio::new(1, Faults::default());
        let (near, far, counters) = road(&mut studio, |source| source.of_type(sender_type));
        let mut camera = studio.camera(&near, 1);
        camera.send(0, 0);
        studio.pass(1_000_000);
        assert!(made(&mut studio, &counters, FRAME / 2) <= c_max);
        let at_once = made(&mut studio, &counters, FRAME / 4);
        assert_eq!((at_once, made(&mut studio, &counters, 0)), (c_max, 0), "{sender_type}: half a frame is due");
        studio.pass(3 * FRAME / 2);
        assert_eq!(far.counters.grains_complete.value(), 1, "{:?}", counters.values());
        assert_eq!((counters.bunched_largest.value(), counters.c_max.value()), (c_max, c_max));
        assert_eq!((counters.packets_over_c_max.value(), counters.grains_late.value()), (0, 0));
    }
}

/// The most packets in the network compatibility model of ST 2110-21 §7.1, of packets of [`tall`] as they came: one leaves at
/// each tick of T_FRAME / (1.1 × N_PACKETS).
fn most_in_the_network(rx: &mut SimRx) -> u64 {
    let ticks_per_frame = i128::from(packets_of_tall()) * 11;
    let tick = |nanos: i64| i128::from(nanos) * ticks_per_frame / (10 * i128::from(FRAME));
    let (mut level, mut most, mut last) = (0_i128, 0, 0);
    let mut burst = Burst::new();
    while rx.rx_burst(&mut burst) > 0 {
        for packet in burst.drain() {
            let at = tick(packet.meta().arrival.as_nanos());
            level = (level - (at - last)).max(0) + 1;
            (most, last) = (most.max(level), at);
        }
    }
    most as u64
}

fn packets_of_tall() -> u32 {
    PackingPlan::new(tall(), PackingMode::Bpm, UdpLimit::Standard).unwrap().packets_per_frame()
}

/// Every other turn is held up by `drag`. Seen from the wire and by the sender itself: no more than C_MAX.
fn turns_of_uneven_length(drag: impl Fn(&Studio) -> &Drag) {
    let mut studio = Studio::new(1, Faults::default());
    let mut near = studio.receive(tall(), 16);
    let destination = studio.address();
    let mut far = studio.net.open_rx(SimRxConfig::of(destination));
    let (key, counters) = studio.sender(destination, SenderTiming::Source);
    studio.connect_with(key, &mut near, 4, |source| source.of_type(SenderType::N));
    studio.camera(&near, 1).send(0, 0);
    studio.pass(1_000_000);
    studio.clock.advance_nanos(FRAME / 2);
    let until = studio.clock.now().plus_nanos(FRAME);
    while studio.clock.now() < until {
        for nanos in [900_000, 0] {
            drag(&studio).set(nanos);
            studio.clock.advance_nanos(20_000);
            studio.worker.turn();
        }
    }
    assert!(counters.packets.value() > 60, "{:?}", counters.values());
    assert_eq!((most_in_the_network(&mut far), counters.bunched_largest.value()), (4, 4));
    assert!(counters.packets_late_to_10ms.value() + counters.packets_late_to_100ms.value() > 60);
}

/// The time that a turn receives for has passed when it sends.
#[test]
fn a_turn_that_receives_for_long_bunches_no_more_than_c_max() {
    turns_of_uneven_length(|studio| &studio.rx_drag);
}

/// What a queue took in the end has not drained since it was offered.
#[test]
fn a_queue_that_takes_long_bunches_no_more_than_c_max() {
    turns_of_uneven_length(|studio| &studio.tx_drag);
}

/// What a queue takes late, it takes in bunches too: of what waits for it, not of what was due.
#[test]
fn a_queue_that_was_stuck_gets_no_more_than_c_max_at_once() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let (near, far, counters) = road(&mut studio, |source| source.of_type(SenderType::N));
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].shut();
    camera.send(0, 0);
    studio.pass(FRAME / 2);
    assert_eq!(counters.packets.value(), 4, "more were made than may go at once");
    studio.valves[0].open();
    studio.pass(3 * FRAME / 2);
    assert_eq!(far.counters.grains_complete.value(), 1, "{:?}", counters.values());
    assert_eq!((counters.bunched_largest.value(), counters.packets_over_c_max.value()), (4, 0));
}

#[test]
fn a_sender_tells_how_late_it_was_and_what_it_bunched() {
    let mut studio = Studio::new(1, Faults::default());
    let (near, _far, counters) = road(&mut studio, |source| source);
    let mut camera = studio.camera(&near, 1);
    camera.send(0, 0);
    studio.pass(FRAME);
    // Turns come every 50 µs.
    let sent = counters.packets.value();
    let on_time = counters.packets_late_to_10us.value() + counters.packets_late_to_100us.value();
    assert_eq!((on_time, counters.packets_early.value()), (sent, 0), "{:?}", counters.values());
    camera.send(1, TICKS);
    studio.pass(100_000);
    studio.clock.advance_nanos(5_000_000);
    studio.pass(FRAME);
    assert!(counters.packets_late_to_10ms.value() > 0, "{:?}", counters.values());
    assert_eq!(counters.packets_late_to_100ms.value(), 0);
}

#[test]
fn an_unpaced_sender_sends_all_at_once_and_says_what_that_bunches() {
    let mut studio = Studio::new(1, Faults::default());
    let (near, far, counters) = road(&mut studio, Source::unpaced);
    studio.camera(&near, 1).send(0, 0);
    studio.worker.turn();
    studio.worker.turn();
    let all = counters.packets.value();
    assert!(all > 16 && counters.grains_sent.value() == 1, "{:?}", counters.values());
    assert_eq!(counters.bunched_largest.value(), all);
    assert_eq!(counters.packets_over_c_max.value(), all - 16);
    studio.pass(1_000_000);
    assert_eq!(far.counters.grains_complete.value(), 1);
}

/// A queue that takes a packet now and then: two senders that always have something get half of it each.
#[test]
fn a_queue_with_little_room_is_shared() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let mut near = studio.receive(tall(), 16);
    let counters = [1, 2].map(|_| {
        let far = studio.receive(tall(), 16);
        let patient = |config: &mut SenderConfig| config.lateness = Lateness::Frames(100);
        let (key, counters) = studio.sender_with(far.destination, SenderTiming::Source, patient);
        studio.connect_with(key, &mut near, 8, Source::unpaced);
        counters
    });
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].shut();
    camera.send(0, 0);
    studio.pass(FRAME / 10);
    for _ in 0..20 {
        studio.valves[0].pass(3);
        studio.worker.turn();
    }
    let sent = counters.each_ref().map(|counters| counters.packets.value() - 32);
    let all = studio.outputs[0].packets.value();
    assert_eq!(all, 60);
    assert!(sent[0].abs_diff(sent[1]) <= 3, "{sent:?} of {all}");
}

/// Otherwise the last packets of a picture would stay until the next one wakes the worker.
#[test]
fn what_waits_for_a_queue_keeps_its_worker_from_sleeping_long() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let (near, far, counters) = road(&mut studio, |source| source);
    let patience = |studio: &mut Studio| studio.worker.turn().due_in_nanos;
    let mut camera = studio.camera(&near, 1);
    camera.send(0, 0);
    studio.pass(FRAME - 1_000_000);
    assert_eq!((counters.grains_sent.value(), patience(&mut studio)), (1, None), "{:?}", counters.values());
    camera.send(1, TICKS);
    studio.valves[0].shut();
    studio.pass(FRAME / 10);
    assert!(patience(&mut studio).is_some_and(|nanos| nanos <= 100_000));
    studio.valves[0].open();
    studio.pass(FRAME);
    assert_eq!((far.counters.grains_complete.value(), patience(&mut studio)), (2, None), "{:?}", far.counters.values());
}

/// It may never be known; others are not to be kept awake for it.
#[test]
fn a_next_hop_that_is_not_known_keeps_no_worker_from_sleeping() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let (near, far, counters) = road(&mut studio, |source| source);
    studio.valves[0].unresolve();
    studio.camera(&near, 1).send(0, 0);
    studio.pass(FRAME / 4);
    assert_eq!((studio.worker.turn().due_in_nanos, counters.unresolved.value() > 0), (None, true));
    studio.valves[0].open();
    studio.pass(2 * FRAME);
    assert_eq!(far.counters.grains_complete.value(), 1);
}

/// How many packets of a picture were told more than 10 ms late, and how many less: it has lines before and, if so, behind some
/// that are lost, and goes at once when the first are that late, and the others are not.
fn told_late(has_lines_behind: bool) -> (u64, u64) {
    let mut studio = Studio::new(1, Faults::default());
    let (near, _far, counters) = road(&mut studio, |source| source.of_type(SenderType::W));
    let mut camera = studio.camera(&near, 1);
    camera.send_some(0, 0, |packet| {
        packet < 8 || (76..84).contains(&packet) || has_lines_behind && (88..96).contains(&packet)
    });
    studio.worker.turn();
    let t_vd = studio.clock.now();
    let schedule = Schedule::new(&tall(), packets_of_tall(), ReadSchedule::Gapped);
    // The camera cuts its pictures into other packets than the sender.
    let between_both = 86 * packets_of_tall() / camera.packets();
    let between = schedule.at(between_both, t_vd).plus_nanos(10_000_000).nanos_since(t_vd);
    studio.pass(between);
    // The next picture has the lines declared lost.
    camera.send(1, TICKS);
    for _ in 0..20 {
        studio.worker.turn();
    }
    (counters.packets_late_to_100ms.value(), counters.packets_late_to_10ms.value())
}

#[test]
fn packets_behind_lost_lines_are_told_as_late_as_they_are() {
    let (before, none) = told_late(false);
    let (late, less_late) = told_late(true);
    assert!((1..=8).contains(&before) && none == 0, "{before} {none}");
    assert!(late == before && (1..=8).contains(&less_late), "{late} of {before}, and {less_late}");
}
