//! One receive queue for many receivers: a port.

use std::net::SocketAddr;

use netio::sim::Faults;

use super::studio::{Command, Receiving, Report, Studio, drain, format, picture};
use crate::key::{InputKey, ReceiverKey};
use crate::refusal::ReceiverRefusal;
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// More packets than go through one turn of an input.
const FLOOD: u32 = 300;

fn add(studio: &mut Studio, input: InputKey, destination: SocketAddr) -> Receiving {
    let (receiver, receiving) = studio.receiver(&[Leg { input, destination }], format(25), 16, |_| {});
    let report = studio.ask(Command::AddReceiver(Box::new(receiver)));
    assert!(matches!(report, Report::Added));
    receiving
}

#[test]
fn each_packet_goes_to_the_receiver_of_its_destination() {
    let mut studio = Studio::new(1, Faults { chain_per_mille: 300, ..Faults::default() });
    let destinations: Vec<_> = (0..5).map(|_| studio.address()).collect();
    let (input, counters) = studio.shared(&destinations, 8);
    // The last destination is nobody's.
    let mut receiving: Vec<_> = destinations[..4].iter().map(|to| add(&mut studio, input, *to)).collect();
    let mut cameras: Vec<_> = receiving.iter().map(|receiving| studio.camera(receiving, 1)).collect();
    let (_, nobody) = studio.receiver(&[Leg { input, destination: destinations[4] }], format(25), 16, |_| {});
    let mut stray = studio.camera(&nobody, 1);
    let mut readers: Vec<_> = receiving.iter_mut().map(|receiving| studio.reader(receiving, 4)).collect();
    for number in 0..3 {
        for (stream, camera) in (0..).zip(&mut cameras) {
            camera.send(10 * stream + number, number * TICKS);
        }
        stray.send(99, 0);
        studio.pass(FRAME);
    }
    for (stream, reader) in (0..).zip(&mut readers) {
        let grains: Vec<_> = drain(reader).into_iter().map(|(octets, _)| octets).collect();
        let sent: Vec<_> = (0..3).map(|number| picture(&format(25), 10 * stream + number)).collect();
        assert!(grains == sent, "stream {stream}: {} grains", grains.len());
    }
    let strays = u64::from(3 * stray.packets());
    assert_eq!(counters.packets_unsteered.value(), strays);
    assert_eq!(studio.worker.counters().packets_unsteered.value(), strays);
    assert_eq!(counters.packets.value(), 5 * strays);
}

#[test]
fn receivers_come_and_go_while_their_port_runs() {
    let mut studio = Studio::new(1, Faults::default());
    let destinations: Vec<_> = (0..3).map(|_| studio.address()).collect();
    let (input, counters) = studio.shared(&destinations, 2);
    let one = add(&mut studio, input, destinations[0]);
    let mut two = add(&mut studio, input, destinations[1]);
    let (mut first, mut second) = (studio.camera(&one, 1), studio.camera(&two, 2));
    let mut reader = studio.reader(&mut two, 8);
    let mut send = |studio: &mut Studio, number| {
        first.send(number, number * TICKS);
        second.send(number, number * TICKS);
        studio.pass(FRAME);
    };
    send(&mut studio, 0);

    let (third, _) = studio.receiver(&[Leg { input, destination: destinations[2] }], format(25), 16, |_| {});
    let report = studio.ask(Command::AddReceiver(Box::new(third)));
    assert!(matches!(report, Report::ReceiverRefused(_, ReceiverRefusal::Full { room: 2 })));

    // The first goes, and takes the middle of a grain with it; who has come last keeps its packets.
    let Report::ReceiverRemoved(removed) = studio.ask(Command::RemoveReceiver(one.key)) else { panic!("not removed") };
    assert_eq!((removed.key(), removed.legs()), (one.key, &[Leg { input, destination: destinations[0] }][..]));
    send(&mut studio, 1);
    assert_eq!(one.counters.grains_complete.value(), 1);
    assert_eq!(counters.packets_unsteered.value(), 32, "the first stream is nobody's now");

    let again = add(&mut studio, input, destinations[0]);
    let (double, _) = studio.receiver(&[Leg { input, destination: destinations[0] }], format(25), 16, |_| {});
    assert!(matches!(
        studio.ask(Command::AddReceiver(Box::new(double))),
        Report::ReceiverRefused(_, ReceiverRefusal::Taken { destination }) if destination == destinations[0]
    ));
    send(&mut studio, 2);
    assert_eq!(again.counters.grains_complete.value(), 1);
    assert_eq!(drain(&mut reader).len(), 3, "{:?}", two.counters.values());

    let unknown = studio.ask(Command::RemoveReceiver(ReceiverKey(999)));
    assert!(matches!(unknown, Report::Unknown(None)));
    let Report::InputRemoved(gone) = studio.ask(Command::RemoveInput(input)) else { panic!("not removed") };
    assert_eq!(gone.key(), input);
    // The receivers hear nothing now; they are there to be taken back.
    studio.pass(FRAME);
    assert!(matches!(studio.ask(Command::RemoveReceiver(two.key)), Report::ReceiverRemoved(_)));
    let (nowhere, _) = studio.receiver(&[Leg { input, destination: destinations[0] }], format(25), 16, |_| {});
    let report = studio.ask(Command::AddReceiver(Box::new(nowhere)));
    assert!(matches!(report, Report::ReceiverRefused(_, ReceiverRefusal::NoInput)));
}

