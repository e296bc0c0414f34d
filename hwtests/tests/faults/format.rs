//! A camera that sends something else than its SDP says, and packets for nobody.

use std::collections::BTreeSet;

use hwtests::crowd::{self, Crowd, PERIOD, Setting, TICKS, format_of, frame};
use hwtests::gateway_bench::port_counter;
use hwtests::rfc4175::Stream;
use hwtests::{eventually, take_turn};

use crate::{BROKEN, can_run, is_logged, is_told, is_troubled, others_are_whole, recovers};

/// Frames of a fault: more than a second of them.
const FRAMES: u32 = 40;

/// How the flow breaks; what its receiver counts, and what an operator reads.
struct Break {
    what: &'static str,
    camera: fn(&mut Stream, u32) -> Vec<Vec<u8>>,
    counter: &'static str,
    words: &'static str,
}

const BREAKS: [Break; 6] = [
    Break {
        what: "a larger picture",
        camera: |stream, timestamp| of_size(stream, timestamp, 128, 64),
        counter: "segment_row",
        words: "packets that do not fit its SDP",
    },
    Break {
        what: "a smaller picture",
        camera: |stream, timestamp| of_size(stream, timestamp, 64, 16),
        counter: "grains_incomplete",
        words: "frames that end without all their lines although no packet is missing",
    },
    Break {
        what: "twice the rate",
        camera: |stream, timestamp| [timestamp, timestamp + TICKS / 2].map(|ticks| frame(stream, ticks)).concat(),
        counter: "grains_too_soon",
        words: "frames sooner than its SDP's frame rate has them",
    },
    Break {
        what: "every other packet",
        camera: |stream, timestamp| frame(stream, timestamp).into_iter().step_by(2).collect(),
        counter: "packets_lost",
        words: "packets lost",
    },
    Break {
        what: "a second sender",
        camera: |stream, timestamp| {
            let own = frame(stream, timestamp);
            let mut other = Stream { ssrc: stream.ssrc + 1_000, extras: stream.extras.clone(), ..*stream };
            [own, frame(&mut other, timestamp)].concat()
        },
        counter: "ssrc_foreign",
        words: "packets of another sender",
    },
    Break {
        what: "no RTP at all",
        camera: |_, _| vec![vec![0x00; 300]; 6],
        counter: "rtp_malformed",
        words: "packets that do not fit its SDP",
    },
];

/// A frame of another size under the stream's own numbers.
fn of_size(stream: &mut Stream, timestamp: u32, width: u32, height: u32) -> Vec<Vec<u8>> {
    let own = std::mem::replace(&mut stream.format, format_of(width, height));
    let datagrams = frame(stream, timestamp);
    stream.format = own;
    datagrams
}

#[test]
fn a_camera_that_changes_its_format_costs_the_other_flows_nothing() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut crowd = Crowd::set_up(Setting::default()).unwrap();
    crowd.play(10);
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    let mut told = 0;
    for Break { what, camera, counter, words } in BREAKS {
        let before = crowd.count(BROKEN, counter).unwrap();
        crowd.play_with(FRAMES, |number, stream, timestamp| match number {
            BROKEN => camera(stream, timestamp),
            _ => frame(stream, timestamp),
        });
        is_told(&crowd.gateway, &format!("receiver {}: {words}", crowd::cam(BROKEN)));
        others_are_whole(&crowd, what);
        assert!(crowd.count(BROKEN, counter).unwrap() > before, "{what}: no {counter}");
        told += 1;
        recovers(&mut crowd, what);
    }
    assert_eq!(told, BREAKS.len());
    eventually("status is content", || !is_troubled(&crowd.gateway, "receiver cam-"));
    is_logged(&crowd.gateway, "receiver cam-17: over after");
    let log = crowd.gateway.process().log();
    assert!(!log.contains("ERROR"), "{log}");
    crowd.gateway.stop().unwrap();
}

#[test]
fn packets_for_nobody_are_counted_and_told() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let mut crowd = Crowd::set_up(Setting::default()).unwrap();
    crowd.play(5);
    for _ in 0..40 {
        crowd.stray(100);
        crowd.play(1);
    }
    is_told(&crowd.gateway, "port media: packets for nobody");
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    assert_eq!(port_counter(&crowd.gateway.statistics().unwrap(), "rx_unwanted_packets"), 4_000);
    eventually("status is content", || !is_troubled(&crowd.gateway, "for nobody"));
    crowd.play(1_000 / PERIOD.as_millis() as u32);
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    crowd.gateway.stop().unwrap();
}
