//! Consumers that begin late, that the writer waits for, or that somebody wants out; and the end of an epoch.

use super::*;
use crate::EpochEnd;

fn blocking(k: u16) -> ConsumerClass {
    ConsumerClass::Blocking { k }
}

#[test]
fn the_operator_evicts_whatever_the_class() {
    let mut ring = TestRing::new(8, 3);
    let (mut kept, mut lossy) = (ring.join(0, leased(4)), ring.join(1, ConsumerClass::Lossy));
    ring.grain(0).unwrap();
    let held = lease(&mut kept, 0);
    ring.evict(&kept);
    ring.evict(&lossy);
    ring.evict(&lossy);
    let stranger = Mail::Evict { consumer: 9, nonce: 1 };
    ring.mailbox.post(stranger).unwrap();
    ring.mailbox.post(Mail::Evict { consumer: 200, nonce: 1 }).unwrap();
    ring.writer.poll(ring.now);
    let notices = ring.notices();
    assert!(
        matches!(notices[..], [Notice::Evicted { consumer: 0, .. }, Notice::Evicted { consumer: 1, .. }]),
        "each once: {notices:?}"
    );
    assert_eq!(ring.writer.counters().evicted(), 2);
    assert_eq!(ring.writer.slot_accounts(), accounts(7, 0, 1, 0, 1), "a lossy one holds nothing");
    let hi = GrainIndex(1);
    ring.grain(1).unwrap();
    for consumer in [&mut kept, &mut lossy] {
        assert_eq!(consumer.reader.lease(hi).unwrap_err(), ReadError::Evicted { hi });
    }
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(0, 0, 40));
    drop(held);
    kept.reader.acknowledge_eviction().unwrap();
    lossy.reader.acknowledge_eviction().unwrap();
    ring.writer.poll(ring.now);
    let notices = ring.notices();
    assert!(matches!(notices[..], [Notice::Released { consumer: 0, .. }, Notice::Released { consumer: 1, .. }]));
}

#[test]
fn a_latecomer_may_begin_at_the_oldest_grain() {
    let mut ring = TestRing::new(8, 3);
    let next = |consumer: &TestConsumer| consumer.reader.next_available().map(|index| index.0);
    let early = ring.join_from(0, leased(2), Start::Oldest);
    assert_eq!(next(&early), None);
    ring.gone(&early);
    ring.notices();
    for index in 0..20 {
        ring.grain(index * 2).unwrap();
    }
    let mut leased_late = ring.join_from(0, leased(2), Start::Oldest);
    let lossy_late = ring.join_from(1, ConsumerClass::Lossy, Start::Oldest);
    let live = ring.join(2, leased(2));
    assert_eq!([next(&leased_late), next(&lossy_late), next(&live)], [Some(36), Some(24), None]);
    let held = lease(&mut leased_late, 36);
    ring.grain(40).unwrap();
    assert_eq!(leased_late.reader.status(), SeatStatus::Live { eff: GrainIndex(36) }, "joining evicts nobody");
    assert_eq!(held.lines(0..1).unwrap(), line_bytes(36, 0, 40));
}

#[test]
fn the_writer_waits_for_a_blocking_consumer_and_drops_nothing() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(7, blocking(1));
    for index in 0..4 {
        ring.grain(index).unwrap();
    }
    let held = lease(&mut consumer, 0);
    for _ in 0..3 {
        ring.advance(10_000_000_000);
        assert_eq!(ring.open(4), Err(OpenError::Held { consumer: 7 }));
    }
    let counters = ring.writer.counters();
    assert_eq!((counters.held(), counters.no_slot(), counters.evicted()), (3, 0, 0));
    assert_eq!(ring.writer.slot_accounts(), accounts(0, 0, 4, 4, 0));
    assert_eq!(held.lines(0..3).unwrap().len(), 120, "in place, as for a leased one");
    drop(held);
    ring.grain(4).unwrap();
    for index in 1..5 {
        assert_eq!(lease(&mut consumer, index).lines(0..1).unwrap(), line_bytes(index, 0, 40), "none is missing");
    }
}

