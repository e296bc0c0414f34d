//! The writer's rules one by one; random interleavings are in `model`.

mod open_grains;
mod waiting;

use std::ops::Range;

use super::*;
use crate::fixture::{TestConsumer, TestRing, leased, line_bytes, stamp};
use crate::mapping::LOADS;
use crate::store::Store;
use crate::{Access, ConsumerClass, GrainEnd, LeasePage, Mail, Notice, ReadError, SeatStatus, Start};

fn accounts(free: u16, open: u16, done: u16, leased: u16, quarantined: u16) -> SlotAccounts {
    SlotAccounts { free, open, done, leased, quarantined }
}

fn lease(consumer: &mut TestConsumer, index: u64) -> crate::GrainLease {
    consumer.reader.lease(GrainIndex(index)).unwrap()
}

#[test]
fn indices_rise_and_stay_below_the_limit() {
    let mut ring = TestRing::new(4, 3);
    assert_eq!(ring.writer.last(), None);
    ring.grain(0).unwrap();
    ring.grain(5).unwrap();
    let (index, limit) = (GrainIndex(5), GrainIndex(GrainIndex::LIMIT));
    assert_eq!(ring.open(5), Err(OpenError::NotMonotone { index, last: GrainIndex(5) }));
    assert_eq!(ring.open(limit.0), Err(OpenError::Limit { index: limit }));
    let last = ring.open(limit.0 - 1).unwrap();
    assert_eq!(ring.open(7), Err(OpenError::NotMonotone { index: GrainIndex(7), last: last.index() }));
    assert!(ring.writer.open_grains().eq([(GrainIndex(limit.0 - 1), last)]));
}

#[test]
fn only_unpublished_octets_of_the_open_grain_are_written() {
    let mut ring = TestRing::new(4, 3);
    let key = ring.open(1).unwrap();
    let outside = |end| WriteError::Range { end, grain_octets: 120 };
    let published = |offset| WriteError::Published { offset, published_octets: 80 };
    assert_eq!(ring.writer.write(key, 119, &[1, 2]), Err(outside(121)));
    assert_eq!(ring.writer.write(key, u32::MAX, &[1]), Err(outside(1 << 32)));
    assert_eq!(ring.writer.write(key, 119, &[1]), Ok(()));
    ring.writer.publish(key, 2);
    assert_eq!(ring.writer.write(key, 79, &[1, 2]), Err(published(79)));
    assert_eq!(ring.writer.lines_mut(key, 1..3).unwrap_err(), published(40));
    assert_eq!(ring.writer.lines_mut(key, 2..3).unwrap().len(), 40);
    assert_eq!(ring.writer.lines_mut(key, 2..4).unwrap_err(), outside(160));
    let backwards = Range { start: 3, end: 2 };
    assert_eq!(ring.writer.lines_mut(key, backwards).unwrap_err(), outside(u64::MAX));
    ring.writer.publish(key, 1);
    assert_eq!(ring.writer.published(key), 2, "progress never falls");
    ring.writer.publish(key, u16::MAX);
    assert_eq!(ring.writer.published(key), 3);
}

#[test]
fn what_was_streamed_is_fenced_before_anybody_sees_it() {
    let mut ring = TestRing::new(4, 3);
    let key = ring.open(1).unwrap();
    let stream = |ring: &mut TestRing, offset: u32| {
        ring.writer.write_by(Store::Streamed, key, offset, &[offset as u8; 40]).unwrap();
        assert!(ring.writer.has_streamed);
    };
    stream(&mut ring, 0);
    ring.writer.publish(key, 1);
    assert!(!ring.writer.has_streamed, "published");
    stream(&mut ring, 40);
    assert_eq!(ring.writer.lines_mut(key, 1..2).unwrap(), [40; 40]);
    assert!(!ring.writer.has_streamed, "lent");
    stream(&mut ring, 80);
    ring.writer.publish(key, 1);
    assert!(ring.writer.has_streamed, "nothing new was published");
    ring.writer.commit(key, GrainEnd::default());
    assert!(!ring.writer.has_streamed, "committed");
}

#[test]
fn lost_lines_are_counted_once_and_only_before_they_are_published() {
    let mut ring = TestRing::new(4, 70);
    let key = ring.open(1).unwrap();
    ring.writer.publish(key, 2);
    for line in [1, 2, 2, 69, 70, u16::MAX] {
        ring.writer.mark_lost(key, line);
    }
    assert_eq!(ring.writer.counters().lines_lost(), 2);
}

