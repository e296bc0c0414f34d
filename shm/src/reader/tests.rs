//! The reader's rules one by one; what a hostile producer can show it is in `hostile`.

use std::ops::Range;

use media::GrainIndex;

use super::*;
use crate::fixture::{TestConsumer, TestRing, geometry_of, leased, line_bytes, stamp};
use crate::mapping::LOADS;
use crate::{Access, RingError, StableBytes, lease_page};

fn lease(consumer: &mut TestConsumer, index: u64) -> GrainLease {
    consumer.reader.lease(GrainIndex(index)).unwrap()
}

#[test]
fn lines_of_an_open_grain_are_read_in_place() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    let key = ring.open(4).unwrap();
    ring.write_line(4, 0);
    ring.write_line(4, 1);
    ring.writer.publish(key, 2);
    assert_eq!(ring.writer.open_grains().count(), 1, "not yet committed");

    let held = lease(&mut consumer, 4);
    let lines = held.lines(0..2).unwrap();
    assert_eq!(lines, [line_bytes(4, 0, 40), line_bytes(4, 1, 40)].concat());
    assert_eq!(held.lines(2..3), None, "not published");
    assert_eq!(held.lines(0..4), None, "beyond the picture");
    assert_eq!(held.lines(Range { start: 2, end: 1 }), None);

    let member = &consumer.reader.member;
    let region = member.data().range(0, member.data().octets()) as usize;
    let inside = region..region + member.data().octets();
    let first = lines.as_ptr() as usize;
    assert!(inside.contains(&first) && inside.contains(&(first + lines.len() - 1)), "a copy, not the region");
    assert_eq!((held.as_ptr() as usize, StableBytes::octets(&held)), (first, 120));

    ring.write_line(4, 2);
    assert_eq!(held.state().unwrap(), GrainState { slices: 2, ..GrainState::default() });
    ring.commit(4);
    assert_eq!(held.state().unwrap(), GrainState { slices: 3, complete: true, octets: 120, ..GrainState::default() });
    assert_eq!(held.lines(2..3).unwrap(), line_bytes(4, 2, 40));
}

#[test]
fn a_cancelled_grain_keeps_the_slices_it_has() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    let key = ring.open(4).unwrap();
    ring.write_line(4, 0);
    ring.writer.publish(key, 1);
    let held = lease(&mut consumer, 4);
    ring.cancel(4);
    assert_eq!(held.state().unwrap(), GrainState { slices: 1, cancelled: true, octets: 40, ..GrainState::default() });
    ring.grain(5).unwrap();
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(4, 0, 40));
}

#[test]
fn grains_are_not_yet_there_then_there_then_gone() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    assert_eq!(consumer.reader.next_available(), None);
    let gone =
        |index, oldest: Option<u64>| ReadError::Gone { index: GrainIndex(index), oldest: oldest.map(GrainIndex) };
    for index in [GrainIndex(0), GrainIndex(u64::MAX)] {
        assert_eq!(consumer.reader.lease(index).unwrap_err(), ReadError::NotYet { index, newest: None });
    }
    for index in [0, 1, 2] {
        ring.grain(index).unwrap();
    }
    // 0 is overwritten but still described; it is gone, and thereby passed.
    assert_eq!(consumer.reader.next_available(), Some(GrainIndex(0)));
    assert_eq!(consumer.reader.oldest(), Some(GrainIndex(1)));
    assert_eq!(consumer.reader.lease(GrainIndex(0)).unwrap_err(), gone(0, Some(1)));
    ring.grain(7).unwrap();
    assert_eq!(consumer.reader.lease(GrainIndex(1)).unwrap_err(), gone(1, Some(2)));
    assert_eq!(lease(&mut consumer, 2).index(), GrainIndex(2));
    // 3 to 6 never were.
    assert_eq!(consumer.reader.next_available(), Some(GrainIndex(7)));
    assert_eq!(consumer.reader.lease(GrainIndex(3)).unwrap_err(), gone(3, Some(7)));
    consumer.reader.skip_to(GrainIndex(7));
    let held = lease(&mut consumer, 7);
    assert_eq!(consumer.reader.lease(GrainIndex(7)).unwrap_err(), gone(7, None), "passed");
    let (index, newest) = (GrainIndex(8), Some(GrainIndex(7)));
    assert_eq!(consumer.reader.lease(index).unwrap_err(), ReadError::NotYet { index, newest });
    assert_eq!((consumer.reader.next_available(), consumer.reader.newest()), (None, Some(GrainIndex(7))));
    assert_eq!(held.stamp(), stamp(7));
}

