//! Packets to grains: order, loss, restarts, time-outs.

use media::{Depth, Rate, Sampling, VideoFormat};
use netio::sim::Faults;
use shm::{GrainState, Store, StoreChoice};

use super::studio::{Command, Report, Studio, drain, format, picture};

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

#[test]
fn whole_frames_arrive_bit_exact() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    for number in 0..5 {
        camera.send(number, (u32::MAX - 5000).wrapping_add(number * TICKS)); // over the wrap of the timestamp
        studio.pass(FRAME);
        let grains = drain(&mut reader);
        assert_eq!(grains.len(), 1);
        assert_eq!(grains[0].0, picture(&receiving.format, number));
    }
    let counters = &receiving.counters;
    assert_eq!((counters.grains_complete.value(), counters.lines_lost.value()), (5, 0));
    let octets = u64::from(receiving.format.frame_octets());
    assert_eq!(counters.octets_copied_by_us.value(), 5 * octets, "each octet is copied once");
}

#[test]
fn what_comes_before_the_receiver_waits_in_its_socket() {
    let mut studio = Studio::new(1, Faults::default());
    let destination = studio.address();
    let leg = studio.socket(destination);
    let (receiver, receiving) = studio.receiver(&[leg], format(25), 16, |_| {});
    let mut camera = studio.camera(&receiving, 1);
    camera.send(0, 0);
    studio.pass(1_000_000);
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    studio.pass(1_000_000);
    assert_eq!(receiving.counters.grains_complete.value(), 1);
    assert_eq!(studio.worker.counters().packets_unsteered.value(), 0);
}

#[test]
fn lines_are_readable_before_the_grain_is_committed() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 4);
    let half = camera.packets() / 2;
    camera.send_some(3, 1000, |packet| packet < half);
    studio.pass(1_000_000);
    let lease = reader.lease(reader.next_available().unwrap()).unwrap();
    let state = lease.state().unwrap();
    assert_eq!(state, GrainState { slices: 8, ..GrainState::default() });
    let wanted = picture(&receiving.format, 3);
    assert_eq!(lease.lines(0..8).unwrap(), &wanted[..wanted.len() / 2]);
    assert_eq!(lease.lines(0..9), None, "a line that is not published is not given out");
}

/// 1920 samples are four packets of 1,200 octets; 720 are two of 900, whose ends lie within lines and words.
#[test]
fn what_is_stored_past_the_caches_is_the_same_picture() {
    let wide = VideoFormat::new(1920, 16, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap();
    for format in [wide, format(25)] {
        let mut studio = Studio::new(3, Faults { reorder_per_mille: 200, ..Faults::default() });
        let mut receiving = studio.receive_with(format, 16, |config| {
            (config.stores, config.reorder_packets) = (StoreChoice::always(Store::Streamed), 64);
        });
        let mut camera = studio.camera(&receiving, 1);
        let mut reader = studio.reader(&mut receiving, 8);
        for number in 0..4 {
            camera.send(number, number * TICKS);
            studio.pass(FRAME);
            let grains = drain(&mut reader);
            assert_eq!(grains.len(), 1);
            assert_eq!(grains[0].0, picture(&format, number));
        }
        let counters = &receiving.counters;
        assert_eq!((counters.grains_complete.value(), counters.grains_streamed.value()), (4, 4));
    }
}

#[test]
fn reordering_and_duplication_change_nothing() {
    for seed in 0..20 {
        let faults = Faults { reorder_per_mille: 200, duplicate_per_mille: 100, ..Faults::default() };
        let mut studio = Studio::new(seed, faults);
        let mut receiving = studio.receive_with(format(25), 16, |config| config.reorder_packets = 64);
        let mut camera = studio.camera(&receiving, 1);
        let mut reader = studio.reader(&mut receiving, 8);
        for number in 0..4 {
            camera.send(number, number * TICKS);
        }
        studio.pass(4 * FRAME);
        let grains = drain(&mut reader);
        assert_eq!(grains.len(), 4, "seed {seed}");
        for (number, (bytes, lost)) in (0..).zip(&grains) {
            assert!(lost.is_empty(), "seed {seed}");
            assert_eq!(*bytes, picture(&receiving.format, number), "seed {seed}, frame {number}");
        }
        assert_eq!(receiving.counters.packets_lost.value(), 0, "seed {seed}");
    }
}

#[test]
fn chained_buffers_are_written_like_whole_ones() {
    let mut studio = Studio::new(3, Faults { chain_per_mille: 1000, ..Faults::default() });
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 4);
    camera.send(9, 0);
    studio.pass(FRAME);
    assert_eq!(drain(&mut reader)[0].0, picture(&receiving.format, 9));
}

