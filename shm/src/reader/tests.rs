//! The reader's rules one by one, and what a hostile producer can show it.

use std::ops::Range;

use media::GrainIndex;
use proptest::prelude::*;

use super::*;
use crate::fixture::{TestConsumer, TestRing, geometry, leased, line_bytes, stamp};
use crate::{Access, GrainEnd, IdentityPlacement, LeasePage, PagePolicy, Region, StableBytes};

fn lease(consumer: &mut TestConsumer, index: u64) -> GrainLease {
    consumer.reader.lease(GrainIndex(index)).unwrap()
}

#[test]
fn lines_of_an_open_grain_are_read_in_place() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    ring.open(4).unwrap();
    ring.write_line(4, 0);
    ring.write_line(4, 1);
    ring.writer.publish(2);
    assert_eq!(ring.writer.current(), Some(GrainIndex(4)), "not yet committed");

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
    assert_eq!(held.state().unwrap(), GrainState { slices: 2, complete: false, cancelled: false });
    ring.writer.commit(GrainEnd::default());
    assert_eq!(held.state().unwrap(), GrainState { slices: 3, complete: true, cancelled: false });
    assert_eq!(held.lines(2..3).unwrap(), line_bytes(4, 2, 40));
}

#[test]
fn a_cancelled_grain_keeps_the_slices_it_has() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    ring.open(4).unwrap();
    ring.write_line(4, 0);
    ring.writer.publish(1);
    let held = lease(&mut consumer, 4);
    ring.writer.cancel();
    assert_eq!(held.state().unwrap(), GrainState { slices: 1, complete: false, cancelled: true });
    ring.grain(5).unwrap();
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(4, 0, 40));
}

#[test]
fn grains_are_not_yet_there_then_there_then_gone() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    assert_eq!(consumer.reader.next_available(), None);
    assert_eq!(consumer.reader.lease(GrainIndex(0)).unwrap_err(), ReadError::NotYet);
    assert_eq!(consumer.reader.lease(GrainIndex(u64::MAX)).unwrap_err(), ReadError::NotYet);
    for index in [0, 1, 2] {
        ring.grain(index).unwrap();
    }
    // 0 is overwritten but still described; it is gone, and thereby passed.
    assert_eq!(consumer.reader.next_available(), Some(GrainIndex(0)));
    assert_eq!(consumer.reader.lease(GrainIndex(0)).unwrap_err(), ReadError::Gone);
    ring.grain(7).unwrap();
    assert_eq!(consumer.reader.lease(GrainIndex(1)).unwrap_err(), ReadError::Gone);
    assert_eq!(lease(&mut consumer, 2).index(), GrainIndex(2));
    // 3 to 6 never were.
    assert_eq!(consumer.reader.next_available(), Some(GrainIndex(7)));
    assert_eq!(consumer.reader.lease(GrainIndex(3)).unwrap_err(), ReadError::Gone);
    consumer.reader.skip_to(GrainIndex(7));
    let held = lease(&mut consumer, 7);
    assert_eq!(consumer.reader.lease(GrainIndex(7)).unwrap_err(), ReadError::Gone, "passed");
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
    assert_eq!(held.copy_lines(0..3, &mut out), Err(ReadError::Gone));
    assert_eq!(consumer.reader.state(&held.grain()), Err(ReadError::Gone));
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
    ring.open(0).unwrap();
    ring.writer.publish(1);
    let held = lease(&mut consumer, 0);
    let mut out = [0; 200];
    assert_eq!(held.copy_lines(0..1, &mut out[..39]), Err(ReadError::Size));
    assert_eq!(held.copy_lines(0..4, &mut out), Err(ReadError::Size));
    assert_eq!(held.copy_lines(Range { start: 1, end: 0 }, &mut out), Err(ReadError::Size));
    assert_eq!(held.copy_lines(0..2, &mut out), Err(ReadError::NotYet));
    assert_eq!(held.copy_lines(1..1, &mut []), Ok(()));
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
    ring.open(0).unwrap();
    let lost = [0, 63, 64, 127, 199];
    for line in lost {
        ring.writer.mark_lost(line);
    }
    ring.writer.commit(GrainEnd::default());
    let held = lease(&mut consumer, 0);
    assert_eq!(consumer.reader.lost_lines(&held.grain()).collect::<Vec<_>>(), lost);
    assert!(held.is_lost(63) && !held.is_lost(62) && !held.is_lost(200) && !held.is_lost(u16::MAX));
    ring.grain(1).unwrap();
    drop(held);
    let held = lease(&mut consumer, 1);
    assert_eq!(consumer.reader.lost_lines(&held.grain()).count(), 0);
}

