//! I5 at the end: the last wake of a ring, or of a consumer that its waker lets go of, is not lost.

use super::exploration::{catches, explore};
use super::stage::join;
use super::wakes::{Consumer, Room, start, write};
use crate::WakeMode;
use crate::seed::Bug;
use crate::wake::{Rounds, WatchId};

/// A waker that polls, whose ring ends with what was published last. It has told its consumer that it need not ring.
fn polled() {
    let room = Room::new(WakeMode::Housekeeping);
    let sleeper = room.sleeper();
    let Room { stage, consumer, control, reached, .. } = room;
    let mut rounds = Rounds::new(control, reached);
    rounds.add(WatchId::modelled(), sleeper);
    loom::explore();
    let end = start((stage, Some(rounds)), |(stage, rounds)| {
        write(stage);
        let mut rounds = rounds.take().expect("taken once");
        rounds.remove(WatchId::modelled());
    });
    join([end, start(consumer, Consumer::wait)]);
}

/// A writer that does not know its consumer, and a waker that ends before it hears the bell.
fn unheard() {
    let mut room = Room::new(WakeMode::Inline);
    let (sleepers, sleeper) = (room.sleepers(), room.sleeper());
    let Room { stage, consumer, control, .. } = room;
    loom::explore();
    let end = start((stage, sleepers, sleeper, control), |(stage, sleepers, sleeper, control)| {
        write(stage);
        sleepers.remove(0);
        sleeper.let_go(control);
    });
    join([end, start(consumer, Consumer::wait)]);
}

#[test]
fn the_end_of_a_ring_that_is_polled_wakes() {
    explore("the end of a ring that is polled", 3, polled);
    for bug in [Bug::LetGoUnfenced, Bug::LetGoAsleep] {
        catches(bug, "deadlock", polled);
    }
}

#[test]
fn the_end_of_a_ring_wakes_whom_its_writer_does_not_know() {
    explore("the end of a ring with a stranger", 3, unheard);
    catches(Bug::LetGoAsleep, "deadlock", unheard);
}
