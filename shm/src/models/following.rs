//! Who takes one grain after the other misses none, and the last one least of all.

use loom::thread;

use super::exploration::{catches, explore};
use super::stage::{Stage, leased};
use crate::seed::Bug;
use crate::{FrameReader, ReadError, Successor};

/// The last grain of an epoch is opened while a consumer looks for its next one.
fn last() {
    let mut stage = Stage::new(2, 1);
    let reader = stage.join(0, leased(1));
    loom::explore();
    let writer = thread::spawn(move || {
        stage.open(1).unwrap();
        stage.writer.conclude(Successor::Unnamed);
    });
    if let Err(awaited) = reader.next_or_awaited() {
        let looked = reader.look(FrameReader::want(awaited, 0).unwrap());
        assert!(!matches!(looked, Err(ReadError::EpochEnded { .. })), "the last grain was missed");
    }
    writer.join().unwrap();
}

#[test]
fn the_last_grain_of_an_epoch_is_not_missed() {
    explore("the last grain", 3, last);
    catches(Bug::AwaitedLate, "the last grain was missed", last);
}
