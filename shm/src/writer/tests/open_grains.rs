//! Several grains open at a time: their keys, their order, the slots they need.

use super::*;
use crate::fixture::geometry_of;

/// Two consumers of K = 3, each evicted with the window it can have, and then as many open grains as may be.
fn worst_case_of_open_grains(slots: u16) -> Result<(), OpenError> {
    let mut ring = TestRing::with(Geometry { k_max: 3, ..geometry_of(slots, 3, 3) });
    let mut consumers = Vec::new();
    for seat in 0..2_u8 {
        ring.notices();
        consumers.push(ring.join(seat, leased(3)));
        for index in 0..4 {
            ring.grain(u64::from(seat) * 4 + index)?;
        }
    }
    ring.grain(8)?;
    for index in 9..12 {
        ring.open(index)?;
    }
    assert_eq!(ring.writer.slot_accounts().quarantined, 8);
    // Three are open, but the newest of them ends first: it stands beside the others.
    ring.commit(11);
    ring.open(12)?;
    Ok(())
}

#[test]
fn the_sizing_rule_is_exact_with_several_open_grains() {
    let needed = Geometry::slots_for(3, [3; 2]) as u16;
    assert_eq!(needed, 12);
    assert_eq!(worst_case_of_open_grains(needed), Ok(()));
    assert_eq!(worst_case_of_open_grains(needed - 1), Err(OpenError::NoSlot { slots: 11, held: 8 }));
}

#[test]
fn a_key_names_one_grain_and_goes_stale_with_it() {
    let mut ring = TestRing::with(geometry_of(8, 2, 3));
    let (a, b) = (ring.open(1).unwrap(), ring.open(5).unwrap());
    assert_eq!(ring.open(6), Err(OpenError::TooManyOpen { limit: 2 }));
    ring.writer.commit(a, GrainEnd::default());
    let c = ring.open(7).unwrap();
    let stale = Err(WriteError::NotOpen { index: GrainIndex(1) });
    assert_eq!(ring.writer.write(a, 0, &[1]), stale, "not the grain that took its place");
    ring.writer.publish(a, 3);
    ring.writer.mark_lost(a, 0);
    ring.writer.cancel(a);
    ring.writer.commit(a, GrainEnd::default());
    assert_eq!([a, b, c].map(|key| ring.writer.published(key)), [0, 0, 0]);
    let counters = ring.writer.counters();
    assert_eq!((counters.committed(), counters.cancelled(), counters.lines_lost()), (1, 0, 0));
    let mut open: Vec<_> = ring.writer.open_grains().map(|(index, _)| index.0).collect();
    open.sort_unstable();
    assert_eq!(open, [5, 7]);
}

#[test]
fn open_grains_are_written_apart_and_end_in_any_order() {
    let mut ring = TestRing::with(geometry_of(8, 3, 70));
    let mut consumer = ring.join(0, leased(3));
    let keys = [1, 2, 3].map(|index| ring.open(index).unwrap());
    // Turn by turn, as packets of two legs come.
    for line in 0..70 {
        for index in 1..=3 {
            ring.write_line(index, line);
        }
    }
    ring.writer.mark_lost(keys[0], 65);
    ring.writer.mark_lost(keys[2], 3);
    ring.writer.publish(keys[1], 5);
    let held = [1, 2, 3].map(|index| lease(&mut consumer, index));
    assert_eq!(held.each_ref().map(|lease| lease.state().unwrap().slices), [0, 5, 0]);
    let head = |ring: &TestRing| {
        let (control, _data) = ring.region.map_for_reading().unwrap();
        crate::RingProbe::new(ring.region.geometry(), control).unwrap().head()
    };
    ring.commit(3);
    assert_eq!(head(&ring), Some(GrainIndex(3)));
    ring.commit(1);
    assert_eq!(head(&ring), Some(GrainIndex(3)), "never falls");
    ring.cancel(2);
    assert_eq!(held.each_ref().map(|lease| lease.state().unwrap().complete), [true, false, true]);
    assert_eq!(held[1].lines(0..5).unwrap(), (0..5).flat_map(|line| line_bytes(2, line, 40)).collect::<Vec<_>>());
    for (lease, index) in held.iter().zip([1, 2, 3]) {
        let lost: Vec<_> = consumer.reader.lost_lines(&lease.grain()).collect();
        assert_eq!(
            lost,
            match index {
                1 => vec![65],
                3 => vec![3],
                _ => vec![],
            }
        );
    }
}

/// While nothing but what is being written is held, nobody is late.
#[test]
fn the_deadline_does_not_run_while_only_as_many_grains_as_may_be_open_are_held() {
    let mut ring = TestRing::with(geometry_of(12, 3, 3));
    let class = ConsumerClass::Leased { k: 4, deadline_nanos: 100 };
    let consumer = ring.join(0, class);
    for index in 0..3 {
        ring.open(index).unwrap();
    }
    for _ in 0..10 {
        ring.advance(1000);
        ring.writer.poll(ring.now);
    }
    assert_eq!(ring.writer.counters().evicted(), 0);
    ring.commit(0);
    ring.open(3).unwrap();
    ring.advance(101);
    ring.writer.poll(ring.now);
    assert_eq!(consumer.reader.status(), SeatStatus::Evicted { hi: GrainIndex(4) });
}

#[test]
fn whoever_may_hold_fewer_grains_than_are_open_is_refused() {
    let mut ring = TestRing::with(geometry_of(12, 3, 3));
    ring.ask(0, leased(2));
    ring.writer.poll(ring.now);
    assert!(matches!(ring.notices()[..], [Notice::Refused { consumer: 0, .. }]));
    ring.join(0, leased(3));
}

#[test]
fn a_key_of_another_epoch_opens_nothing() {
    let (mut old, mut new) = (TestRing::new(4, 3), TestRing::new(4, 3));
    let (stale, key) = (old.open(5).unwrap(), new.open(5).unwrap());
    assert_eq!(new.writer.write(stale, 0, &[1]), Err(WriteError::NotOpen { index: GrainIndex(5) }));
    new.writer.commit(stale, GrainEnd::default());
    new.writer.cancel(stale);
    assert!(new.writer.open_grains().eq([(GrainIndex(5), key)]), "{stale:?}, {key:?}");
}
