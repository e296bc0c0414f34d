//! One stream on two legs (ST 2022-7).

use media::VideoFormat;
use netio::Counter;
use netio::sim::Faults;
use rtp::SequenceExtender;
use shm::FrameWriter;

use super::studio::{Camera, Command, Receiving, Report, Ring, Studio, drain, format, picture, tall};
use crate::key::{InputKey, ReceiverKey};
use crate::refusal::ReceiverRefusal;
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A receiver of two sockets, and the camera of each leg.
fn two_sockets(studio: &mut Studio) -> (Receiving, [Leg; 2], [Camera; 2]) {
    two_sockets_for(studio, format(25))
}

fn two_sockets_for(studio: &mut Studio, format: VideoFormat) -> (Receiving, [Leg; 2], [Camera; 2]) {
    two_sockets_into(studio, Ring::new(format, 16), format)
}

fn two_sockets_into(
    studio: &mut Studio,
    ring: (Ring, FrameWriter),
    format: VideoFormat,
) -> (Receiving, [Leg; 2], [Camera; 2]) {
    let legs = [(); 2].map(|()| {
        let destination = studio.address();
        studio.socket(destination)
    });
    let (receiver, receiving) = studio.receiver_into(ring, &legs, format, |config| {
        (config.reorder_packets, config.grain_timeout_nanos) = (64, 4 * FRAME);
    });
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    let cameras = legs.map(|leg| studio.camera_to(leg, &receiving, 1));
    (receiving, legs, cameras)
}

#[test]
fn what_one_leg_loses_the_other_brings() {
    let mut studio = Studio::new(1, Faults::default());
    let (mut receiving, _, [mut one, mut two]) = two_sockets(&mut studio);
    let mut reader = studio.reader(&mut receiving, 8);
    for number in 0..3 {
        one.send_some(number, number * TICKS, |packet| packet % 5 != 0);
        two.send_some(number, number * TICKS, |packet| packet % 5 != 1);
        studio.pass(FRAME);
    }
    let grains = drain(&mut reader);
    assert_eq!(grains.len(), 3);
    for (number, (octets, lost)) in (0..).zip(&grains) {
        assert!(lost.is_empty(), "frame {number}: {lost:?}");
        assert_eq!(*octets, picture(&receiving.format, number));
    }
    let counters = &receiving.counters;
    assert_eq!(counters.packets_lost.value(), 0);
    // Each leg loses 7 of 32 packets, none of them the same.
    assert_eq!(counters.duplicates.value(), 3 * (32 - 7 - 7));
    let octets = u64::from(receiving.format.frame_octets());
    assert_eq!(counters.octets_copied_by_us.value(), 3 * octets, "each octet is copied once");
}

#[test]
fn a_leg_that_comes_and_goes_is_not_noticed() {
    let mut studio = Studio::new(1, Faults::default());
    let (mut receiving, legs, [mut one, mut two]) = two_sockets(&mut studio);
    let mut reader = studio.reader(&mut receiving, 12);
    for number in 0..9 {
        one.send_some(number, number * TICKS, |_| number % 3 != 1);
        two.send_some(number, number * TICKS, |_| number % 3 != 2);
        studio.pass(FRAME);
    }
    let grains = drain(&mut reader);
    assert_eq!(grains.len(), 9);
    assert!((0..).zip(&grains).all(|(number, (octets, _))| *octets == picture(&receiving.format, number)));
    assert_eq!(receiving.counters.packets_lost.value(), 0);
    // One leg's input is taken away for good.
    assert!(matches!(studio.ask(Command::RemoveInput(legs[0].input)), Report::InputRemoved(_)));
    two.send(9, 9 * TICKS);
    studio.pass(FRAME);
    assert_eq!(drain(&mut reader).len(), 1);
    assert!(matches!(studio.ask(Command::RemoveReceiver(receiving.key)), Report::ReceiverRemoved(_)));
    assert!(matches!(studio.ask(Command::RemoveReceiver(ReceiverKey(0))), Report::Unknown(None)));
}