#[test]
fn loss_is_known_per_line_and_the_rest_is_exact() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    camera.send_some(0, 0, |packet| packet != 5); // two packets a row: row 2
    camera.send(1, TICKS);
    studio.pass(FRAME);
    let grains = drain(&mut reader);
    assert_eq!(grains.len(), 2);
    assert_eq!(grains[0].1, [2]);
    let row = receiving.format.row_octets() as usize;
    let wanted = picture(&receiving.format, 0);
    assert_eq!(grains[0].0[..2 * row], wanted[..2 * row]);
    assert_eq!(grains[0].0[3 * row..], wanted[3 * row..]);
    assert_eq!(grains[1].0, picture(&receiving.format, 1));
    let counters = &receiving.counters;
    assert_eq!((counters.packets_lost.value(), counters.lines_lost.value()), (1, 1));
    assert_eq!((counters.grains_incomplete.value(), counters.grains_complete.value()), (1, 1));
}

#[test]
fn the_last_grain_of_a_stream_that_stops_is_closed_by_time() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    camera.send_some(0, 0, |packet| packet != 31);
    studio.pass(70_000_000);
    let lease = reader.lease(reader.next_available().unwrap()).unwrap();
    assert!(!lease.state().unwrap().complete);
    studio.pass(20_000_000);
    assert!(lease.state().unwrap().complete);
    assert!(lease.is_lost(15) && !lease.is_lost(14));
}

#[test]
fn a_packet_that_comes_within_the_window_of_the_next_grain_is_not_lost() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    let late = {
        camera.send_some(0, 0, |packet| packet < 31);
        // The datagram of packet 31 takes the next number, as the camera's last one was not sent.
        camera.datagram(0, 0, 31)
    };
    camera.send_some(1, TICKS, |packet| packet < 10);
    camera.send_raw(&late);
    studio.pass(1_000_000);
    let counters = &receiving.counters;
    assert_eq!(counters.grains_complete.value(), 1);
    assert_eq!(counters.late.value(), 0);
    assert_eq!(drain(&mut reader)[0].0, picture(&receiving.format, 0));
}

#[test]
fn a_timestamp_jump_anchors_the_index_anew_and_loses_nothing() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    for (number, timestamp) in [(0, 0), (1, TICKS), (2, 0x8000_0000), (3, 0x8000_0000 + TICKS), (4, 17)] {
        camera.send(number, timestamp);
        studio.pass(FRAME);
    }
    let grains = drain(&mut reader);
    let numbers: Vec<_> = (0..5).map(|number| picture(&receiving.format, number)).collect();
    assert!(grains.iter().map(|(bytes, _)| bytes).eq(numbers.iter()));
    assert_eq!(receiving.counters.timestamp_jumps.value(), 2);
}

#[test]
fn drops_of_the_socket_are_told_while_the_worker_is_overrun() {
    let mut studio = Studio::new(1, Faults::default());
    let receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let frames = 5000 / camera.packets();
    for number in 0..frames {
        camera.send(number, number * TICKS);
    }
    let turn = studio.worker.turn();
    assert!(turn.is_busy);
    let drops = u64::from(frames * camera.packets()) - 4096;
    assert_eq!(receiving.counters.socket_drops.value(), drops);
}

/// Readers in the ring when frame `number` has been sent.
fn readers_at(number: u32) -> usize {
    1 + usize::from(number >= 5)
}

#[test]
fn a_full_ring_drops_whole_grains_and_counts_them() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 5);
    let mut camera = studio.camera(&receiving, 1);
    // More than the broker would admit: each may come to hold three slots, and one is always the newest's.
    let mut readers = vec![studio.reader(&mut receiving, 2)];
    let mut held = Vec::new();
    for number in 0..12 {
        camera.send(number, number * TICKS);
        studio.pass(FRAME);
        if number == 5 {
            readers.push(studio.reader(&mut receiving, 2));
        }
        if let Some(reader) = readers.last_mut()
            && held.len() < 2 * readers_at(number)
            && let Some(index) = reader.next_available()
            && let Ok(lease) = reader.lease(index)
        {
            let bytes = lease.lines(0..16).unwrap().to_vec();
            held.push((bytes, lease));
        }
    }
    let counters = &receiving.counters;
    let dropped = counters.grains_no_slot.value();
    assert_eq!(counters.grains_complete.value() + dropped, 12);
    assert!(dropped > 0);
    assert_eq!(counters.packets_dropped_with_grain.value(), dropped * u64::from(camera.packets()));
    for (bytes, lease) in &held {
        assert_eq!(lease.lines(0..16).unwrap(), bytes, "a leased slot was overwritten");
    }
    let slots = receiving.writer.slot_accounts();
    assert_eq!(slots.free + slots.open + slots.done, 5);
}
