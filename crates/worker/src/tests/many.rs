//! Sixty-four streams in by one port: whatever becomes of one of them, the others lose nothing.

use netio::sim::Faults;

use super::studio::{Camera, Command, Receiving, Report, Studio, format};
use crate::counters::ReceiverCounters;
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;
const STREAMS: usize = 64;
/// The one that breaks.
const BROKEN: usize = 17;

struct Port {
    studio: Studio,
    receiving: Vec<Receiving>,
    cameras: Vec<Camera>,
    frames: u32,
}

impl Port {
    fn new(reorder_packets: u16) -> Self {
        let mut studio = Studio::new(1, Faults::default());
        let destinations: Vec<_> = (0..STREAMS).map(|_| studio.address()).collect();
        let (input, _) = studio.shared(&destinations, STREAMS);
        let mut receiving = Vec::new();
        for destination in destinations {
            let legs = [Leg { input, destination }];
            let (receiver, one) =
                studio.receiver(&legs, format(25), 5, |config| config.reorder_packets = reorder_packets);
            assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
            receiving.push(one);
        }
        let cameras = receiving.iter().map(|one| studio.camera(one, 1)).collect();
        Self { studio, receiving, cameras, frames: 0 }
    }

    /// Plays frames of all streams; `broken` sends the broken one's.
    fn play(&mut self, frames: u32, mut broken: impl FnMut(&mut Camera, u32)) {
        for number in self.frames..self.frames + frames {
            for (stream, camera) in self.cameras.iter_mut().enumerate() {
                if stream == BROKEN {
                    broken(camera, number);
                } else {
                    camera.send(number, number * TICKS);
                }
            }
            self.studio.pass(FRAME);
        }
        self.frames += frames;
    }

    fn broken(&self) -> &ReceiverCounters {
        &self.receiving[BROKEN].counters
    }

    /// All frames of the others are there, each whole.
    #[track_caller]
    fn assert_others_are_whole(&self, when: &str) {
        for (stream, one) in self.receiving.iter().enumerate().filter(|(stream, _)| *stream != BROKEN) {
            let counters = &one.counters;
            let seen = (
                counters.grains_complete.value(),
                counters.grains_incomplete.value() + counters.packets_lost.value() + counters.grains_no_slot.value(),
            );
            assert_eq!(seen, (self.frames.into(), 0), "stream {stream} {when}: {:?}", counters.values());
        }
    }

    /// The broken stream is mended: its frames are whole again.
    #[track_caller]
    fn assert_recovers(&mut self, when: &str) {
        // It may have to wait out a grain that was left open.
        self.play(4, |camera, number| camera.send(number, number * TICKS));
        let before = self.broken().grains_complete.value();
        self.play(3, |camera, number| camera.send(number, number * TICKS));
        assert_eq!(self.broken().grains_complete.value(), before + 3, "{when}: {:?}", self.broken().values());
        self.assert_others_are_whole(when);
    }
}

/// One stream is broken by `broken` for some frames, and counted.
fn breaks(what: &str, counted: fn(&ReceiverCounters) -> u64, broken: impl FnMut(&mut Camera, u32)) {
    let mut port = Port::new(16);
    port.play(2, |camera, number| camera.send(number, number * TICKS));
    assert_eq!(counted(port.broken()), 0, "{what}");
    port.play(5, broken);
    port.assert_others_are_whole(what);
    assert!(counted(port.broken()) > 0, "{what} is not counted: {:?}", port.broken().values());
    port.assert_recovers(what);
}

#[test]
fn a_stream_that_is_no_rtp_costs_the_others_nothing() {
    breaks(
        "no RTP",
        |counters| counters.rtp_malformed.value(),
        |camera, _| {
            (0..64).for_each(|octets: u8| camera.send_raw(&vec![octets; usize::from(octets)]));
        },
    );
}

#[test]
fn a_stream_of_larger_pictures_costs_the_others_nothing() {
    breaks(
        "larger",
        |counters| counters.segment_row.value(),
        |camera, number| {
            for packet in 0..camera.packets() {
                let mut datagram = camera.datagram(number, number * TICKS, packet);
                datagram[17] |= 0x40; // the row, from 64 on
                camera.send_raw(&datagram);
            }
        },
    );
}

#[test]
fn a_stream_of_smaller_pictures_costs_the_others_nothing() {
    breaks(
        "smaller",
        |counters| counters.grains_incomplete.value(),
        |camera, number| {
            // The upper half, and no number is missing.
            for packet in 0..camera.packets() / 2 {
                let datagram = camera.datagram(number, number * TICKS, packet);
                camera.send_raw(&datagram);
            }
        },
    );
}

#[test]
fn a_stream_of_twice_the_rate_costs_the_others_nothing() {
    breaks(
        "faster",
        |counters| counters.grains_too_soon.value(),
        |camera, number| {
            camera.send(number, number * TICKS);
            camera.send(number, number * TICKS + TICKS / 2);
        },
    );
}

#[test]
fn a_stream_that_loses_half_of_its_packets_costs_the_others_nothing() {
    breaks(
        "lossy",
        |counters| counters.packets_lost.value(),
        |camera, number| {
            camera.send_some(number, number * TICKS, |packet| packet % 2 == 0);
        },
    );
}

#[test]
fn a_stream_that_everybody_sends_ten_times_costs_the_others_nothing() {
    breaks(
        "duplicates",
        |counters| counters.duplicates.value(),
        |camera, number| {
            for packet in 0..camera.packets() {
                let datagram = camera.datagram(number, number * TICKS, packet);
                (0..10).for_each(|_| camera.send_raw(&datagram));
            }
        },
    );
}

#[test]
fn a_stream_that_holds_the_last_buffers_lets_go_of_them() {
    const HELD: u32 = 200;
    let mut port = Port::new(1_000);
    port.play(2, |camera, number| camera.send(number, number * TICKS));
    // A packet is missing: what comes afterwards waits for it.
    port.play(1, |camera, number| camera.send_some(number, number * TICKS, |packet| packet != 3));
    let frames = HELD / port.cameras[BROKEN].packets();
    let (before, incomplete) = (port.broken().grains_complete.value(), port.broken().grains_incomplete.value());
    for number in port.frames..port.frames + frames {
        port.cameras[BROKEN].send(number, number * TICKS);
    }
    port.studio.pass(1_000_000);
    assert_eq!(port.broken().grains_complete.value(), before, "they wait");
    port.studio.shortage.strike();
    port.studio.pass(1_000_000);
    assert_eq!(port.broken().waits_cut.value(), 1, "{:?}", port.broken().values());
    assert_eq!(port.broken().grains_incomplete.value(), incomplete + 1);
    assert_eq!(port.broken().grains_complete.value(), before + u64::from(frames), "what waited is sorted in");
    let cut = port.receiving.iter().map(|one| one.counters.waits_cut.value()).sum::<u64>();
    assert_eq!(cut, 1, "the others hold nothing");
    port.assert_others_are_whole("after a shortage");
    // Nobody holds anything any more: nobody is to let go.
    port.studio.shortage.strike();
    port.studio.pass(1_000_000);
    assert_eq!(port.broken().waits_cut.value(), 1);
}
