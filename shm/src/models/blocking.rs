//! Blocking consumers: the writer waits for all of them, and loses nothing meanwhile.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{Stage, blocking, join, look};
use crate::OpenError;
use crate::seed::Bug;

/// Two consumers release the oldest grain while the writer wants its slot.
fn held() {
    let mut stage = Stage::new(2, 1);
    let mut readers = [0, 1].map(|seat| stage.join(seat, blocking(2)));
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let leases = readers.each_mut().map(|reader| reader.lease(GrainIndex(0)).unwrap());
    loom::explore();
    let ends = leases.map(|lease| thread::spawn(move || look(&lease, 1)));
    let first_try = stage.grain(2);
    outcome(match first_try {
        Ok(()) => "got",
        Err(OpenError::Held { .. }) => "held",
        Err(error) => panic!("dropped: {error}"),
    });
    join(ends);
    let second_try = first_try.or_else(|_| stage.grain(2));
    assert_eq!(second_try, Ok(()), "released, but not seen to be");
    for reader in &mut readers {
        (1..3).for_each(|index| look(&reader.lease(GrainIndex(index)).unwrap(), 1));
    }
}

#[test]
fn a_writer_waits_for_all_who_block_it() {
    explore("two blocking consumers", 2, held).are(["got", "held"]);
    for bug in [Bug::LastBlocks, Bug::CursorReadRelaxed] {
        catches(bug, "Causality violation", held);
    }
}
