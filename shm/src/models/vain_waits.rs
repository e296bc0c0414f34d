//! I5 where what a sleeper waits for never comes: each way in which that is settled wakes it.

use media::{GrainIndex, Tai};

use super::exploration::{catches, explore};
use super::stage::{Stage, join, leased};
use super::wakes::{Room, start};
use crate::seed::Bug;
use crate::{ConsumerClass, GrainState, Mail, OpenError, ReadError, Successor, WaitError};

type Waited = Result<GrainState, WaitError>;

/// A consumer that has yet to read `grains` grains waits for the first slice of grain `index`, while `act` settles that
/// it does not come.
fn waits_in_vain(grains: u64, class: ConsumerClass, index: u64, act: fn(&mut Stage), expected: Waited) {
    let (mut room, sleepers) = Room::with_sleepers_on(Stage::new(2, 1), class);
    sleepers.add(room.sleeper());
    (0..grains).for_each(|index| room.stage.grain(index).unwrap());
    let Room { stage, consumer, .. } = room;
    loom::explore();
    let consumer = start(consumer, move |consumer| assert_eq!(consumer.wait_until(index, 1), expected));
    join([start(stage, act), consumer]);
}

/// The epoch ends before the grain.
fn concluded() {
    let over = ReadError::EpochEnded { end: GrainIndex(0), successor: Some(7) };
    let act = |stage: &mut Stage| stage.writer.conclude(Successor::Epoch(7));
    waits_in_vain(0, leased(1), 0, act, Err(WaitError::Read(over)));
}

/// The grain is given up.
fn cancelled() {
    let act = |stage: &mut Stage| {
        stage.open(0).unwrap();
        stage.cancel();
    };
    waits_in_vain(0, leased(1), 0, act, Ok(GrainState { cancelled: true, ..GrainState::default() }));
}

/// The consumer is out of time, and a poll finds that.
fn timed_out() {
    let class = ConsumerClass::Leased { k: 2, deadline_nanos: 5 };
    waits_in_vain(2, class, 7, |stage| stage.writer.poll(Tai::from_nanos(6)), evicted());
}

/// The operator has the consumer out, for which nothing is held.
fn dismissed() {
    let act = |stage: &mut Stage| {
        stage.mailbox.post(Mail::Evict { consumer: 0, nonce: 1 }).unwrap();
        stage.writer.poll(Tai::EPOCH);
    };
    waits_in_vain(2, ConsumerClass::Lossy, 7, act, evicted());
}

/// The consumer is too far behind, and is evicted by an `open` that finds no slot for all that.
fn refused() {
    let act = |stage: &mut Stage| assert!(matches!(stage.open(2), Err(OpenError::NoSlot { .. })));
    waits_in_vain(2, leased(1), 7, act, evicted());
}

fn evicted() -> Waited {
    Err(WaitError::Read(ReadError::Evicted { hi: GrainIndex(2) }))
}

#[test]
fn the_end_of_an_epoch_wakes() {
    explore("a sleeper when an epoch ends", 3, concluded);
    for bug in [Bug::ConcludedUnwoken, Bug::PublishedUnfenced, Bug::WantUnfenced] {
        catches(bug, "deadlock", concluded);
    }
}

#[test]
fn a_grain_that_is_given_up_wakes() {
    explore("a sleeper whose grain is given up", 3, cancelled);
    catches(Bug::CancelledUnwoken, "deadlock", cancelled);
}

#[test]
fn a_deadline_wakes() {
    explore("a sleeper that runs out of time", 3, timed_out);
    catches(Bug::PolledUnwoken, "deadlock", timed_out);
}

#[test]
fn the_operator_wakes() {
    explore("a sleeper that is dismissed", 3, dismissed);
    for bug in [Bug::PolledUnwoken, Bug::LossUnseen] {
        catches(bug, "deadlock", dismissed);
    }
}

#[test]
fn an_eviction_without_a_slot_wakes() {
    explore("a sleeper that is evicted for no slot", 3, refused);
    catches(Bug::RefusedUnwoken, "deadlock", refused);
}
