//! A port that sends each packet at its own time: what it is told, and when.

use std::sync::Arc;

use media::{Clock, Tai};
use netio::sim::Faults;
use st2110::{PackingMode, PackingPlan, ReadSchedule, Schedule, SenderType, UdpLimit};

use super::studio::{NOON, Receiving, Studio, tall};
use crate::counters::SenderCounters;
use crate::sender::{SenderTiming, Source};

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;
const AHEAD: i64 = 250_000;

fn packets() -> u32 {
    PackingPlan::new(tall(), PackingMode::Bpm, UdpLimit::Standard).unwrap().packets_per_frame()
}

fn road(studio: &mut Studio, change: impl FnOnce(Source) -> Source) -> (Receiving, Receiving, Arc<SenderCounters>) {
    studio.valves[0].launch();
    let mut near = studio.receive(tall(), 16);
    let far = studio.receive(tall(), 16);
    let (key, counters) = studio.sender(far.destination, SenderTiming::Source);
    studio.connect_with(key, &mut near, 4, change);
    (near, far, counters)
}

/// The times, each handed over no earlier than the look-ahead before it, and never in the past.
fn times(studio: &Studio) -> Vec<Tai> {
    let told = studio.valves[0].launches();
    assert!(told.iter().all(|(now, at)| (0..=AHEAD).contains(&at.unwrap().nanos_since(*now))), "{told:?}");
    told.into_iter().map(|(_, at)| at.unwrap()).collect()
}

#[test]
fn packets_are_handed_over_ahead_under_their_times() {
    let mut studio = Studio::new(1, Faults::default());
    let (near, far, counters) = road(&mut studio, |source| source.of_type(SenderType::N));
    let mut camera = studio.camera(&near, 1);
    camera.send(0, 0);
    studio.worker.turn();
    let t_vd = studio.clock.now();
    studio.pass(FRAME);
    let schedule = Schedule::new(&tall(), packets(), ReadSchedule::Gapped);
    assert!(times(&studio) == (0..packets()).map(|n| schedule.at(n, t_vd)).collect::<Vec<_>>());
    assert_eq!((far.counters.grains_complete.value(), counters.packets_late_to_10us.value()), (1, packets().into()));
    assert_eq!((counters.bunched_largest.value(), counters.packets_over_c_max.value()), (1, 0));
    assert_eq!(counters.paced_by_port.value(), 1);
    // Between two hand-overs there is nothing to do for nearly the look-ahead.
    camera.send(1, TICKS);
    studio.pass(FRAME / 4);
    assert!(studio.worker.turn().due_in_nanos.is_some_and(|nanos| nanos > 0 && nanos <= AHEAD));
}

/// What is made up for after a pause follows at the rate at which the network drains, one after the other.
#[test]
fn a_pause_is_made_up_for_without_bunching() {
    let mut studio = Studio::new(1, Faults::default());
    let (near, far, counters) = road(&mut studio, |source| source.of_type(SenderType::N));
    studio.camera(&near, 1).send(0, 0);
    studio.pass(1_000_000);
    studio.clock.advance_nanos(FRAME / 2);
    studio.pass(3 * FRAME / 2);
    let times = times(&studio);
    let drain = FRAME * 10 / (11 * i64::from(packets()));
    assert!(times.windows(2).all(|pair| pair[1].nanos_since(pair[0]) >= drain), "{times:?}");
    assert_eq!((far.counters.grains_complete.value(), counters.bunched_largest.value()), (1, 1));
    assert!(counters.packets_late_to_100ms.value() > 10, "{:?}", counters.values());
}

/// The times that were given before it lie far ahead then; the sender does not wait for them.
#[test]
fn a_clock_that_steps_back_does_not_silence_a_port_that_paces() {
    let mut studio = Studio::new(1, Faults::default());
    let (near, _far, counters) = road(&mut studio, |source| source.of_type(SenderType::N));
    studio.camera(&near, 1).send(0, 0);
    studio.pass(2 * FRAME);
    let before = counters.grains_sent.value();
    studio.clock.set(NOON.plus_nanos(-3_600_000_000_000));
    // The simulated wire keeps its packets in order of time: what has sent before is silent for an hour.
    let mut camera = studio.camera(&near, 2);
    for number in 1..5 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    assert!(counters.grains_sent.value() >= before + 3, "{:?}", counters.values());
}

#[test]
fn an_unpaced_sender_leaves_the_time_to_the_port() {
    let mut studio = Studio::new(1, Faults::default());
    let (near, _far, counters) = road(&mut studio, Source::unpaced);
    studio.camera(&near, 1).send(0, 0);
    studio.pass(1_000_000);
    assert_eq!((counters.packets.value(), counters.paced_by_port.value()), (u64::from(packets()), 0));
    assert!(studio.valves[0].launches().iter().all(|(_, at)| at.is_none()));
}