/// Sends `frames` by both legs, the second `lag` frames behind the first; `brings` says which packets a leg has.
fn send_apart(
    studio: &mut Studio,
    cameras: &mut [Camera; 2],
    frames: std::ops::Range<u32>,
    lag: u32,
    brings: impl Fn(usize, u32, u32) -> bool,
) {
    for turn in frames.start..frames.end + lag {
        for (leg, number) in [(0, Some(turn)), (1, turn.checked_sub(lag))] {
            if let Some(number) = number.filter(|number| frames.contains(number)) {
                cameras[leg].send_some(number, number.wrapping_mul(TICKS), |packet| brings(leg, number, packet));
            }
        }
        studio.worker.turn();
        studio.clock.advance_nanos(FRAME);
        studio.worker.turn();
    }
}

#[test]
fn a_leg_that_lags_by_thousands_of_packets_leaves_the_other_alone() {
    let mut studio = Studio::new(1, Faults::default());
    let (receiving, _, mut cameras) = two_sockets_for(&mut studio, tall());
    let packets = cameras[0].packets();
    // Beyond the window in which a single leg's numbers are put in order again.
    assert!(48 * packets > u32::from(SequenceExtender::MAX_MISORDER));
    send_apart(&mut studio, &mut cameras, 0..80, 48, |_, _, _| true);
    let counters = &receiving.counters;
    let seen = [&counters.grains_complete, &counters.packets_lost, &counters.sequence_restarts, &counters.doubtful]
        .map(Counter::value);
    assert_eq!(seen, [80, 0, 0, 0], "{:?}", counters.values());
    assert_eq!((counters.grains_incomplete.value(), counters.grains_too_soon.value()), (0, 0));
    let legs: Vec<_> = receiving.legs.iter().map(|leg| leg.values()).collect();
    let packets = u64::from(80 * packets);
    assert_eq!(legs[0], [("packets", packets), ("packets_lost", 0), ("behind_ns", 0)]);
    // Of more pictures than are remembered it is not told how far they are behind.
    assert_eq!(legs[1][..2], [("packets", packets), ("packets_lost", 0)]);
}

#[test]
fn a_leg_two_pictures_behind_brings_what_the_other_has_lost() {
    let mut studio = Studio::new(1, Faults::default());
    let (mut receiving, _, mut cameras) = two_sockets_into(&mut studio, Ring::with_open(format(25), 32, 4), format(25));
    let mut reader = studio.reader(&mut receiving, 24);
    // The one that is ahead loses packets of each picture, two of them whole, and the last ones of another.
    let loses = |number: u32, packet: u32| packet % 5 == 1 || number == 7 || number == 8 || number == 12 && packet > 9;
    send_apart(&mut studio, &mut cameras, 0..20, 2, |leg, number, packet| leg == 1 || !loses(number, packet));
    studio.pass(FRAME);
    let grains = drain(&mut reader);
    assert_eq!(grains.len(), 20, "{:?}", receiving.counters.values());
    for (number, (octets, lost)) in (0..).zip(&grains) {
        assert!(lost.is_empty(), "picture {number}: {lost:?}");
        assert_eq!(*octets, picture(&receiving.format, number), "picture {number}");
    }
    let counters = &receiving.counters;
    assert_eq!((counters.packets_lost.value(), counters.grains_incomplete.value(), counters.late.value()), (0, 0, 0));
}

#[test]
fn nothing_is_waited_for_once_the_other_leg_is_silent() {
    let mut studio = Studio::new(1, Faults::default());
    let (receiving, _, mut cameras) = two_sockets_into(&mut studio, Ring::with_open(format(25), 32, 4), format(25));
    let incomplete = |receiving: &Receiving| receiving.counters.grains_incomplete.value();
    // The second leg ends with picture 5; 250 ms later it counts as silent.
    send_apart(&mut studio, &mut cameras, 0..14, 0, |leg, number, _| leg == 0 || number < 5);
    for number in 14..18 {
        let before = incomplete(&receiving);
        cameras[0].send_some(number, number * TICKS, |packet| number != 14 || packet != 3);
        studio.worker.turn();
        studio.clock.advance_nanos(FRAME);
        studio.worker.turn();
        // The window of 64 packets passes two pictures later; with both legs three would be open, until the time-out.
        assert_eq!(incomplete(&receiving) - before, u64::from(number == 17), "picture {number}");
    }
    assert_eq!(receiving.counters.grains_complete.value(), 17);
}

