//! A port whose queues are taken away and given back.

use std::sync::Arc;

use netio::sim::Faults;

use super::studio::{Command, Receiving, Report, Studio, drain, format, picture};
use crate::counters::SenderCounters;
use crate::key::{InputKey, OutputIndex, SenderKey};
use crate::port::PortKey;
use crate::refusal::SenderRefusal;
use crate::sender::{Sender, SenderTiming};
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A port with a receiver (the far end of its own sender), and a camera's receiver elsewhere.
struct Restart {
    studio: Studio,
    port: PortKey,
    near: Receiving,
    far: Receiving,
    sender: SenderKey,
    counters: Arc<SenderCounters>,
}

fn restart(timing: SenderTiming) -> Restart {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let mut near = studio.receive(format(25), 16);
    let destination = studio.address();
    let (input, _) = studio.shared(&[destination], 4);
    let (receiver, far) = studio.receiver(&[Leg { input, destination }], format(25), 16, |_| {});
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    let (sender, counters) = studio.sender(far.destination, timing);
    studio.connect(sender, &mut near, 4);
    Restart { studio, port: PortKey { input: Some(input), output: OutputIndex(0) }, near, far, sender, counters }
}

#[test]
fn a_port_goes_on_after_a_restart_and_what_was_missed_is_counted() {
    for timing in [SenderTiming::Source, SenderTiming::Grid] {
        let Restart { mut studio, port, near, mut far, counters, .. } = restart(timing);
        let mut reader = studio.reader(&mut far, 12);
        let mut camera = studio.camera(&near, 1);
        let mut send = |studio: &mut Studio, number: u32, nanos| {
            camera.send(number, number * TICKS);
            studio.pass(nanos);
        };
        send(&mut studio, 0, FRAME);
        send(&mut studio, 1, FRAME);
        send(&mut studio, 2, FRAME / 2);
        studio.valves[0].shut(); // so that a burst waits
        studio.pass(FRAME / 4);
        let Report::Detached(queues) = studio.ask(Command::Detach(port)) else { panic!("not detached") };
        studio.pass(FRAME / 4);
        assert!(counters.packets_skipped_gone.value() > 0, "{timing:?}: {:?}", counters.values());
        assert!(counters.packets_taken_back.value() > 0, "{timing:?}: {:?}", counters.values());
        let sent = counters.grains_sent.value();
        for number in 3..9 {
            send(&mut studio, number, FRAME);
        }
        assert_eq!(counters.grains_sent.value(), sent, "{timing:?}");
        assert!(counters.grains_missed.value() >= 5, "{timing:?}: {:?}", counters.values());
        assert_eq!((counters.evictions.value(), near.writer.slot_accounts().quarantined), (0, 0), "{timing:?}");

        studio.valves[0].open();
        assert!(matches!(studio.ask(Command::Attach(port, queues)), Report::Attached));
        for number in 9..12 {
            send(&mut studio, number, FRAME);
        }
        studio.pass(2 * FRAME);
        assert!(counters.grains_sent.value() >= sent + 3, "{timing:?}: {:?}", counters.values());
        let whole: Vec<_> = drain(&mut reader).into_iter().filter(|(_, lost)| lost.is_empty()).collect();
        let last = picture(&far.format, 10);
        assert!(whole.iter().any(|(octets, _)| *octets == last), "{timing:?}: {} whole grains", whole.len());
    }
}

#[test]
fn a_detached_port_lets_its_other_half_of_the_worker_go_on() {
    let Restart { mut studio, port, mut near, .. } = restart(SenderTiming::Source);
    let mut reader = studio.reader(&mut near, 4);
    let mut camera = studio.camera(&near, 1);
    assert!(matches!(studio.ask(Command::Detach(port)), Report::Detached(_)));
    camera.send(5, 0);
    studio.pass(FRAME);
    assert_eq!(drain(&mut reader)[0].0, picture(&near.format, 5));
}

#[test]
fn senders_and_receivers_come_and_go_while_their_port_is_detached() {
    let Restart { mut studio, port, far, sender, .. } = restart(SenderTiming::Source);
    let Report::Detached(queues) = studio.ask(Command::Detach(port)) else { panic!("not detached") };
    assert!(matches!(studio.ask(Command::Detach(port)), Report::Unknown(None)), "twice");
    assert!(matches!(studio.ask(Command::Connect(sender, None)), Report::Disconnected(Some(_))));
    let Report::SenderRemoved(gone) = studio.ask(Command::RemoveSender(sender)) else { panic!("not removed") };
    let config = gone.config().clone();
    let add = |key| Command::AddSender(Box::new(Sender::new(SenderKey(key), config.clone())));
    assert!(matches!(studio.ask(add(900)), Report::SenderRefused(_, SenderRefusal::Detached)));
    assert!(matches!(studio.ask(Command::RemoveReceiver(far.key)), Report::ReceiverRemoved(_)));
    assert!(matches!(studio.ask(Command::Attach(port, queues)), Report::Attached));
    // The path of the sender that left is closed: there is room for as many as before. One is the simulator's bound.
    for key in 1000..1064 {
        assert!(matches!(studio.ask(add(key)), Report::Added), "{key}");
    }
}

#[test]
fn queues_are_attached_to_a_port_that_lacks_them_only() {
    let Restart { mut studio, port, .. } = restart(SenderTiming::Source);
    let elsewhere = PortKey { output: OutputIndex(9), ..port };
    assert!(matches!(studio.ask(Command::Detach(elsewhere)), Report::Unknown(None)));
    assert!(matches!(
        studio.ask(Command::Detach(PortKey { input: Some(InputKey(999)), ..port })),
        Report::Unknown(None)
    ));
    let Report::Detached(queues) = studio.ask(Command::Detach(port)) else { panic!("not detached") };
    let Report::AttachRefused(queues) = studio.ask(Command::Attach(elsewhere, queues)) else { panic!("attached") };
    let other = PortKey { output: OutputIndex(1), ..port };
    let Report::AttachRefused(queues) = studio.ask(Command::Attach(other, queues)) else { panic!("attached") };
    assert!(matches!(studio.ask(Command::Attach(port, queues)), Report::Attached));
}

#[test]
fn what_is_only_sent_by_is_detached_and_its_receivers_go_on() {
    let Restart { mut studio, port, mut near, counters, .. } = restart(SenderTiming::Source);
    let mut reader = studio.reader(&mut near, 12);
    let mut camera = studio.camera(&near, 1);
    let lane = PortKey { input: None, ..port };
    let Report::Detached(queues) = studio.ask(Command::Detach(lane)) else { panic!("not detached") };
    assert!(queues.rx.is_none());
    assert!(matches!(studio.ask(Command::Detach(port)), Report::Unknown(None)), "its output is gone");
    camera.send(0, 0);
    studio.pass(FRAME);
    assert_eq!(drain(&mut reader)[0].0, picture(&near.format, 0));
    assert_eq!(counters.grains_sent.value(), 0);
    let Report::AttachRefused(queues) = studio.ask(Command::Attach(port, queues)) else { panic!("without its input") };
    assert!(matches!(studio.ask(Command::Attach(lane, queues)), Report::Attached));
    for number in 1..4 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    assert!(counters.grains_sent.value() > 0, "{:?}", counters.values());
}
