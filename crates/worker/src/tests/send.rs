//! Grains to packets: in place, on time, and what happens when not.

use std::sync::Arc;

use netio::sim::Faults;

use super::studio::{Command, Receiving, Report, Studio, drain, format, picture};
use crate::counters::SenderCounters;
use crate::key::SenderKey;
use crate::sender::SenderTiming;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// A camera's receiver and the far end of a sender, itself a receiver.
struct Road {
    near: Receiving,
    far: Receiving,
    key: SenderKey,
    counters: Arc<SenderCounters>,
}

fn road(studio: &mut Studio, timing: SenderTiming) -> Road {
    let mut near = studio.receive(format(25), 16);
    let far = studio.receive(format(25), 16);
    let (key, counters) = studio.sender(far.destination, timing);
    studio.connect(key, &mut near, 4);
    Road { near, far, key, counters }
}

#[test]
fn a_picture_goes_through_bit_exact_under_its_own_timestamp() {
    let mut studio = Studio::new(1, Faults::default());
    let mut road = road(&mut studio, SenderTiming::Source);
    let mut reader = studio.reader(&mut road.far, 8);
    let mut camera = studio.camera(&road.near, 1);
    for number in 0..6 {
        camera.send(number, 1000 + number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(2 * FRAME);
    let mut number = 0;
    while let Some(index) = reader.next_available() {
        let lease = reader.lease(index).unwrap();
        assert_eq!(lease.stamp().rtp.0, 1000 + number * TICKS);
        assert_eq!(lease.lines(0..16).unwrap(), picture(&road.far.format, number));
        number += 1;
    }
    assert_eq!(number, 6);
    assert_eq!(road.counters.grains_sent.value(), 6);
    assert_eq!(studio.worker.counters().tx_octets_copied_by_us.value(), 0);
}

#[test]
fn packets_keep_to_the_schedule() {
    let mut studio = Studio::new(1, Faults::default());
    let road = road(&mut studio, SenderTiming::Source);
    let mut camera = studio.camera(&road.near, 1);
    camera.send(0, 0);
    studio.pass(FRAME / 4);
    let quarter = road.counters.packets.value();
    studio.pass(FRAME / 4);
    let half = road.counters.packets.value();
    studio.pass(FRAME / 2);
    let all = road.counters.packets.value();
    // Gapped: 1/25 s × 1080/1125 for all packets; within one turn's step.
    assert!((quarter * 4).abs_diff(all * 1125 / 1080) <= 4, "{quarter} of {all}");
    assert!((half * 2).abs_diff(all * 1125 / 1080) <= 4, "{half} of {all}");
}

#[test]
fn the_queues_counts_are_told_while_the_worker_is_busy() {
    let mut studio = Studio::new(1, Faults::default());
    let road = road(&mut studio, SenderTiming::Source);
    studio.camera(&road.near, 1).send(0, 0);
    studio.clock.advance_nanos(FRAME);
    assert!(studio.worker.turn().is_busy);
    let (sent, worker) = (road.counters.packets.value(), studio.worker.counters());
    assert!(sent > 0);
    assert_eq!(worker.tx_packets.value(), sent);
}

#[test]
fn lines_leave_before_their_frame_is_whole() {
    let mut studio = Studio::new(1, Faults::default());
    let mut road = road(&mut studio, SenderTiming::Source);
    let mut reader = studio.reader(&mut road.far, 8);
    let mut camera = studio.camera(&road.near, 1);
    camera.send_some(0, 0, |packet| packet < 16);
    studio.pass(30_000_000);
    let lease = reader.lease(reader.next_available().unwrap()).unwrap();
    assert_eq!(lease.state().unwrap().slices, 7, "rows 0 to 7 are there; BPM's packet with row 7 also has row 8");
}

#[test]
fn a_lost_line_stays_lost_and_is_not_sent_as_stale_octets() {
    let mut studio = Studio::new(1, Faults::default());
    let mut road = road(&mut studio, SenderTiming::Source);
    let mut reader = studio.reader(&mut road.far, 8);
    let mut camera = studio.camera(&road.near, 1);
    camera.send(0, 0);
    studio.pass(FRAME);
    camera.send_some(1, TICKS, |packet| packet != 10);
    studio.pass(FRAME);
    camera.send(2, 2 * TICKS);
    studio.pass(4 * FRAME);
    let grains = drain(&mut reader);
    assert_eq!(grains.len(), 3);
    assert!(grains[1].1.contains(&5), "{:?}", grains[1].1);
    let wanted = picture(&road.far.format, 1);
    let row = road.far.format.row_octets() as usize;
    for line in (0..16_u16).filter(|line| !grains[1].1.contains(line)) {
        let at = usize::from(line) * row;
        assert_eq!(grains[1].0[at..at + row], wanted[at..at + row]);
    }
    assert!(road.counters.packets_skipped_lost.value() > 0);
    assert_eq!(road.far.counters.packets_lost.value(), road.counters.packets_skipped_lost.value());
}

#[test]
fn a_take_switches_at_the_grain_and_the_sequence_goes_on() {
    let mut studio = Studio::new(1, Faults::default());
    let mut road = road(&mut studio, SenderTiming::Source);
    let mut other = studio.receive(format(25), 16);
    let mut reader = studio.reader(&mut road.far, 12);
    let mut one = studio.camera(&road.near, 1);
    let mut two = studio.camera(&other, 2);
    for number in 0..3 {
        one.send(number, number * TICKS);
        two.send(100 + number, number * TICKS);
        studio.pass(FRAME);
    }
    one.send(3, 3 * TICKS);
    studio.pass(FRAME / 4);
    studio.connect(road.key, &mut other, 4);
    for number in 4..7 {
        two.send(100 + number, number * TICKS);
        studio.pass(FRAME);
    }
    studio.pass(2 * FRAME);
    let grains = drain(&mut reader);
    let numbers = [0, 1, 2, 3, 104, 105, 106].map(|number| picture(&road.far.format, number));
    assert!(grains.iter().map(|(bytes, _)| bytes).eq(numbers.iter()), "{} grains", grains.len());
    assert_eq!(road.far.counters.packets_lost.value(), 0);
    assert_eq!(road.far.counters.ssrc_changes.value(), 0);
}

#[test]
fn clearing_and_removing_give_every_lease_back() {
    let mut studio = Studio::new(1, Faults::default());
    let mut road = road(&mut studio, SenderTiming::Source);
    let mut camera = studio.camera(&road.near, 1);
    camera.send(0, 0);
    studio.pass(FRAME / 3);
    let Report::SenderRemoved(sender) = studio.ask(Command::RemoveSender(road.key)) else { panic!("not removed") };
    drop(sender);
    for number in 1..40 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
    }
    // Nobody acknowledged for the reader that is gone, but it never lagged: nothing may be held but by the broker.
    let mut again = studio.reader(&mut road.near, 2);
    camera.send(40, 40 * TICKS);
    studio.pass(FRAME);
    assert_eq!(drain(&mut again).len(), 1);
    let slots = road.near.writer.slot_accounts();
    assert_eq!(slots.free + slots.open + slots.done, 16);
}

#[test]
fn a_grain_whose_rest_never_comes_is_skipped_at_the_lateness_bound() {
    let mut studio = Studio::new(1, Faults::default());
    let mut near = studio.receive_with(format(25), 16, |config| config.grain_timeout_nanos = 10 * FRAME);
    let far = studio.receive(format(25), 16);
    let (key, counters) = studio.sender(far.destination, SenderTiming::Source);
    studio.connect(key, &mut near, 4);
    let mut camera = studio.camera(&near, 1);
    camera.send_some(0, 0, |packet| packet < 16);
    studio.pass(3 * FRAME);
    assert_eq!(counters.grains_late.value(), 1);
    assert!(counters.packets_skipped_late.value() > 0);
    studio.pass(8 * FRAME);
    camera.send(1, 11 * TICKS);
    studio.pass(2 * FRAME);
    assert_eq!(counters.grains_sent.value(), 1, "the next grain goes on");
}

/// A camera whose clock runs `num/den` as fast as the grid's.
fn synchronise(num: i64, den: i64, frames: u32) -> (Arc<SenderCounters>, Vec<u32>) {
    let mut studio = Studio::new(1, Faults::default());
    let mut road = road(&mut studio, SenderTiming::Grid);
    let mut reader = studio.reader(&mut road.far, 12);
    let mut camera = studio.camera(&road.near, 1);
    let mut seen = Vec::new();
    for number in 0..frames {
        camera.send(number, number * TICKS);
        studio.pass(FRAME * den / num);
        for (bytes, lost) in drain(&mut reader) {
            assert!(lost.is_empty());
            let number = (0..frames).find(|number| bytes == picture(&road.far.format, *number));
            seen.push(number.expect("a whole frame, never a mixture"));
        }
    }
    (road.counters, seen)
}

#[test]
fn the_grid_repeats_whole_frames_of_a_slow_source() {
    let (counters, seen) = synchronise(9, 10, 40);
    assert!(counters.grains_repeated.value() >= 3, "{:?}", counters.values());
    assert_eq!(counters.grains_dropped.value(), 0);
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1), "{seen:?}");
}

#[test]
fn the_grid_drops_whole_frames_of_a_fast_source() {
    let (counters, seen) = synchronise(11, 10, 40);
    assert!(counters.grains_dropped.value() >= 2, "{:?}", counters.values());
    assert!(seen.windows(2).all(|pair| pair[1] > pair[0]), "{seen:?}");
}

#[test]
fn a_source_on_the_grid_is_neither_repeated_nor_dropped() {
    let (counters, seen) = synchronise(1, 1, 30);
    assert_eq!((counters.grains_repeated.value(), counters.grains_dropped.value()), (0, 0));
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seen:?}");
}
