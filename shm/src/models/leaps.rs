//! Indices that leap: a grain whose descriptor a later one has is found by its slot.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore};
use super::stage::{Stage, leased, look, stamp};
use crate::seed::Bug;
use crate::{ConsumerClass, GrainLease, ReadError};

/// A grain that nobody holds is looked up by its slot while the writer comes round to that.
fn overtaken() {
    let mut stage = Stage::new(2, 1);
    let mut reader = stage.join(0, ConsumerClass::Lossy);
    let descs = u64::from(stage.geometry.descs);
    stage.grain(0).unwrap();
    stage.grain(descs).unwrap();
    loom::explore();
    let writer = thread::spawn(move || stage.open(descs + 1).unwrap());
    match reader.lease(GrainIndex(0)) {
        Ok(lease) => {
            assert_eq!(lease.stamp(), stamp(0), "torn");
            // That grain has ended; what has just begun is not it.
            assert!(lease.state().is_ok_and(|state| state.complete) || lease.state().is_err(), "another grain");
        }
        Err(error) => assert!(matches!(error, ReadError::Gone { .. }), "{error}"),
    }
    writer.join().unwrap();
}

/// A grain that is held is looked up while its descriptor is given to a later one.
fn redescribed() {
    let mut stage = Stage::new(4, 1);
    let mut reader = stage.join(0, leased(2));
    stage.grain(0).unwrap();
    let next = u64::from(stage.geometry.descs);
    loom::explore();
    let writer = thread::spawn(move || stage.grain(next).unwrap());
    assert_eq!(reader.next_available(), Some(GrainIndex(0)), "lost");
    let lease: GrainLease = reader.lease(GrainIndex(0)).expect("held, and found");
    assert_eq!(lease.stamp(), stamp(0), "torn");
    look(&lease, 1);
    writer.join().unwrap();
}

#[test]
fn a_slot_is_of_one_lap_or_gone() {
    explore("a slot that is overtaken", 3, overtaken);
    catches(Bug::LapUnannounced, "torn", overtaken);
    catches(Bug::LapUnchecked, "torn", overtaken);
    catches(Bug::LapRelaxed, "another grain", overtaken);
}

#[test]
fn what_is_held_is_found() {
    explore("a descriptor that is taken", 3, redescribed);
}