#[test]
fn a_lossy_read_knows_that_it_was_overtaken() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    ring.grain(0).unwrap();
    let held = lease(&mut consumer, 0);
    let mut out = [0; 120];
    held.copy_lines(0..3, &mut out).unwrap();
    assert_eq!(out[40..80], line_bytes(0, 1, 40));
    assert_eq!(held.lines(0..1), None, "nothing is held for a lossy consumer");
    ring.grain(1).unwrap();
    held.copy_lines(0..3, &mut out).unwrap();
    ring.open(2).unwrap();
    let gone = ReadError::Gone { index: GrainIndex(0), oldest: None };
    assert_eq!(held.copy_lines(0..3, &mut out), Err(gone));
    assert_eq!(consumer.reader.state(&held.grain()), Err(gone));
}

#[test]
fn nobody_calls_a_line_of_a_grain_that_is_gone_whole() {
    let mut ring = TestRing::new(2, 70);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    let key = ring.open(0).unwrap();
    ring.writer.mark_lost(key, 69);
    ring.commit(0);
    let held = lease(&mut consumer, 0);
    let lost = |reader: &FrameReader| reader.lost_lines(&held.grain()).collect::<Vec<_>>();
    assert_eq!((lost(&consumer.reader), held.is_lost(69), held.is_lost(68)), (vec![69], true, false));
    ring.grain(1).unwrap();
    ring.open(2).unwrap();
    // The bitmap is the next grain's, of which no line is lost so far.
    assert_eq!((lost(&consumer.reader), held.is_lost(69), held.is_lost(68)), ((0..70).collect(), true, true));
    assert!(!held.is_lost(70), "there is no such line");
}

/// However far a reader is behind, it is there again after one look at all that is named.
#[test]
fn who_is_far_behind_gets_on_in_one_step() {
    let mut ring = TestRing::new(64, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    (0..120).for_each(|index| ring.grain(index).unwrap());
    let (first, oldest) = (GrainIndex(0), GrainIndex(120 - 64));
    assert_eq!(consumer.reader.next_available(), Some(first));
    LOADS.set(0);
    assert_eq!(consumer.reader.lease(first).unwrap_err(), ReadError::Gone { index: first, oldest: Some(oldest) });
    assert_eq!((consumer.reader.next_available(), consumer.reader.next_index()), (Some(oldest), oldest));
    let named = 128 + 64;
    assert!(LOADS.get() < 16 * named, "{} loads", LOADS.get());
    drop(lease(&mut consumer, oldest.0));
    // What is passed anyway is no advice.
    let (asked, next) = (GrainIndex(130), GrainIndex(140));
    ring.grain(120).unwrap();
    ring.grain(140).unwrap();
    assert_eq!(consumer.reader.lease(asked).unwrap_err(), ReadError::Gone { index: asked, oldest: Some(next) });
}

/// I3, at the very moment: the slot is opened again between the check and the end of the copy.
#[test]
fn a_lap_that_begins_during_the_copy_is_seen_after_it() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    ring.grain(0).unwrap();
    let held = lease(&mut consumer, 0);
    let member = &consumer.reader.member;
    assert!(member.lap_holds(&held.grain()));
    ring.grain(1).unwrap();
    assert!(member.lap_holds(&held.grain()));
    ring.open(2).unwrap();
    assert!(!member.lap_holds(&held.grain()), "opening is visible before the first octet is written");
}

#[test]
fn copies_are_checked_for_size() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    let key = ring.open(0).unwrap();
    ring.writer.publish(key, 1);
    let held = lease(&mut consumer, 0);
    let mut out = [0; 200];
    let none = |start, end| ReadError::Lines { start, end, slices: 3 };
    assert_eq!(held.copy_lines(0..1, &mut out[..39]), Err(ReadError::Size { octets: 40, room: 39 }));
    assert_eq!(held.copy_lines(0..4, &mut out), Err(none(0, 4)));
    assert_eq!(held.copy_lines(Range { start: 1, end: 0 }, &mut out), Err(none(1, 0)));
    let index = GrainIndex(0);
    assert_eq!(held.copy_lines(0..2, &mut out), Err(ReadError::Unpublished { index, wanted: 2, slices: 1 }));
    assert_eq!(held.copy_lines(1..1, &mut []), Ok(()));
    ring.cancel(0);
    assert_eq!(held.copy_lines(0..2, &mut out), Err(ReadError::Cancelled { index, slices: 1 }));
    assert_eq!(held.copy_bytes(&mut out), Ok(40));
}