#[test]
fn leases_are_released_from_other_threads_in_any_order() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(4));
    for index in 0..4 {
        ring.grain(index).unwrap();
    }
    let held: Vec<_> = (0..4).map(|index| lease(&mut consumer, index)).collect();
    assert_eq!(consumer.reader.lease(GrainIndex(4)).unwrap_err(), ReadError::TooManyLeases);
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
    assert_eq!(stranger.lease_again(&first).unwrap_err(), ReadError::Gone);
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

/// A ring whose producer is the test: a control region to scribble on, and a reader that distrusts it.
struct Hostile {
    control: Mapping,
    reader: FrameReader,
}

const NONCE: u64 = 77;

impl Hostile {
    fn new() -> Self {
        let region = Region::create(geometry(4, 70), PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let geometry = *region.geometry();
        let (control, _data) = region.map_for_writing().unwrap();
        for (word, value) in layout::header_words(&geometry).into_iter().enumerate() {
            control.store(word * 8, value);
        }
        control.store(layout::seat(0), SeatStatus::Live { eff: GrainIndex(0) }.encode());
        control.store(layout::seat(0) + 8, NONCE);
        let (seen, data) = region.seal().unwrap().map_for_reading().unwrap();
        let lease = LeasePage::create().unwrap().map(Access::ReadWrite).unwrap();
        let reader = FrameReader::new(ReaderParts {
            geometry,
            control: seen,
            data,
            lease,
            consumer: 0,
            class: leased(1),
            nonce: NONCE,
            trust: Trust::Pod,
            life: None,
        })
        .unwrap();
        Self { control, reader }
    }
}

/// Words that are likely to hurt: small numbers, powers of two and their neighbours, and anything.
fn nasty() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..20,
        (0_u32..64, -2_i64..=2).prop_map(|(bit, near)| (1_u64 << bit).wrapping_add_signed(near)),
        (0_u64..8, 0_u64..100).prop_map(|(q, slices)| q << 16 | slices),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever stands in the control region, at whatever moment: no panic, nothing out of range, no endless loop.
    #[test]
    fn a_hostile_control_region_hurts_nobody(
        rounds in prop::collection::vec(
            (prop::collection::vec((0_usize..1280, nasty()), 0..24), nasty(), 0_u16..80, 0_u16..80), 1..24),
    ) {
        let mut hostile = Hostile::new();
        let mut held: Vec<GrainLease> = Vec::new();
        let words = hostile.control.octets() / 8;
        for (scribbles, index, start, end) in rounds {
            for (word, value) in scribbles {
                // Spare the seat: an eviction is the end of the story.
                let at = word % words * 8;
                if !(512..640).contains(&at) {
                    hostile.control.store(at, value);
                }
            }
            let reader = &mut hostile.reader;
            let next = reader.next_available();
            for index in next.into_iter().chain([GrainIndex(index)]) {
                if let Ok(lease) = reader.lease(index) {
                    prop_assert!(lease.grain().slot() < 4);
                    held.push(lease);
                }
            }
            let mut out = [0; 70 * 40];
            for lease in &held {
                if let Ok(state) = lease.state() {
                    prop_assert!(state.slices <= 70 && !(state.complete && state.slices < 70));
                }
                prop_assert_eq!(lease.lines(start..end), None);
                let _ = lease.copy_lines(start..end, &mut out);
                prop_assert!(reader.lost_lines(&lease.grain()).all(|line| line < 70));
                let _ = lease.is_lost(end);
            }
            if start % 3 == 0 {
                held.pop();
            }
        }
    }

    /// A plausible descriptor with random words in it leads to a slot of the ring or to nothing.
    #[test]
    fn a_lying_descriptor_never_leads_out_of_the_ring(slot in nasty(), q in nasty(), progress in nasty(), opened in nasty()) {
        let mut hostile = Hostile::new();
        let desc = hostile.reader.member.layout().desc(5);
        for (at, value) in [(desc, 6), (desc + 8, slot), (desc + 16, q), (layout::OPENED, opened)] {
            hostile.control.store(at, value);
        }
        for number in 0..4 {
            let at = hostile.reader.member.layout().slot(number);
            hostile.control.store(at, q.wrapping_mul(2).wrapping_add(1));
            hostile.control.store(at + 8, progress);
        }
        match hostile.reader.lease(GrainIndex(5)) {
            Ok(lease) => {
                prop_assert!(slot < 4 && progress >> 16 == q && opened > 5);
                prop_assert!(lease.octets() == 2800);
            }
            Err(error) => prop_assert!(matches!(error, ReadError::Gone | ReadError::NotYet)),
        }
    }
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