#[test]
fn a_region_has_one_writer_in_its_life() {
    let ring = TestRing::new(4, 3);
    let region =
        crate::Region::create(*ring.region.geometry(), crate::PagePolicy::PlainOnly, &crate::IdentityPlacement)
            .unwrap();
    let geometry = *region.geometry();
    let attach = || {
        let (control, data) = region.map_for_writing().unwrap();
        FrameWriter::new(geometry, control, data, Arc::default())
    };
    attach().unwrap();
    assert!(matches!(attach(), Err(RingError::InUse)));
    let (control, data) = region.map_for_writing().unwrap();
    let larger = Geometry { slots: 8, descs: 16, ..geometry };
    assert!(matches!(FrameWriter::new(larger, control, data, Arc::default()), Err(RingError::Short { .. })));
}

#[test]
fn a_held_grain_is_never_overwritten_and_the_new_one_is_dropped() {
    // One consumer may hold 1; the ring is smaller than the sizing rule demands.
    let mut ring = TestRing::with(Geometry { k_max: 2, ..crate::fixture::geometry(3, 3) });
    let mut consumer = ring.join(0, leased(2));
    for index in 0..3 {
        ring.grain(index).unwrap();
    }
    let held = lease(&mut consumer, 0);
    assert_eq!(ring.writer.slot_accounts(), accounts(0, 0, 3, 3, 0));
    // Its window is 3 grains now: it is evicted, and all three stay quarantined.
    assert_eq!(ring.open(3), Err(OpenError::NoSlot { slots: 3, held: 3 }));
    assert_eq!(consumer.reader.status(), SeatStatus::Evicted { hi: GrainIndex(3) });
    assert_eq!(ring.writer.slot_accounts(), accounts(0, 0, 3, 0, 3));
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(0, 0, 40));
    assert_eq!((ring.writer.counters().no_slot(), ring.writer.counters().evicted()), (1, 1));
    assert_eq!(ring.writer.last(), Some(GrainIndex(2)), "the dropped grain left no trace");
    drop(held);
    consumer.reader.acknowledge_eviction().unwrap();
    ring.open(4).unwrap();
    assert_eq!(ring.writer.slot_accounts(), accounts(0, 1, 2, 0, 0));
    assert_eq!(ring.writer.counters().slot_accounts(), accounts(0, 1, 2, 0, 0));
}

#[test]
fn what_a_live_consumer_holds_is_not_given_up_either() {
    let mut ring = TestRing::with(Geometry { k_max: 2, ..crate::fixture::geometry(4, 3) });
    let _evicted = ring.join(0, leased(1));
    ring.grain(0).unwrap();
    ring.grain(1).unwrap();
    let mut consumer = ring.join(1, leased(2));
    ring.grain(2).unwrap();
    ring.grain(3).unwrap();
    let held = lease(&mut consumer, 2);
    assert_eq!(ring.writer.slot_accounts(), accounts(0, 0, 4, 2, 2));
    assert_eq!(ring.open(4), Err(OpenError::NoSlot { slots: 4, held: 4 }));
    assert_eq!(consumer.reader.status(), SeatStatus::Live { eff: GrainIndex(2) });
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(2, 0, 40));
}

#[test]
fn a_consumer_that_keeps_up_is_never_evicted() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    for index in 0..50 {
        ring.grain(index * 3).unwrap();
        let next = consumer.reader.next_available().unwrap();
        assert_eq!(next, GrainIndex(index * 3), "holes are skipped");
        drop(consumer.reader.lease(next).unwrap());
    }
    assert_eq!(ring.writer.counters().evicted(), 0);
}

/// Indices leap: at the first grain, after a pause, with a source below its declared rate.
#[test]
fn what_counts_is_grains_not_indices() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(2));
    for index in [90_000_000_000, 90_000_000_002] {
        ring.grain(index).unwrap();
    }
    ring.open(90_000_000_500).unwrap();
    assert_eq!(ring.writer.counters().evicted(), 0);
    assert_eq!(lease(&mut consumer, 90_000_000_000).state().unwrap().slices, 3);
    assert_eq!(ring.writer.slot_accounts(), accounts(5, 1, 2, 3, 0));
}

