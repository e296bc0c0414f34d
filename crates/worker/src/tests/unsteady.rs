//! Sources that stall, clocks that step, readers that fall behind: nobody else waits for them.

use media::{Depth, Rate, Sampling, Tai, VideoFormat};
use netio::sim::Faults;

use super::studio::{Command, NOON, Report, Studio, drain, format};
use crate::sender::{Lateness, SenderTiming};

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;
const HOUR: i64 = 3_600_000_000_000;

/// The small picture, once in `seconds`.
fn slow_format(seconds: u32) -> VideoFormat {
    let rate = Rate::new(1, seconds).unwrap();
    VideoFormat::new(720, 16, Sampling::YCbCr422, Depth::Bits10, rate).unwrap()
}

#[test]
fn a_frame_a_century_is_no_overflow() {
    for timing in [SenderTiming::Source, SenderTiming::Grid] {
        let mut studio = Studio::new(1, Faults::default());
        let mut near = studio.receive(slow_format(u32::MAX), 16);
        let far = studio.receive(slow_format(u32::MAX), 16);
        let (key, counters) =
            studio.sender_with(far.destination, timing, |config| config.lateness = Lateness::Frames(10));
        studio.connect(key, &mut near, 4);
        let mut camera = studio.camera(&near, 1);
        camera.send(0, 0);
        studio.pass(FRAME);
        assert!(counters.packets.value() > 0, "{timing:?}");
    }
}

#[test]
fn a_take_does_not_wait_for_a_source_that_stalls() {
    let mut studio = Studio::new(1, Faults::default());
    let mut near = studio.receive_with(slow_format(100), 16, |config| config.grain_timeout_nanos = HOUR);
    let far = studio.receive(format(25), 16);
    let (key, counters) = studio.sender(far.destination, SenderTiming::Source);
    studio.connect(key, &mut near, 4);
    let mut camera = studio.camera(&near, 1);
    camera.send_some(0, 0, |packet| packet < 16);
    studio.pass(FRAME);
    let report = studio.ask(Command::Connect(key, None));
    assert!(matches!(report, Report::Disconnected(Some(_))));
    assert!(counters.packets_skipped_gone.value() > 0);
    drop(report);
    // Its lease has ended with it: a new consumer is all that the ring serves.
    camera.send_some(1, 90_000 * 100, |packet| packet < 16);
    studio.pass(FRAME);
    assert_eq!(near.writer.slot_accounts().quarantined, 0);
}

#[test]
fn a_clock_that_steps_back_does_not_silence_a_sender() {
    for timing in [SenderTiming::Source, SenderTiming::Grid] {
        let mut studio = Studio::new(1, Faults::default());
        let mut near = studio.receive(format(25), 16);
        let far = studio.receive(format(25), 16);
        let (key, counters) = studio.sender(far.destination, timing);
        studio.connect(key, &mut near, 4);
        let mut camera = studio.camera(&near, 1);
        for number in 0..3 {
            camera.send(number, number * TICKS);
            studio.pass(FRAME);
        }
        camera.send(3, 3 * TICKS);
        studio.pass(FRAME / 4); // in the middle of a frame
        studio.worker.turn(); // nothing is due: it rests
        let before = counters.grains_sent.value();
        studio.clock.set(Tai::from_nanos(NOON.as_nanos() - HOUR));
        studio.worker.turn();
        assert_eq!(counters.grains_late.value(), 1, "{timing:?}: it waits for a time that comes in an hour");
        // The simulated wire keeps its packets in order of time: what has sent before is silent for an hour.
        let mut camera = studio.camera(&near, 2);
        for number in 4..10 {
            camera.send(number, number * TICKS);
            studio.pass(FRAME);
        }
        assert!(counters.grains_sent.value() >= before + 4, "{timing:?}: {:?}", counters.values());
    }
}

#[test]
fn a_camera_that_starts_anew_after_a_step_back_is_followed() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut reader = studio.reader(&mut receiving, 8);
    studio.camera(&receiving, 1).send(0, 0);
    studio.pass(FRAME);
    studio.clock.set(Tai::from_nanos(NOON.as_nanos() - HOUR));
    studio.camera(&receiving, 2).send(1, 0);
    studio.pass(FRAME);
    assert_eq!(drain(&mut reader).len(), 2, "{:?}", receiving.counters.values());
}

#[test]
fn a_clock_that_steps_back_does_not_keep_a_grain_open() {
    let mut studio = Studio::new(1, Faults::default());
    let receiving = studio.receive(format(25), 16);
    studio.camera(&receiving, 1).send_some(0, 0, |packet| packet != 3);
    studio.pass(FRAME / 4);
    studio.clock.set(Tai::from_nanos(NOON.as_nanos() - HOUR));
    studio.pass(3 * FRAME);
    assert_eq!(receiving.counters.grains_incomplete.value(), 1, "{:?}", receiving.counters.values());
}

#[test]
fn nothing_of_a_stream_that_was_replaced_comes_after_the_new_one() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive_with(format(25), 16, |config| {
        (config.reorder_packets, config.grain_timeout_nanos) = (64, HOUR);
    });
    let mut reader = studio.reader(&mut receiving, 12);
    let mut old = studio.camera(&receiving, 1);
    for number in 0..3 {
        old.send_some(number, number * TICKS, |packet| packet < 16); // two grains wait for the first
    }
    studio.pass(HOUR / 10_000);
    let mut new = studio.camera(&receiving, 2);
    for number in 0..2 {
        new.send(7 + number, number * TICKS);
        studio.pass(FRAME);
    }
    let are_whole: Vec<bool> = drain(&mut reader).iter().map(|(_, lost)| lost.is_empty()).collect();
    assert_eq!(are_whole, [false, false, false, true, true], "{:?}", receiving.counters.values());
}

#[test]
fn an_eviction_is_counted_once() {
    for timing in [SenderTiming::Source, SenderTiming::Grid] {
        let mut studio = Studio::new(1, Faults::default());
        let mut near = studio.receive(format(25), 16);
        let far = studio.receive(format(25), 16);
        let (key, counters) = studio.sender(far.destination, timing);
        studio.connect(key, &mut near, 2);
        let mut camera = studio.camera(&near, 1);
        for number in 0..8 {
            camera.send(number, number * TICKS); // all at once: more than two are waiting
        }
        studio.pass(4 * FRAME);
        camera.send(8, 8 * TICKS);
        studio.pass(4 * FRAME);
        assert_eq!(counters.evictions.value(), 1, "{timing:?}");
        assert_eq!(near.writer.slot_accounts().quarantined, 0, "{timing:?}: its slots are free again");
    }
}

#[test]
fn a_packet_that_waits_for_its_line_keeps_no_worker_awake() {
    let mut studio = Studio::new(1, Faults::default());
    let mut near = studio.receive(format(25), 16);
    let far = studio.receive(format(25), 16);
    let (key, counters) = studio.sender(far.destination, SenderTiming::Source);
    studio.connect(key, &mut near, 4);
    let mut camera = studio.camera(&near, 1);
    camera.send_some(0, 0, |packet| packet < 16);
    studio.pass(FRAME * 3 / 4);
    assert!(counters.packets.value() > 0);
    let turn = studio.worker.turn();
    assert_eq!((turn.is_busy, turn.due_in_nanos), (false, None));
}