#[test]
fn the_bytes_of_a_pod_are_only_copied() {
    let mut ring = TestRing::new(5, 3);
    let joined = ring.join(0, leased(1));
    let TestConsumer { page, consumer, nonce, .. } = joined;
    let mut pod = ring.attach(page, consumer, nonce, leased(1), Trust::Pod);
    ring.grain(0).unwrap();
    let held = lease(&mut pod, 0);
    assert_eq!(held.lines(0..1), None);
    let mut out = [0; 40];
    held.copy_lines(2..3, &mut out).unwrap();
    assert_eq!(out[..], line_bytes(0, 2, 40));
}

#[test]
fn lost_lines_are_told_from_the_top() {
    let mut ring = TestRing::new(4, 200);
    let mut consumer = ring.join(0, leased(1));
    let key = ring.open(0).unwrap();
    let lost = [0, 63, 64, 127, 199];
    for line in lost {
        ring.writer.mark_lost(key, line);
    }
    ring.commit(0);
    let held = lease(&mut consumer, 0);
    assert_eq!(consumer.reader.lost_lines(&held.grain()).collect::<Vec<_>>(), lost);
    assert!(held.is_lost(63) && !held.is_lost(62) && !held.is_lost(200) && !held.is_lost(u16::MAX));
    drop(held);
    // Until the slot is used again.
    for index in 1..5 {
        ring.grain(index).unwrap();
        let held = lease(&mut consumer, index);
        assert_eq!(consumer.reader.lost_lines(&held.grain()).count(), 0, "grain {index}");
    }
}

#[test]
fn leases_are_released_from_other_threads_in_any_order() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(4));
    for index in 0..4 {
        ring.grain(index).unwrap();
    }
    let held: Vec<_> = (0..4).map(|index| lease(&mut consumer, index)).collect();
    assert_eq!(consumer.reader.lease(GrainIndex(4)).unwrap_err(), ReadError::TooManyLeases { k: 4 });
    std::thread::scope(|scope| {
        for lease in held.into_iter().rev() {
            scope.spawn(move || drop(lease));
        }
    });
    let page = consumer.page.map(Access::ReadOnly).unwrap();
    assert_eq!(lease_page::cursor(&page), 4);
}

#[test]
fn a_grain_leased_twice_is_held_until_both_have_dropped() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(1));
    let other = ring.join(1, leased(1));
    ring.grain(0).unwrap();
    let first = lease(&mut consumer, 0);
    let second = consumer.reader.lease_again(&first).unwrap();
    let mut stranger = other.reader;
    assert_eq!(stranger.lease_again(&first).unwrap_err(), ReadError::Foreign { index: GrainIndex(0) });
    let page = consumer.page.map(Access::ReadOnly).unwrap();
    drop(first);
    assert_eq!(lease_page::cursor(&page), 0);
    assert_eq!(second.lines(0..1).unwrap(), line_bytes(0, 0, 40));
    drop(second);
    assert_eq!(lease_page::cursor(&page), 1);
}

#[test]
fn committed_grains_wait_until_they_are_passed() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(4));
    assert_eq!(consumer.reader.waiting(), 0);
    for index in [3, 4, 9] {
        ring.grain(index).unwrap();
    }
    ring.open(10).unwrap();
    assert_eq!(consumer.reader.waiting(), 3, "the open one is not waiting");
    drop(lease(&mut consumer, 3));
    assert_eq!(consumer.reader.waiting(), 2);
    consumer.reader.skip_to(GrainIndex(10));
    assert_eq!(consumer.reader.waiting(), 0);
}

#[test]
fn nothing_above_an_open_grain_waits() {
    let mut ring = TestRing::with(geometry_of(9, 3, 3));
    let mut consumer = ring.join(0, leased(4));
    for index in [3, 4, 9] {
        ring.open(index).unwrap();
    }
    ring.cancel(3);
    ring.commit(9);
    assert_eq!(consumer.reader.waiting(), 1, "4 is still open");
    drop(lease(&mut consumer, 3));
    assert_eq!(consumer.reader.waiting(), 0);
    ring.commit(4);
    assert_eq!(consumer.reader.waiting(), 2);
}