#[test]
fn quarantine_ends_with_the_acknowledgement_and_the_seat_is_free_again() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(5, leased(1));
    for index in 0..3 {
        ring.grain(index).unwrap();
    }
    let hi = GrainIndex(2);
    let evicted = ring.notices();
    assert!(matches!(evicted[..], [Notice::Evicted { consumer: 5, hi: at, .. }] if at == hi), "{evicted:?}");
    // Below `hi` grains may still be leased, at `hi` and above not.
    let held = lease(&mut consumer, 0);
    assert_eq!(consumer.reader.lease(GrainIndex(2)).unwrap_err(), ReadError::TooManyLeases { k: 1 });
    assert!(consumer.reader.acknowledge_eviction().is_err());
    drop(held);
    assert_eq!(consumer.reader.lease(GrainIndex(2)).unwrap_err(), ReadError::Evicted { hi });

    ring.writer.poll(ring.now);
    assert_eq!(ring.writer.slot_accounts().quarantined, 2, "time does not end a quarantine");
    consumer.reader.acknowledge_eviction().unwrap();
    ring.writer.poll(ring.now);
    let released = ring.notices();
    assert!(matches!(released[..], [Notice::Released { consumer: 5, nonce: 1, .. }]), "{released:?}");
    assert_eq!(ring.writer.slot_accounts().quarantined, 0);
    assert_eq!(consumer.reader.lease(GrainIndex(1)).unwrap_err(), ReadError::Evicted { hi: GrainIndex(0) });

    let mut again = ring.join(5, leased(1));
    ring.grain(3).unwrap();
    assert_eq!(lease(&mut again, 3).index(), GrainIndex(3));
    assert_eq!(consumer.reader.status(), SeatStatus::Empty, "the old membership is over");
}

#[test]
fn a_late_goodbye_leaves_the_next_membership_alone() {
    let mut ring = TestRing::new(8, 3);
    let first = ring.join(2, leased(1));
    ring.gone(&first);
    ring.gone(&first);
    let released = ring.notices();
    assert!(matches!(released[..], [Notice::Released { consumer: 2, nonce: 1, .. }]), "once: {released:?}");
    let second = ring.join(2, leased(1));
    ring.gone(&first);
    assert_eq!(second.reader.status(), SeatStatus::Live { eff: GrainIndex(0) });
    assert!(ring.notices().is_empty());
}

#[test]
fn impossible_joins_are_refused_with_their_mapping_given_back() {
    let mut ring = TestRing::new(8, 3);
    let _seated = ring.join(1, leased(1));
    let k_max = ring.writer.geometry().k_max;
    for (consumer, class) in [(1, leased(1)), (64, leased(1)), (2, leased(0)), (2, leased(k_max + 1))] {
        ring.ask(consumer, class);
        ring.writer.poll(ring.now);
        let notices = ring.notices();
        assert!(matches!(notices[..], [Notice::Refused { consumer: c, .. }] if c == consumer), "{notices:?}");
    }
}

#[test]
fn a_consumer_that_sits_on_old_grains_is_evicted_at_its_deadline() {
    let mut ring = TestRing::new(8, 3);
    let class = ConsumerClass::Leased { k: 4, deadline_nanos: 100 };
    let consumer = ring.join(0, class);
    ring.grain(0).unwrap();
    for _ in 0..10 {
        ring.advance(1000);
        ring.writer.poll(ring.now);
    }
    assert_eq!(ring.writer.counters().evicted(), 0, "the newest grain may be held as long as the flow is silent");
    ring.grain(1).unwrap();
    ring.advance(100);
    ring.writer.poll(ring.now);
    assert_eq!(ring.writer.counters().evicted(), 0, "just in time");
    ring.advance(1);
    ring.writer.poll(ring.now);
    assert_eq!(consumer.reader.status(), SeatStatus::Evicted { hi: GrainIndex(2) });
}

#[test]
fn a_step_of_the_clock_evicts_nobody() {
    let mut ring = TestRing::new(8, 3);
    let class = ConsumerClass::Leased { k: 4, deadline_nanos: 2_000_000_000 };
    let consumer = ring.join(0, class);
    ring.grain(0).unwrap();
    ring.grain(1).unwrap();
    ring.advance(i64::MAX / 2);
    ring.writer.poll(ring.now);
    ring.advance(-i64::MAX / 2);
    ring.writer.poll(ring.now);
    assert_eq!(consumer.reader.status(), SeatStatus::Live { eff: GrainIndex(0) });
}

#[test]
fn the_newest_grain_is_never_given_up() {
    let mut ring = TestRing::new(2, 3);
    for index in 0..10 {
        ring.open(index).unwrap();
        ring.cancel(index);
    }
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    ring.grain(10).unwrap();
    ring.open(11).unwrap();
    let newest_done = lease(&mut consumer, 10);
    assert_eq!(newest_done.state().unwrap().slices, 3);
    assert_eq!(ring.writer.slot_accounts(), accounts(0, 1, 1, 0, 0));
}

