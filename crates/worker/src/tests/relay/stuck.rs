//! Destinations that are stuck: what they cost themselves, and nobody else.

use netio::sim::Faults;

use super::super::studio::{Command, Report, Studio, format};
use super::{Far, MS, Relaying, Source, own};
use crate::steered::Leg;

#[test]
fn a_stuck_port_costs_the_other_destinations_nothing() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 2);
    let relay = studio.relay();
    let mut good: Vec<Far> = (0..60).map(|_| studio.forward_by(Some(&relay), own(), 0)).collect();
    let mut stuck: Vec<Far> = (0..4).map(|_| studio.forward_by(Some(&relay), own(), 1)).collect();
    let mut source = Source::new(&studio, relay.destination, 7);
    studio.valves[1].shut();
    let sent = 3_000;
    for n in 0..sent {
        source.send(n, u32::from(n / 10));
        if n % 10 == 9 {
            studio.pass(MS);
        }
    }
    // The relay keeps no more than one turn may bring, whoever is stuck.
    assert_eq!(relay.counters.packets_held.value(), 256);
    for far in &mut good {
        let expected: Vec<u16> = (0..sent).map(|n| n.wrapping_add(65_534)).collect();
        assert_eq!(far.sequences(), expected);
        assert_eq!(far.counters.packets_dropped_backlog.value(), 0);
    }
    studio.valves[1].open();
    studio.pass(5 * MS);
    assert_eq!(relay.counters.packets_held.value(), 0);
    for far in &mut stuck {
        let dropped = far.counters.packets_dropped_backlog.value();
        let got = far.sequences();
        assert_eq!((got.len() as u64 + dropped, dropped > 1_000), (u64::from(sent), true), "{dropped} dropped");
        // What it got last is what was sent last: the newest were kept.
        assert_eq!(got.last(), Some(&(sent - 1).wrapping_add(65_534)));
    }
}

/// As a socket is whose buffer is full, while all others of the same queue go on.
#[test]
fn a_path_that_takes_nothing_waits_alone() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay();
    let mut good: Vec<Far> = (0..8).map(|_| studio.forward(Some(&relay), own())).collect();
    let mut stuck = studio.forward(Some(&relay), own());
    let mut source = Source::new(&studio, relay.destination, 7);
    studio.valves[0].bar(Some(stuck.destination));
    for n in 0..1_000 {
        source.send(n, u32::from(n / 10));
        if n % 10 == 9 {
            studio.pass(MS);
        }
    }
    let all: Vec<u16> = (0..1_000_u16).map(|n| n.wrapping_add(65_534)).collect();
    for far in &mut good {
        assert_eq!(far.sequences(), all, "{:?}", far.counters.values());
    }
    studio.valves[0].bar(None);
    studio.pass(5 * MS);
    let dropped = stuck.counters.packets_dropped_backlog.value();
    assert_eq!((stuck.sequences().len() as u64 + dropped, dropped > 500), (1_000, true), "{dropped}");
}

/// Every destination always has something, and the queue takes less: they share what it takes, whichever relay they follow.
#[test]
fn a_queue_with_little_room_is_shared_by_all_relays() {
    for (at_once, passed) in [(20, 50), (200, 50)] {
        let mut studio = Studio::new(1, Faults::default());
        let relays: Vec<Relaying> = (0..3).map(|_| studio.relay()).collect();
        let mut far: Vec<Far> = relays.iter().map(|relay| studio.forward(Some(relay), own())).collect();
        let mut sources: Vec<_> = relays.iter().map(|relay| Source::new(&studio, relay.destination, 7)).collect();
        studio.valves[0].shut();
        for turn in 0..60 {
            for source in &mut sources {
                (turn * at_once..(turn + 1) * at_once).for_each(|n| source.send(n, 1));
            }
            studio.valves[0].pass(passed);
            studio.pass(50_000);
        }
        let got: Vec<usize> = far.iter_mut().map(|far| far.sequences().len()).collect();
        let all: usize = got.iter().sum();
        assert_eq!(all, 60 * passed as usize);
        assert!(got.iter().all(|got| got.abs_diff(all / 3) < 100), "{got:?}");
    }
}

#[test]
fn a_backlog_is_bounded_by_time_where_packets_are_few() {
    let mut studio = Studio::new(1, Faults::default());
    let relay = studio.relay_with(|config| config.backlog_nanos = 20 * MS);
    let mut far = studio.forward(Some(&relay), own());
    let mut source = Source::new(&studio, relay.destination, 7);
    studio.valves[0].shut();
    for n in 0..100 {
        source.send(n, u32::from(n));
        studio.pass(MS);
    }
    // The burst of 32 that the output has taken is its own.
    assert!((19..=21).contains(&relay.counters.packets_held.value()), "{}", relay.counters.packets_held.value());
    studio.pass(100 * MS);
    assert_eq!(relay.counters.packets_held.value(), 0);
    studio.valves[0].open();
    source.send(100, 100);
    studio.pass(MS);
    assert_eq!(far.sequences().len(), 33);
    assert_eq!(far.counters.packets_dropped_backlog.value(), 68);
}

/// A relay whose destinations are stuck keeps most of the port's buffers, a receiver that waits for a packet some of them: when
/// there is none left it is the relay's turn, until it holds less.
#[test]
fn a_shortage_is_relieved_by_who_holds_most() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 1);
    let destinations = [studio.address(), studio.address()];
    let (input, _) = studio.shared(&destinations, 2);
    let [leg, other] = destinations.map(|destination| Leg { input, destination });
    let relay = studio.relay_of(&[leg], |config| config.backlog_packets = 1_024);
    let far = studio.forward(Some(&relay), own());
    let wide = |config: &mut crate::receiver::ReceiverConfig| config.reorder_packets = 400;
    let (receiver, receiving) = studio.receiver(&[other], format(25), 16, wide);
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    let mut camera = studio.camera(&receiving, 1);
    // The next picture's packets wait for the third one of this.
    camera.send_some(0, 0, |packet| packet != 3);
    camera.send(1, 3_600);
    let held = u64::from(camera.packets());
    studio.valves[0].shut();
    let mut source = Source::new(&studio, leg.destination, 7);
    (0..80).for_each(|n| source.send(n, 1));
    studio.pass(50_000);
    let kept = relay.counters.packets_held.value();
    assert!((held + 1..80).contains(&kept) && kept / 2 < held, "{kept} against {held}");
    let after = |studio: &mut Studio| {
        studio.shortage.strike();
        studio.pass(50_000);
        (relay.counters.packets_held.value(), receiving.counters.waits_cut.value())
    };
    assert_eq!(after(&mut studio), (kept / 2, 0), "the relay holds most");
    assert_eq!(after(&mut studio), (kept / 2, 1), "now it is the receiver");
    assert_eq!(after(&mut studio).1, 1, "which holds nothing any more");
    assert_eq!(relay.counters.backlogs_cut.value(), 2);
    let lost = far.counters.packets_dropped_backlog.value();
    assert_eq!((lost, receiving.counters.grains_opened.value()), (kept - relay.counters.packets_held.value(), 2));
}
