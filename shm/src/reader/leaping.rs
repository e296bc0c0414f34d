//! Indices that leap: two grains that are both held use one descriptor, and the later one has it.

use media::GrainIndex;

use super::*;
use crate::Start;
use crate::fixture::{TestConsumer, TestRing, geometry_of, leased, line_bytes, stamp};

/// Descriptors of a ring of eight slots.
const DESCS: u64 = 16;

fn next(consumer: &mut TestConsumer) -> GrainLease {
    let index = consumer.reader.next_available().expect("a grain that is held");
    consumer.reader.lease(index).unwrap()
}

#[test]
fn what_is_held_is_found_whatever_has_its_descriptor() {
    let indices = [3, 3 + DESCS, 4 + DESCS, 3 + 5 * DESCS, 3 + 6 * DESCS];
    for class in [leased(5), ConsumerClass::Blocking { k: 5 }] {
        let mut ring = TestRing::new(8, 3);
        let early = ring.join(0, class);
        indices.into_iter().for_each(|index| ring.grain(index).unwrap());
        let late = ring.join_from(1, class, Start::Oldest);
        assert_eq!(early.reader.waiting(), 5);
        for mut consumer in [early, late] {
            let held = indices.map(|_| next(&mut consumer));
            assert_eq!(held.each_ref().map(|lease| lease.index().0), indices);
            for lease in held {
                let index = lease.index().0;
                assert_eq!((lease.stamp(), lease.lines(2..3).unwrap()), (stamp(index), &line_bytes(index, 2, 40)[..]));
            }
            assert_eq!((consumer.reader.next_available(), consumer.reader.waiting()), (None, 0));
        }
        assert_eq!(ring.writer.counters().evicted(), 0);
    }
}

#[test]
fn a_leased_grain_is_waited_for_though_a_later_one_has_its_descriptor() {
    let mut ring = TestRing::with(geometry_of(8, 2, 3));
    let mut consumer = ring.join(0, leased(2));
    ring.open(3).unwrap();
    let held = next(&mut consumer);
    ring.open(3 + DESCS).unwrap();
    ring.publish(3, 2);
    let want = |slices| FrameReader::want(held.index(), slices).unwrap();
    assert_eq!(consumer.reader.look(want(2)).unwrap().map(|state| state.slices), Some(2));
    assert_eq!(consumer.reader.look(want(3)).unwrap(), None);
    ring.commit(3);
    assert_eq!(consumer.reader.look(want(3)).unwrap().map(|state| state.complete), Some(true));
}

#[test]
fn a_lossy_reader_finds_them_too_until_they_are_overwritten() {
    let mut ring = TestRing::new(2, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    ring.grain(0).unwrap();
    ring.grain(4).unwrap();
    assert_eq!(consumer.reader.oldest(), Some(GrainIndex(0)));
    let held = next(&mut consumer);
    assert_eq!(held.index(), GrainIndex(0));
    ring.grain(8).unwrap();
    assert!(held.state().is_err());
    assert_eq!(next(&mut consumer).index(), GrainIndex(4));
    assert_eq!(next(&mut consumer).index(), GrainIndex(8));
    let newest = GrainIndex(8);
    assert_eq!(
        consumer.reader.lease(GrainIndex(4)).unwrap_err(),
        ReadError::Gone { index: GrainIndex(4), oldest: None }
    );
    assert_eq!(consumer.reader.newest(), Some(newest));
}
