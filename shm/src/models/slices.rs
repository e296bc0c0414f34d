//! I2: slices that are published are there. I4: what is published never falls.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{SLICE, Stage, leased, look};
use crate::seed::Bug;
use crate::{GrainLease, GrainState, ReadError};

/// A grain is followed while its slices come. `end` ends it.
fn followed(end: fn(&mut Stage), check: fn(GrainState)) {
    let mut stage = Stage::new(2, 2);
    let mut reader = stage.join(0, leased(2));
    loom::explore();
    let writer = thread::spawn(move || {
        stage.open(0).unwrap();
        (0..2).for_each(|slice| stage.slice(0, slice));
        end(&mut stage);
    });
    let before = reader.newest();
    let found = reader.lease(GrainIndex(0));
    let slices = match &found {
        Ok(lease) => follow(lease, check),
        Err(error) => {
            assert!(before.is_none() && matches!(error, ReadError::NotYet { .. }), "fallen: {error}");
            0
        }
    };
    writer.join().unwrap();
    let lease = found.or_else(|_| reader.lease(GrainIndex(0))).unwrap();
    assert!(follow(&lease, check) >= slices, "fallen");
}

/// Looks at the slices that are there, and says how many.
fn follow(lease: &GrainLease, check: fn(GrainState)) -> u16 {
    let state = lease.state().expect("leased grains stay");
    look(lease, state.slices);
    check(state);
    outcome(if state.is_closed() {
        "ended"
    } else {
        ["nothing", "one slice", "both slices"][usize::from(state.slices)]
    });
    state.slices
}

fn committed() {
    followed(Stage::commit, |state| {
        let end = GrainState { slices: 2, complete: true, cancelled: false, octets: 2 * SLICE as u32, lost_lines: 0 };
        assert!(!state.is_closed() || state == end, "an end without its words: {state:?}");
    });
}

/// Whoever sees the end sees what end it was.
fn cancelled() {
    followed(Stage::cancel, |state| assert!(!state.complete, "an end without its words: {state:?}"));
}

/// A grain of which the first slice is lost, in a slot whose last grain lacked the second.
fn gapped() {
    let mut stage = Stage::new(2, 2);
    let mut reader = stage.join(0, leased(2));
    stage.open(0).unwrap();
    stage.slice(0, 0);
    stage.lose(1);
    stage.commit();
    stage.grain(1).unwrap();
    reader.skip_to(GrainIndex(1));
    loom::explore();
    let writer = thread::spawn(move || {
        stage.open(2).unwrap();
        stage.lose(0);
        stage.slice(2, 1);
        stage.commit();
    });
    if let Ok(lease) = reader.lease(GrainIndex(2)) {
        let state = lease.state().expect("leased grains stay");
        (0..state.slices).for_each(|line| assert_eq!(lease.is_lost(line), line == 0, "line {line} lost or not"));
        assert!(!state.complete || state.lost_lines == 1, "an end without its words: {state:?}");
        outcome(["nothing", "the gap", "both lines"][usize::from(state.slices)]);
    }
    writer.join().unwrap();
}

#[test]
fn published_slices_are_there() {
    explore("a grain that grows", 3, committed).are(["nothing", "one slice", "both slices", "ended"]);
    catches(Bug::ProgressRelaxed, "Causality violation", committed);
}

#[test]
fn an_opened_grain_is_found() {
    catches(Bug::AcquireUnfenced, "fallen", committed);
}

#[test]
fn what_is_lost_is_known_when_it_is_passed() {
    explore("a grain with a gap", 3, gapped).are(["nothing", "the gap", "both lines"]);
    for bug in [Bug::LostLate, Bug::ProgressRelaxed] {
        catches(bug, "lost or not", gapped);
    }
}

#[test]
fn an_end_is_seen_as_what_it_is() {
    explore("a grain that is given up", 3, cancelled).are(["nothing", "one slice", "both slices", "ended"]);
    for bug in [Bug::ClosedEarly, Bug::ClosedRelaxed] {
        catches(bug, "an end without its words", cancelled);
    }
}
