//! Readers that drop: the writer hears it by their lease page, for the life pipe may be open much longer.

use media::GrainIndex;

use super::*;
use crate::fixture::{TestRing, leased};
use crate::{Notice, OpenError};

#[test]
fn who_has_dropped_is_not_late() {
    let mut ring = TestRing::new(8, 3);
    let mut consumer = ring.join(0, leased(2));
    ring.grain(0).unwrap();
    let held = consumer.reader.lease(GrainIndex(0)).unwrap();
    drop(consumer.reader);
    ring.writer.poll(ring.now);
    assert_eq!(ring.writer.slot_accounts().leased, 1, "the lease is still there");
    drop(held);
    (1..20).for_each(|index| ring.grain(index).unwrap());
    ring.writer.poll(ring.now);
    assert_eq!((ring.writer.counters().evicted(), ring.writer.slot_accounts().leased), (0, 0));
}

#[test]
fn nobody_waits_for_a_blocking_consumer_that_has_dropped() {
    let mut ring = TestRing::new(4, 3);
    let blocking = ring.join(0, ConsumerClass::Blocking { k: 1 });
    (0..4).for_each(|index| ring.grain(index).unwrap());
    assert_eq!(ring.open(4), Err(OpenError::Held { consumer: 0 }));
    drop(blocking.reader);
    ring.open(4).unwrap();
}

#[test]
fn a_quarantine_ends_with_its_reader() {
    let mut ring = TestRing::new(8, 3);
    let mut late = ring.join(0, leased(2));
    ring.grain(0).unwrap();
    let held = late.reader.lease(GrainIndex(0)).unwrap();
    (1..4).for_each(|index| ring.grain(index).unwrap());
    assert_eq!(ring.writer.slot_accounts().quarantined, 3);
    ring.notices();
    drop(late.reader);
    ring.writer.poll(ring.now);
    assert_eq!(ring.writer.slot_accounts().quarantined, 3, "the lease is still there");
    drop(held);
    ring.writer.poll(ring.now);
    assert_eq!(ring.writer.slot_accounts().quarantined, 0);
    let notices = ring.notices();
    assert!(matches!(notices[..], [Notice::Released { consumer: 0, .. }]), "{notices:?}");
}

/// Its page may be another reader's, that joins with it later.
#[test]
fn who_never_sat_down_says_nothing() {
    let mut ring = TestRing::new(4, 3);
    let (page, nonce) = ring.ask(0, leased(1));
    let parts = ring.parts(&page, 0, nonce, leased(1), Trust::Gateway);
    assert!(matches!(FrameReader::new(parts), Err(AttachError::NotJoined)));
    ring.writer.poll(ring.now);
    let consumer = ring.attach(page, 0, nonce, leased(1), Trust::Gateway);
    ring.grain(0).unwrap();
    ring.writer.poll(ring.now);
    assert_eq!(ring.writer.slot_accounts().leased, 1);
    assert_eq!(consumer.reader.next_available(), Some(GrainIndex(0)));
}
