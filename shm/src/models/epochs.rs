//! The end of an epoch: whoever hears of it hears of all its grains, and where the flow goes on.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{Stage, leased, look};
use crate::seed::Bug;
use crate::{FrameReader, GrainLease, ReadError, Successor};

/// Both of its words say something.
const SUCCESSOR: u128 = 7 << 64 | 5;

/// The epoch's one grain is open when the writer concludes it, and is read from the moment that it is there.
fn concluded() {
    let mut stage = Stage::new(2, 1);
    let mut reader = stage.join(0, leased(2));
    loom::explore();
    let writer = thread::spawn(move || {
        stage.open(0).unwrap();
        stage.writer.conclude(Successor::Epoch(SUCCESSOR));
        stage.finish(0);
    });
    let found = find(&mut reader);
    let over = is_over(&mut reader);
    outcome(match (found.is_some(), over) {
        (false, false) => "not begun",
        (false, true) => "over at the second look",
        (true, false) => "begun",
        (true, true) => "over",
    });
    let found = found.or_else(|| find(&mut reader));
    assert!(!over || found.is_some(), "the end of the epoch shows before its grain");
    found.into_iter().for_each(|lease| look(&lease, lease.state().expect("leased grains stay").slices));
    writer.join().unwrap();
    assert!(is_over(&mut reader), "concluded, but not seen to be");
}

/// The grain that is the epoch's last, if it is there already.
fn find(reader: &mut FrameReader) -> Option<GrainLease> {
    match reader.lease(GrainIndex(0)) {
        Ok(lease) => Some(lease),
        Err(error) => {
            assert!(matches!(error, ReadError::NotYet { .. }), "the epoch's own grain is denied: {error}");
            None
        }
    }
}

/// Whether the grain after the last one is known not to come.
fn is_over(reader: &mut FrameReader) -> bool {
    match reader.lease(GrainIndex(1)).map(|lease| lease.index()) {
        Err(ReadError::NotYet { .. }) => false,
        Err(error) => {
            let end = ReadError::EpochEnded { end: GrainIndex(1), successor: Some(SUCCESSOR) };
            assert_eq!(error, end, "another end");
            true
        }
        Ok(index) => panic!("grain {index} was never opened"),
    }
}

#[test]
fn an_epoch_ends_after_its_last_grain() {
    explore("an epoch that is concluded", 3, concluded).are(["not begun", "over at the second look", "begun", "over"]);
    for bug in [Bug::ConcludedRelaxed, Bug::ConcludedFirst] {
        catches(bug, "another end", concluded);
    }
    catches(Bug::EndForAll, "the epoch's own grain is denied", concluded);
}
