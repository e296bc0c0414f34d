//! I1: what is leased is not overwritten, and what is released is.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, catches_within, explore, outcome};
use super::stage::{Stage, join, leased, look};
use crate::seed::Bug;
use crate::{FrameReader, GrainLease, OpenError};

/// Two grains of two slots, both leased.
fn full(k: u16) -> (Stage, FrameReader, GrainLease, GrainLease) {
    let mut stage = Stage::new(2, 1);
    let mut reader = stage.join(0, leased(k));
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let [first, second] = [0, 1].map(|index| reader.lease(GrainIndex(index)).unwrap());
    (stage, reader, first, second)
}

/// One slot becomes free while the writer wants it.
fn wanted() {
    let (mut stage, reader, first, second) = full(2);
    loom::explore();
    let writer = thread::spawn(move || {
        outcome(match stage.grain(2) {
            Ok(()) => "got",
            Err(OpenError::NoSlot { .. }) => "no slot",
            Err(error) => panic!("{error}"),
        });
    });
    look(&first, 1);
    drop(first);
    writer.join().unwrap();
    look(&second, 1);
    drop((second, reader));
}

/// A grain is leased twice, and each lease ends on a thread of its own while the writer wants the slot.
fn shared() {
    let (mut stage, mut reader, first, _second) = full(2);
    let again = reader.lease_again(&first).unwrap();
    loom::explore();
    let ends = [first, again].map(|lease| thread::spawn(move || look(&lease, 1)));
    let first_try = stage.grain(2);
    join(ends);
    outcome(if first_try.is_ok() { "got" } else { "no slot" });
    assert!(first_try.or_else(|_| stage.grain(2)).is_ok(), "released, but not seen to be");
}

/// Two grains are released on two threads while the writer wants their slots; both are its own in the end.
fn apart() {
    let (mut stage, _reader, first, second) = full(2);
    loom::explore();
    let ends = [first, second].map(|lease| thread::spawn(move || look(&lease, 1)));
    let first_try = stage.grain(2);
    join(ends);
    outcome(if first_try.is_ok() { "got" } else { "no slot" });
    let from = if first_try.is_ok() { 3 } else { 2 };
    (from..4).for_each(|index| assert!(stage.grain(index).is_ok(), "released, but not seen to be"));
}

/// While one thread releases grain 0, the reader takes grain 1, and the writer comes for both.
fn taken() {
    let mut stage = Stage::new(2, 1);
    let mut reader = stage.join(0, leased(2));
    stage.grain(0).unwrap();
    let first = reader.lease(GrainIndex(0)).unwrap();
    stage.grain(1).unwrap();
    loom::explore();
    let end = thread::spawn(move || drop(first));
    let taking = thread::spawn(move || {
        let lease = reader.lease(GrainIndex(1)).unwrap();
        look(&lease, 1);
        look(&lease, 1);
    });
    let writing = thread::spawn(move || {
        // There may be no slot yet, or none again.
        outcome(["none", "one", "both"][(2..4).filter(|index| stage.grain(*index).is_ok()).count()]);
    });
    join([end, taking, writing]);
}

#[test]
fn a_leased_grain_is_not_overwritten() {
    explore("a slot that is wanted", 3, wanted).are(["got", "no slot"]);
    catches(Bug::CursorReadRelaxed, "Causality violation", wanted);
}

#[test]
fn the_last_of_two_leases_frees_the_slot() {
    explore("a grain that is leased twice", 3, shared).are(["got", "no slot"]);
    catches(Bug::LeasesRelaxed, "Causality violation", shared);
}

#[test]
fn both_of_two_releases_count() {
    explore("two releases", 3, apart).are(["got", "no slot"]);
    catches(Bug::TableUnfenced, "released, but not seen to be", apart);
    // The fence before the scan releases what this thread read; only the Release of the cursor itself releases what the
    // others read whose entries the scan found vacant.
    catches(Bug::CursorRaisedRelaxed, "Causality violation", apart);
    catches_within(3, Bug::VacatedRelaxed, "Causality violation", apart);
}

#[test]
fn a_release_does_not_pass_what_is_taken() {
    explore("a release beside a lease", 2, taken).are(["none", "one", "both"]);
    for bug in [Bug::TableNextLast, Bug::TakenLate, Bug::PassedRelaxed] {
        catches(bug, "Causality violation", taken);
    }
}
