//! A receiver and a sender that go over to another worker.

use std::ops::Range;

use netio::sim::Faults;

use super::studio::{Camera, Command, Receiving, Report, Studio, drain, format, picture};
use crate::key::OutputIndex;
use crate::sender::SenderTiming;
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A receiver on a socket of its own, with the leg that it hears.
fn receive(studio: &mut Studio) -> (Leg, Receiving) {
    let destination = studio.address();
    let leg = studio.socket(destination);
    let (receiver, receiving) = studio.receiver(&[leg], format(25), 16, |_| {});
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    (leg, receiving)
}

/// Sends some packets of the second grain, one after the other in sequence.
fn send(camera: &mut Camera, packets: Range<u32>) {
    for packet in packets {
        let datagram = camera.datagram(1, TICKS, packet);
        camera.send_raw(&datagram);
    }
}

/// Takes a receiver and its socket along to another worker; `meanwhile` nobody serves it.
fn change_worker(studio: &mut Studio, leg: Leg, receiving: &Receiving, meanwhile: impl FnOnce()) {
    let Report::ReceiverRemoved(receiver) = studio.ask(Command::ReleaseReceiver(receiving.key)) else {
        panic!("not released")
    };
    let Report::InputRemoved(input) = studio.ask(Command::RemoveInput(leg.input)) else { panic!("not removed") };
    studio.change_worker();
    meanwhile();
    assert!(matches!(studio.ask(Command::AddInput(input)), Report::Added));
    assert!(matches!(studio.ask(Command::AddReceiver(receiver)), Report::Added));
}

#[test]
fn a_receiver_changes_its_worker_in_the_middle_of_a_grain_without_losing_a_packet() {
    // Packets come in another order than sent, so that some wait in the reorder window when it moves.
    let faults = Faults { reorder_per_mille: 300, ..Faults::default() };
    let mut studio = Studio::new(3, faults);
    let (leg, mut receiving) = receive(&mut studio);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    camera.send(0, 0);
    studio.pass(FRAME);
    let half = camera.packets() / 2;
    let most = half + camera.packets() / 4;
    send(&mut camera, 0..half);
    studio.pass(1_000_000);
    change_worker(&mut studio, leg, &receiving, || send(&mut camera, half..most));
    let packets = camera.packets();
    send(&mut camera, most..packets);
    studio.pass(FRAME);
    camera.send(2, 2 * TICKS);
    studio.pass(FRAME);
    let grains: Vec<_> = drain(&mut reader).into_iter().map(|(octets, _)| octets).collect();
    assert!(grains == (0..3).map(|number| picture(&receiving.format, number)).collect::<Vec<_>>());
    let counters = &receiving.counters;
    let lost = [&counters.packets_lost, &counters.lines_lost, &counters.grains_incomplete].map(netio::Counter::value);
    assert_eq!((lost, counters.grains_complete.value()), ([0; 3], 3));
}

#[test]
fn a_sender_changes_its_worker_between_two_grains_with_its_sequence_unbroken() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let mut near = studio.receive(format(25), 16);
    let mut far = studio.receive(format(25), 16);
    let (key, counters) = studio.sender(far.destination, SenderTiming::Source);
    studio.connect(key, &mut near, 4);
    let mut reader = studio.reader(&mut far, 12);
    let mut camera = studio.camera(&near, 1);
    let (mut other, mailbox) = studio.another_worker();
    let mut ask_other = |command| {
        assert!(mailbox.send(command).is_ok());
        other.turn();
        mailbox.report().unwrap()
    };
    for number in 0..3 {
        camera.send(number, number * TICKS);
        studio.pass(if number < 2 { FRAME } else { FRAME / 2 });
    }
    // In the middle of a grain: that one is sent to its end first.
    let Report::Disconnected(source) = studio.ask(Command::Connect(key, None)) else { panic!("not disconnected") };
    let Report::SenderRemoved(mut sender) = studio.ask(Command::RemoveSender(key)) else { panic!("not removed") };
    assert_eq!((counters.grains_sent.value(), counters.packets_skipped_gone.value()), (3, 0));
    // The other worker numbers its queues in another way.
    sender.set_outputs(OutputIndex(1), OutputIndex(0));
    assert!(matches!(ask_other(Command::AddSender(sender)), Report::Added));
    assert!(matches!(ask_other(Command::Connect(key, source)), Report::Disconnected(None)));
    for number in 3..6 {
        camera.send(number, number * TICKS);
        for _ in 0..FRAME / 50_000 {
            studio.pass(50_000);
            other.turn();
        }
    }
    studio.pass(FRAME);
    let sent: Vec<u64> = other.output_counters().iter().map(|output| output.packets.value()).collect();
    assert!(sent[0] == 0 && sent[1] > 0, "{sent:?}");
    let grains: Vec<_> = drain(&mut reader).into_iter().map(|(octets, _)| octets).collect();
    assert!(grains == (0..6).map(|number| picture(&near.format, number)).collect::<Vec<_>>(), "{}", grains.len());
    assert_eq!([&far.counters.packets_lost, &far.counters.sequence_restarts].map(netio::Counter::value), [0; 2]);
    assert_eq!(far.counters.ssrc_changes.value(), 0);
}
