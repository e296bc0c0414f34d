//! I3: a copy that was found good overlapped no write, although nothing is held for the reader.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{SLICE, Stage, leased, payloads, stamp};
use crate::seed::Bug;
use crate::{ConsumerClass, GrainState, ReadError};

/// A grain is copied while the writer comes round to its slot.
fn overtaken() {
    let mut stage = Stage::new(2, 2);
    let mut reader = stage.join(0, ConsumerClass::Lossy);
    (0..2).for_each(|index| stage.grain(index).unwrap());
    loom::explore();
    let writer = thread::spawn(move || stage.grain(2).unwrap());
    let mut out = [0; 2 * SLICE];
    match reader.lease(GrainIndex(0)).and_then(|lease| lease.copy_lines(0..2, &mut out)) {
        Ok(()) => {
            assert_eq!(out[..], payloads(0, 2), "torn");
            outcome("whole");
        }
        Err(error) => overtaken_by(error),
    }
    writer.join().unwrap();
}

/// An evicted consumer keeps two of four slots, so that all other grains share the other two. Neighbours there are close by
/// index, but a lap apart by the slot's own count.
fn neighbours() {
    let mut stage = Stage::new(4, 1);
    let _evicted = stage.join(0, leased(1));
    (0..4).for_each(|index| stage.grain(index).unwrap());
    let mut reader = stage.join(1, ConsumerClass::Lossy);
    (4..6).for_each(|index| stage.grain(index).unwrap());
    let held = reader.lease(GrainIndex(4)).unwrap();
    loom::explore();
    let writer = thread::spawn(move || stage.grain(6).unwrap());
    let mut out = [0; SLICE];
    match held.copy_lines(0..1, &mut out) {
        Ok(()) => {
            assert_eq!(out[..], payloads(4, 1), "torn");
            outcome("whole");
        }
        Err(error) => overtaken_by(error),
    }
    writer.join().unwrap();
}

/// A grain that was given up with all its slices is looked up while the writer comes round to its slot.
fn cancelled() {
    let mut stage = Stage::new(2, 1);
    let mut reader = stage.join(0, ConsumerClass::Lossy);
    stage.open(0).unwrap();
    stage.lose(0);
    stage.cancel();
    stage.grain(1).unwrap();
    let end = GrainState { slices: 1, complete: false, cancelled: true, octets: SLICE as u32, lost_lines: 1 };
    loom::explore();
    let writer = thread::spawn(move || stage.grain(2).unwrap());
    match reader.lease(GrainIndex(0)).and_then(|lease| lease.state()) {
        Ok(state) => {
            assert_eq!(state, end, "torn");
            outcome("whole");
        }
        Err(error) => overtaken_by(error),
    }
    writer.join().unwrap();
}

/// A grain is looked up while its descriptor and its slot are given to the one that is so many indices above it.
fn redescribed() {
    let mut stage = Stage::new(2, 1);
    let mut reader = stage.join(0, ConsumerClass::Lossy);
    let next = u64::from(stage.geometry.descs);
    (0..2).for_each(|index| stage.grain(index).unwrap());
    loom::explore();
    let writer = thread::spawn(move || stage.open(next).unwrap());
    match reader.lease(GrainIndex(0)) {
        Ok(lease) => {
            assert_eq!(lease.stamp(), stamp(0), "torn");
            outcome("whole");
        }
        Err(error) => overtaken_by(error),
    }
    writer.join().unwrap();
}

/// The writer was faster.
fn overtaken_by(error: ReadError) {
    assert!(matches!(error, ReadError::Gone { .. } | ReadError::Torn { .. }), "{error}");
    outcome(if matches!(error, ReadError::Gone { .. }) { "gone" } else { "torn" });
}

#[test]
fn a_copy_is_of_one_lap_or_torn() {
    explore("a copy that is overtaken", 3, overtaken).are(["whole", "gone", "torn"]);
    catches(Bug::LapUnchecked, "torn", overtaken);
}

#[test]
fn laps_are_told_apart() {
    explore("laps of one slot", 3, neighbours).are(["whole", "gone", "torn"]);
    catches(Bug::LapOfIndex, "torn", neighbours);
}

#[test]
fn a_state_is_of_one_lap_or_gone() {
    explore("a state that is overtaken", 3, cancelled).are(["whole", "gone"]);
    catches(Bug::LapUnannounced, "torn", cancelled);
}

#[test]
fn a_descriptor_is_of_one_grain_or_gone() {
    explore("a descriptor that is overtaken", 3, redescribed).are(["whole", "gone"]);
    catches(Bug::DescUnannounced, "torn", redescribed);
    catches(Bug::DescUnchecked, "torn", redescribed);
}
