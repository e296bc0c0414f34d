//! I2: slices that are published are there. I4: what is published never falls.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore};
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

#[test]
fn published_slices_are_there() {
    explore("a grain that grows", 3, committed);
    catches(Bug::ProgressRelaxed, "Causality violation", committed);
}

#[test]
fn an_end_is_seen_as_what_it_is() {
    explore("a grain that is given up", 3, cancelled);
    catches(Bug::ClosedEarly, "an end without its words", cancelled);
}