#[test]
fn a_grain_is_closed_on_time_although_its_queue_never_runs_dry() {
    let mut studio = Studio::new(1, Faults::default());
    let destinations = [studio.address(), studio.address()];
    let (input, _) = studio.shared(&destinations, 2);
    let (silent, busy) = (add(&mut studio, input, destinations[0]), add(&mut studio, input, destinations[1]));
    let mut camera = studio.camera(&silent, 1);
    let mut flood = studio.camera(&busy, 2);
    camera.send_some(0, 0, |packet| packet != 31);
    let junk = flood.datagram(0, 0, 0);
    for _ in 0..2 * FLOOD {
        flood.send_raw(&junk);
    }
    // The time-out passes in the first turns; then a round in which it is noticed, and one to be sure.
    let mut turns = 0;
    while silent.counters.grains_incomplete.value() == 0 {
        assert!(turns < 400, "the grain starves: {:?}", silent.counters.values());
        for _ in 0..256 {
            flood.send_raw(&junk);
        }
        studio.clock.advance_nanos(1_000_000);
        studio.worker.turn();
        turns += 1;
    }
    assert!(turns > 80, "after {turns} ms: before its time-out");
    assert_eq!(silent.counters.lines_lost.value(), 1);
}

#[test]
fn a_packet_that_waited_in_the_queue_still_completes_its_grain() {
    let mut studio = Studio::new(1, Faults::default());
    let destinations = [studio.address(), studio.address()];
    // The busy stream's packets come before the other's, however long those wait.
    let (input, counters) = studio.shared(&[destinations[1], destinations[0]], 2);
    let (slow, busy) = (add(&mut studio, input, destinations[0]), add(&mut studio, input, destinations[1]));
    let mut camera = studio.camera(&slow, 1);
    let mut flood = studio.camera(&busy, 2);
    camera.send_some(0, 0, |packet| packet < 16);
    studio.pass(1_000_000);
    let rest: Vec<_> = (16..32).map(|packet| camera.datagram(0, 0, packet)).collect();
    rest.iter().for_each(|datagram| camera.send_raw(datagram));
    let junk = flood.datagram(0, 0, 0);
    // The host pauses for longer than the time-out, and the queue fills.
    studio.clock.advance_nanos(10 * FRAME);
    let mut turns = 0;
    for _ in 0..20 {
        (0..3000).for_each(|_| flood.send_raw(&junk));
        for _ in 0..11 {
            assert!(studio.worker.turn().is_busy);
            turns += 1;
        }
        if turns > 128 {
            break; // a whole round, and the grain is still waited for
        }
    }
    assert_eq!(slow.counters.grains_opened.value(), 1);
    studio.pass(1_000_000);
    assert_eq!(slow.counters.grains_complete.value(), 1, "{:?}", slow.counters.values());
    assert!(counters.packets.value() > 32_768);
}
