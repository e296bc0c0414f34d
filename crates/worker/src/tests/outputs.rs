//! Several transmit queues on one worker: what one of them does is its senders' business alone.

use std::sync::Arc;

use netio::sim::Faults;

use super::studio::{Command, Receiving, Report, Studio, drain, format, picture};
use crate::counters::SenderCounters;
use crate::key::{OutputIndex, SenderKey};
use crate::refusal::SenderRefusal;
use crate::sender::{Lateness, Sender, SenderConfig, SenderTiming};

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A sender of `near` by output `output`, and the far end that receives it.
fn road(studio: &mut Studio, near: &mut Receiving, output: u8) -> (Receiving, SenderKey, Arc<SenderCounters>) {
    let far = studio.receive(format(25), 16);
    let by = |config: &mut SenderConfig| config.output = OutputIndex(output);
    let (key, counters) = studio.sender_with(far.destination, SenderTiming::Source, by);
    studio.connect(key, near, 4);
    (far, key, counters)
}

#[test]
fn a_stuck_queue_delays_nobody_else_and_holds_no_grain_beyond_its_bound() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let mut near = studio.receive(format(25), 16);
    let (stuck, _, stuck_counters) = road(&mut studio, &mut near, 0);
    let (mut free, _, free_counters) = road(&mut studio, &mut near, 1);
    let mut reader = studio.reader(&mut free, 12);
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].shut();
    for number in 0..8 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(2 * FRAME);
    let pictures: Vec<_> = drain(&mut reader).into_iter().map(|(octets, _)| octets).collect();
    assert!(pictures == (0..8).map(|number| picture(&free.format, number)).collect::<Vec<_>>());
    assert_eq!(free_counters.grains_sent.value(), 8);

    let counters = &stuck_counters;
    assert_eq!(stuck.counters.packets.value(), 0);
    assert_eq!(counters.packets.value(), counters.packets_taken_back.value(), "{:?}", counters.values());
    // The first grain fits the burst; each further one finds it full or taken back.
    assert!(counters.grains_late.value() >= 3, "{:?}", counters.values());
    let slots = near.writer.slot_accounts();
    assert_eq!((slots.leased, slots.quarantined), (0, 0), "every lease has ended");
    assert_eq!(counters.evictions.value(), 0);

    // It flows again: so does the next grain, whole.
    studio.valves[0].open();
    camera.send(8, 8 * TICKS);
    studio.pass(2 * FRAME);
    assert_eq!(stuck.counters.grains_complete.value(), 1, "{:?}", stuck.counters.values());
    let outputs: Vec<_> = studio.outputs.iter().map(|output| output.packets.value()).collect();
    let a_grain = free_counters.packets.value() / 9;
    assert_eq!(outputs, [a_grain, 9 * a_grain]);
    assert_eq!(studio.worker.counters().tx_packets.value(), 10 * a_grain, "the sum of both");
}

/// Nothing of what the others tell (lateness in its steps, what is bunched, misses) shows that one of the queues is stuck.
#[test]
fn a_stuck_queue_is_not_seen_by_other_senders() {
    let told = |is_stuck: bool| {
        let mut studio = Studio::with_outputs(1, Faults::default(), 2);
        let mut near = studio.receive(format(25), 16);
        let _stuck = road(&mut studio, &mut near, 0);
        let free: Vec<_> = (0..3).map(|_| road(&mut studio, &mut near, 1)).collect();
        let mut camera = studio.camera(&near, 1);
        if is_stuck {
            studio.valves[0].shut();
        }
        for number in 0..4 {
            camera.send(number, number * TICKS);
            studio.pass(FRAME);
        }
        studio.pass(2 * FRAME);
        free.iter().map(|(_, _, counters)| counters.values()).collect::<Vec<_>>()
    };
    let undisturbed = told(false);
    let sent = |told: &[(&str, u64)]| told.iter().any(|(name, value)| *name == "grains_sent" && *value == 4);
    assert!(undisturbed.iter().all(|one| sent(one)), "{undisturbed:?}");
    assert_eq!(told(true), undisturbed);
}

