//! Indices that leap: a grain whose descriptor a later one has is found by its slot.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{SLICE, Stage, leased, look, payloads, stamp};
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
    let writer = thread::spawn(move || stage.grain(descs + 1).unwrap());
    let mut out = [0; SLICE];
    let copied = reader.lease(GrainIndex(0)).and_then(|lease| {
        assert_eq!(lease.stamp(), stamp(0), "torn");
        lease.copy_lines(0..1, &mut out)
    });
    outcome(match copied {
        Ok(()) => "whole",
        Err(ReadError::Gone { .. }) => "gone",
        Err(ReadError::Torn { .. }) => "overtaken",
        Err(error) => panic!("torn: {error}"),
    });
    assert!(copied.is_err() || out[..] == payloads(0, 1), "torn");
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
    explore("a slot that is overtaken", 3, overtaken).are(["whole", "gone", "overtaken"]);
    for bug in [Bug::LapRelaxed, Bug::LapUnannounced, Bug::LapUnchecked] {
        catches(bug, "torn", overtaken);
    }
}

#[test]
fn what_is_held_is_found() {
    explore("a descriptor that is taken", 3, redescribed);
    for bug in [Bug::DescUnannounced, Bug::DescUnchecked] {
        catches(bug, "torn", redescribed);
    }
}