/// Four consumers of K = 1, one after the other, each evicted with the window it can have.
fn worst_case(slots: u16) -> Result<(), OpenError> {
    let mut ring = TestRing::with(Geometry { k_max: 1, ..crate::fixture::geometry(slots, 3) });
    let mut consumers = Vec::new();
    for seat in 0..4_u8 {
        ring.notices();
        consumers.push(ring.join(seat, leased(1)));
        for index in 0..2 {
            ring.grain(u64::from(seat) * 2 + index)?;
        }
    }
    ring.grain(8)?;
    ring.grain(9)?;
    assert_eq!(ring.writer.counters().evicted(), 4);
    assert_eq!(ring.writer.slot_accounts().quarantined, 8);
    Ok(())
}

#[test]
fn the_sizing_rule_is_exact() {
    let needed = Geometry::slots_for(1, [1; 4]) as u16;
    assert_eq!(needed, 10);
    assert_eq!(worst_case(needed), Ok(()));
    assert_eq!(worst_case(needed - 1), Err(OpenError::NoSlot { slots: 9, held: 8 }));
}

#[test]
fn steps_are_bounded_whatever_stands_in_the_lease_pages() {
    let mut ring = TestRing::new(8, 3);
    let house: Vec<_> = (0..CONSUMERS).map(|seat| ring.join(seat, leased(1))).collect();
    for (index, word) in [0, 1, u64::MAX, 1 << 63, GrainIndex::LIMIT].into_iter().enumerate() {
        for consumer in &house {
            consumer.scribble(&[(0, word), (128, word.wrapping_mul(3)), (256, word)]);
        }
        LOADS.set(0);
        ring.open(index as u64).unwrap();
        // Two words per page at most: a cursor, or an acknowledgement. Nothing else of shared memory is read.
        assert!(LOADS.get() <= u64::from(CONSUMERS), "{} loads", LOADS.get());
        ring.commit(index as u64);
    }
    assert_eq!(ring.writer.slot_accounts().free + ring.writer.slot_accounts().done, 8);
}

const CONSUMERS: u8 = crate::CONSUMERS_MAX;

#[test]
fn a_mailbox_nobody_empties_loses_nothing() {
    let mut ring = TestRing::new(8, 3);
    let page = LeasePage::create().unwrap();
    let mut posted = 0_usize;
    // Nobody takes notices: the writer stops taking mail, and the mailbox stops taking it from us.
    loop {
        let lease = Arc::new(page.map(Access::ReadOnly).unwrap());
        let start = Start::Live;
        if ring.mailbox.post(Mail::Join { consumer: 64, class: leased(1), start, lease, nonce: 1 }).is_err() {
            break;
        }
        posted += 1;
        ring.writer.poll(ring.now);
        assert!(posted < 10_000, "the mailbox is bounded");
    }
    let mut answered = 0;
    while answered < posted {
        let notices = ring.notices();
        assert!(!notices.is_empty(), "{answered} of {posted} mails were answered");
        answered += notices.len();
        ring.writer.poll(ring.now);
    }
}

/// Evictions and releases need no mail, so they must find room however full the mailbox is.
#[test]
fn notices_of_the_seated_find_room_behind_a_flood() {
    let mut ring = TestRing::new(8, 3);
    let house: Vec<_> = (0..CONSUMERS).map(|seat| ring.join(seat, leased(1))).collect();
    for _ in 0..200 {
        let lease = Arc::new(house[0].page.map(Access::ReadOnly).unwrap());
        let start = Start::Live;
        let _full = ring.mailbox.post(Mail::Join { consumer: 0, class: leased(1), start, lease, nonce: 1 });
        ring.writer.poll(ring.now);
    }
    for index in 0..3 {
        ring.grain(index).unwrap();
    }
    for consumer in &house {
        consumer.scribble(&[(128, consumer.nonce)]);
    }
    ring.writer.poll(ring.now);
    let (mut refused, mut evicted, mut released) = (0, 0, 0);
    for notice in ring.notices() {
        match notice {
            Notice::Joined { .. } => panic!("{notice:?}"),
            Notice::Refused { .. } => refused += 1,
            Notice::Evicted { .. } => evicted += 1,
            Notice::Released { .. } => released += 1,
        }
    }
    assert_eq!((refused, evicted, released), (64, 64, 64));
}

#[test]
fn the_stamp_is_readable_from_the_moment_of_open() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    ring.open(6).unwrap();
    let held = lease(&mut consumer, 6);
    assert_eq!((held.stamp(), held.state().unwrap().slices), (stamp(6), 0));
}