#[test]
fn a_stuck_queue_keeps_no_request_waiting_for_ever() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let mut near = studio.receive(format(25), 16);
    let (_far, key, counters) = road(&mut studio, &mut near, 0);
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].shut();
    camera.send(0, 0);
    studio.pass(FRAME / 2);
    let made = counters.packets.value();
    assert!(made > 0);
    let Report::SenderRemoved(sender) = studio.ask(Command::RemoveSender(key)) else { panic!("not removed") };
    drop(sender);
    assert_eq!(counters.packets_taken_back.value(), made);
    // The path is closed and nobody's packet is left on it.
    studio.valves[0].open();
    studio.pass(FRAME);
    assert_eq!((studio.outputs[0].packets.value(), studio.outputs[0].errors.value()), (0, 0));
}

#[test]
fn two_senders_of_a_stuck_queue_each_keep_to_their_own_bound() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let mut near = studio.receive(format(25), 16);
    let (_, _, hasty) = road(&mut studio, &mut near, 0);
    let far = studio.receive(format(25), 16);
    let patient = |config: &mut SenderConfig| config.lateness = Lateness::Frames(10);
    let (key, patient) = studio.sender_with(far.destination, SenderTiming::Source, patient);
    studio.connect(key, &mut near, 8);
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].shut();
    camera.send(0, 0);
    studio.pass(5 * FRAME);
    assert_eq!((hasty.grains_late.value(), patient.grains_late.value()), (1, 0));
    assert!(hasty.packets_taken_back.value() > 0);
    studio.valves[0].open();
    studio.pass(FRAME);
    assert_eq!(far.counters.grains_complete.value(), 1, "{:?}", far.counters.values());
    assert_eq!(patient.packets_taken_back.value(), 0);
}

/// The bound counts from the end of the grain's own period.
#[test]
fn a_lateness_in_milliseconds_is_kept_whatever_the_rate() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let mut near = studio.receive(format(25), 16);
    let senders = [Lateness::Ms(20), Lateness::Ms(70), Lateness::Frames(1)].map(|lateness| {
        let far = studio.receive(format(25), 16);
        let change = |config: &mut SenderConfig| config.lateness = lateness;
        let (key, counters) = studio.sender_with(far.destination, SenderTiming::Source, change);
        studio.connect(key, &mut near, 4);
        counters
    });
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].shut();
    camera.send(0, 0);
    let late = |counters: &[Arc<SenderCounters>; 3]| counters.each_ref().map(|one| one.grains_late.value());
    for (passed, expected) in
        [(59, [0, 0, 0]), (2, [1, 0, 0]), (18, [1, 0, 0]), (2, [1, 0, 1]), (28, [1, 0, 1]), (2, [1, 1, 1])]
    {
        studio.pass(passed * 1_000_000);
        assert_eq!(late(&senders), expected);
    }
}

#[test]
fn a_next_hop_that_does_not_answer_costs_its_own_sender_only() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let mut near = studio.receive(format(25), 16);
    let (mute, _, mute_counters) = road(&mut studio, &mut near, 0);
    let (heard, _, heard_counters) = road(&mut studio, &mut near, 1);
    let mut camera = studio.camera(&near, 1);
    studio.valves[0].unresolve();
    for number in 0..4 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.valves[0].open();
    for number in 4..8 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(FRAME);
    assert_eq!((heard.counters.grains_complete.value(), heard_counters.unresolved.value()), (8, 0));
    assert!(mute_counters.grains_late.value() >= 1, "{:?}", mute_counters.values());
    assert!(mute_counters.unresolved.value() > 0);
    assert!(mute.counters.grains_complete.value() >= 4, "{:?}", mute.counters.values());
    // Every number that was given to a packet is on the wire or was skipped with its grain: none was given twice.
    assert_eq!(mute.counters.duplicates.value(), 0);
    assert_eq!(near.writer.slot_accounts().leased, 0);
}

#[test]
fn a_sender_by_an_output_that_is_not_there_is_refused() {
    let mut studio = Studio::new(1, Faults::default());
    let far = studio.receive(format(25), 16);
    let (key, _) = studio.sender(far.destination, SenderTiming::Source);
    let Report::SenderRemoved(sender) = studio.ask(Command::RemoveSender(key)) else { panic!("not removed") };
    let config = SenderConfig { output: OutputIndex(1), ..sender.config().clone() };
    let report = studio.ask(Command::AddSender(Box::new(Sender::new(SenderKey(77), config))));
    assert!(matches!(report, Report::SenderRefused(_, SenderRefusal::NoOutput)));
}