/// Who holds the slot is named: not the one that keeps up, and not a leased one beside it.
#[test]
fn the_one_furthest_behind_is_named() {
    let mut ring = TestRing::with(Geometry { k_max: 4, ..crate::fixture::geometry(6, 3) });
    let _slow = ring.join(3, blocking(1));
    let mut quick = ring.join(2, blocking(1));
    for index in 0..6 {
        ring.grain(index).unwrap();
    }
    quick.reader.skip_to(GrainIndex(6));
    let leased_one = ring.join_from(9, leased(4), Start::Oldest);
    assert_eq!(ring.open(6), Err(OpenError::Held { consumer: 3 }));
    assert_eq!(leased_one.reader.status(), SeatStatus::Live { eff: GrainIndex(2) });
}

/// What a quarantine holds is not waited for: nobody can say that it ends.
#[test]
fn a_slot_that_others_hold_too_is_not_waited_for() {
    let mut ring = TestRing::with(Geometry { k_max: 3, ..crate::fixture::geometry(4, 3) });
    let _waited_for = ring.join(0, blocking(1));
    let _evicted = ring.join(1, leased(3));
    for index in 0..4 {
        ring.grain(index).unwrap();
    }
    assert_eq!(ring.open(4), Err(OpenError::NoSlot { slots: 4, held: 4 }));
    assert_eq!((ring.writer.counters().held(), ring.writer.counters().no_slot()), (0, 1));
}

#[test]
fn the_operator_evicts_a_blocking_consumer_too() {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, blocking(1));
    for index in 0..4 {
        ring.grain(index).unwrap();
    }
    ring.evict(&consumer);
    assert_eq!(ring.open(4), Err(OpenError::NoSlot { slots: 4, held: 4 }), "its slots stay until it acknowledges");
    consumer.reader.acknowledge_eviction().unwrap();
    ring.grain(4).unwrap();
}

#[test]
fn a_writer_that_does_not_wait_refuses_blocking_consumers() {
    let mut ring = TestRing::new(8, 3);
    ring.writer = ring.writer.without_blocking();
    ring.ask(0, blocking(1));
    ring.writer.poll(ring.now);
    assert!(matches!(ring.notices()[..], [Notice::Refused { consumer: 0, .. }]));
    ring.join(0, leased(1));
}

#[test]
fn a_blocking_consumer_keeps_to_the_limits_of_a_lease() {
    let mut ring = TestRing::new(8, 3);
    let k_max = ring.writer.geometry().k_max;
    for k in [0, k_max + 1] {
        ring.ask(0, blocking(k));
        ring.writer.poll(ring.now);
        assert!(matches!(ring.notices()[..], [Notice::Refused { consumer: 0, .. }]), "{k}");
    }
}

#[test]
fn an_epoch_ends_at_an_index_and_names_its_successor() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(2));
    ring.grain(3).unwrap();
    let key = ring.open(4).unwrap();
    assert_eq!(consumer.reader.conclusion(), None);
    let (index, newest) = (GrainIndex(5), Some(GrainIndex(4)));
    assert_eq!(consumer.reader.lease(index).unwrap_err(), ReadError::NotYet { index, newest });
    ring.writer.conclude(Successor::Epoch(1 << 100 | 7));
    let (end, successor) = (GrainIndex(5), Some(1 << 100 | 7));
    assert_eq!(consumer.reader.conclusion(), Some(EpochEnd { end, successor }));
    assert_eq!(ring.open(9), Err(OpenError::Concluded { end }));
    // What was opened is still written, committed and read.
    ring.fill(4);
    ring.writer.commit(key, GrainEnd::default());
    assert_eq!(lease(&mut consumer, 3).lines(0..1).unwrap(), line_bytes(3, 0, 40));
    assert_eq!(lease(&mut consumer, 4).lines(0..1).unwrap(), line_bytes(4, 0, 40));
    assert_eq!(consumer.reader.lease(end).unwrap_err(), ReadError::EpochEnded { end, successor });
    ring.writer.conclude(Successor::Unnamed);
    assert_eq!(consumer.reader.conclusion(), Some(EpochEnd { end, successor }), "said once");
}

#[test]
fn an_epoch_without_grains_may_end_too() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, ConsumerClass::Lossy);
    ring.writer.conclude(Successor::Unnamed);
    let end = GrainIndex(0);
    assert_eq!(consumer.reader.lease(end).unwrap_err(), ReadError::EpochEnded { end, successor: None });
    assert_eq!(ring.open(0), Err(OpenError::Concluded { end }));
}