#[test]
fn a_partial_grain_and_a_cancelled_one_are_known_by_their_state() {
    let mut ring = TestRing::with(geometry_of(9, 3, 70));
    let mut consumer = ring.join(0, leased(4));
    for index in 0..3 {
        let key = ring.open(index).unwrap();
        for line in [3, 69] {
            ring.writer.mark_lost(key, line);
        }
    }
    let held = [0, 1, 2].map(|index| lease(&mut consumer, index));
    let key = ring.key(1);
    ring.writer.publish(key, 5);
    ring.cancel(1);
    ring.commit(0);
    let states = held.each_ref().map(|lease| lease.state().unwrap());
    assert_eq!(states[0], GrainState { slices: 70, complete: true, octets: 2800, lost_lines: 2, ..Default::default() });
    assert_eq!(states[1], GrainState { slices: 5, cancelled: true, octets: 200, lost_lines: 2, ..Default::default() });
    assert_eq!(states[2], GrainState::default());
    let facts = states.map(|state| (state.is_closed(), state.is_partial()));
    assert_eq!(facts, [(true, true), (true, false), (false, false)]);
}

#[test]
fn the_life_pipe_closes_with_the_last_lease() {
    let mut ring = TestRing::new(8, 3);
    let (page, nonce) = ring.ask(0, leased(1));
    ring.writer.poll(ring.now);
    let (broker, life) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
    let parts = ReaderParts { life: Some(life), ..ring.parts(&page, 0, nonce, leased(1), Trust::Gateway) };
    let mut reader = FrameReader::new(parts).unwrap();
    ring.grain(0).unwrap();
    let held = reader.lease(GrainIndex(0)).unwrap();
    drop(reader);
    assert_eq!(rustix::io::read(&broker, &mut [0_u8; 1]), Err(rustix::io::Errno::AGAIN), "still alive");
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(0, 0, 40));
    drop(held);
    assert_eq!(rustix::io::read(&broker, &mut [0_u8; 1]), Ok(0), "hung up");
}

#[test]
fn another_epoch_is_refused() {
    let mut ring = TestRing::new(4, 3);
    let (page, nonce) = ring.ask(0, leased(1));
    let parts = || ring.parts(&page, 0, nonce, leased(1), Trust::Gateway);
    assert!(matches!(FrameReader::new(parts()), Err(AttachError::NotJoined)), "the writer has not polled");
    let mut other = parts();
    other.geometry.epoch ^= 1;
    assert!(matches!(FrameReader::new(other), Err(AttachError::Header { word: 4, .. })));
    let seat = ReaderParts { consumer: 64, ..parts() };
    assert!(matches!(FrameReader::new(seat), Err(AttachError::Seat(64))));
    let mut larger = parts();
    larger.geometry.slots = 1000;
    larger.geometry.descs = 2048;
    assert!(matches!(FrameReader::new(larger), Err(AttachError::Ring(RingError::Short { .. }))));
    ring.writer.poll(ring.now);
    let parts = ReaderParts { nonce: nonce + 1, ..ring.parts(&page, 0, nonce, leased(1), Trust::Gateway) };
    assert!(matches!(FrameReader::new(parts), Err(AttachError::NotJoined)));
}

/// Lives on two threads: what one reads after a valid read was never torn.
#[test]
fn validated_lossy_reads_are_whole() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    let grains = 20_000;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for index in 0..grains {
                ring.grain(index).unwrap();
            }
        });
        let (mut out, mut whole) = ([0; 120], 0_u64);
        while consumer.reader.next_index().0 < grains {
            let Some(index) = consumer.reader.newest().filter(|index| *index >= consumer.reader.next_index()) else {
                std::hint::spin_loop();
                continue;
            };
            let Ok(held) = consumer.reader.lease(index) else { continue };
            while held.state().is_ok_and(|state| !state.complete) {
                std::hint::spin_loop();
            }
            if held.copy_lines(0..3, &mut out).is_ok() {
                let expected = [0, 1, 2].map(|line| line_bytes(index.0, line, 40)).concat();
                assert_eq!(out[..], expected, "grain {index}");
                whole += 1;
            }
        }
        // The last grain is never given up, so at least that one was whole.
        assert!(whole > 0);
    });
}