#[test]
fn each_leg_tells_what_it_brings_and_how_late() {
    let mut studio = Studio::new(1, Faults::default());
    let (receiving, _, mut cameras) = two_sockets(&mut studio);
    send_apart(&mut studio, &mut cameras, 0..20, 3, |leg, _, packet| leg == 0 || packet % 8 != 5);
    let legs: Vec<_> = receiving.legs.iter().map(|leg| leg.values()).collect();
    assert_eq!(legs[0], [("packets", 20 * 32), ("packets_lost", 0), ("behind_ns", 0)]);
    assert_eq!(legs[1], [("packets", 20 * 28), ("packets_lost", 20 * 4), ("behind_ns", 3 * FRAME as u64)]);
    assert_eq!(receiving.counters.packets_lost.value(), 0);
}

#[test]
fn a_grain_waits_for_what_stands_in_the_queue_of_the_other_leg() {
    let mut studio = Studio::new(1, Faults::default());
    let [one, two, other] = [studio.address(), studio.address(), studio.address()];
    let quiet = studio.socket(one);
    // On the port another stream's packets come first, however long ours wait.
    let (input, _) = studio.shared(&[other, two], 2);
    let legs = [quiet, Leg { input, destination: two }];
    let (receiver, receiving) = studio.receiver(&legs, format(25), 16, |_| {});
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    let (receiver, busy) = studio.receiver(&[Leg { input, destination: other }], format(25), 16, |_| {});
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    let [mut first, mut second] = legs.map(|leg| studio.camera_to(leg, &receiving, 1));
    let mut flood = studio.camera(&busy, 2);
    let junk = flood.datagram(0, 0, 0);

    first.send_some(0, 0, |packet| packet < 16);
    studio.pass(1_000_000);
    (0..3000).for_each(|_| flood.send_raw(&junk));
    second.send_some(0, 0, |packet| packet >= 16);
    // The host pauses for longer than the time-out: the first leg is dry at once, the second is not.
    studio.clock.advance_nanos(10 * FRAME);
    for _ in 0..11 {
        studio.worker.turn();
    }
    assert_eq!(receiving.counters.grains_opened.value(), 1);
    assert_eq!(receiving.counters.grains_incomplete.value(), 0, "closed before the other leg was heard");
    studio.pass(1_000_000);
    assert_eq!(receiving.counters.grains_complete.value(), 1, "{:?}", receiving.counters.values());
}

#[test]
fn a_receiver_is_taken_on_with_all_of_its_legs_or_not_at_all() {
    let mut studio = Studio::new(1, Faults::default());
    let [one, two] = [studio.address(), studio.address()];
    let (input, counters) = studio.shared(&[one, two], 2);
    let refused = |studio: &mut Studio, legs: &[Leg]| {
        let (receiver, _) = studio.receiver(legs, format(25), 16, |_| {});
        match studio.ask(Command::AddReceiver(Box::new(receiver))) {
            Report::ReceiverRefused(_, refusal) => refusal,
            _ => panic!("taken on"),
        }
    };
    let leg = |destination| Leg { input, destination };
    let gone = Leg { input: InputKey(999), destination: two };
    assert_eq!(refused(&mut studio, &[leg(one), gone]), ReceiverRefusal::NoInput);
    assert_eq!(refused(&mut studio, &[leg(one), leg(one)]), ReceiverRefusal::Taken { destination: one });
    let wildcards = ["0.0.0.0:5004", "[::]:5004"].map(|address| address.parse().unwrap());
    let taken = refused(&mut studio, &wildcards.map(leg));
    assert_eq!(taken, ReceiverRefusal::Taken { destination: wildcards[1] }, "all addresses are all of both families");
    let third = studio.address();
    assert_eq!(refused(&mut studio, &[leg(one), leg(two), leg(third)]), ReceiverRefusal::Full { room: 2 });
    // Nothing of them was left.
    let (receiver, receiving) = studio.receiver(&[leg(one), leg(two)], format(25), 16, |_| {});
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    let mut cameras = [leg(one), leg(two)].map(|leg| studio.camera_to(leg, &receiving, 1));
    cameras.iter_mut().for_each(|camera| camera.send(0, 0));
    studio.pass(FRAME);
    assert_eq!((receiving.counters.grains_complete.value(), counters.packets_unsteered.value()), (1, 0));
}
