//! I5 by bells, also by those that cannot be rung at times; and what a waker keeps of a consumer: what it was woken for,
//! what it wants, and nothing once it is let go of.

use std::sync::Arc;

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore};
use super::stage::{Stage, join, leased};
use super::wakes::{Consumer, Room, introduced, start, write};
use crate::WakeMode;
use crate::lease_page;
use crate::seed::Bug;
use crate::wake::{Alarm, Bell, Heard, Rounds, Want, WatchId, bell_pair};

/// Runs a writer that knows its consumer, beside that one.
fn beside(mut room: Room, write: fn(&mut Stage), read: fn(&mut Consumer)) {
    let sleepers = room.sleepers();
    sleepers.add(room.sleeper());
    let Room { stage, consumer, .. } = room;
    // The process goes on when the writer has written: a bell that closed would wake, too.
    let lasting = Arc::clone(&sleepers);
    loom::explore();
    join([start(stage, write), start(consumer, read)]);
    drop(lasting);
}

fn room(slices: u16, prepare: impl FnOnce(&Bell, &Bell)) -> Room {
    let bells = bell_pair().unwrap();
    prepare(&bells.0, &bells.1);
    Room::with(Stage::new(3, slices), leased(1), WakeMode::Inline, bells)
}

fn write_two(stage: &mut Stage) {
    write(stage);
    stage.slice(0, 1);
}

/// Whoever wakes by a bell.
fn by_the_bell() {
    let mut room = room(1, |_, _| {});
    room.consumer = room.consumer.by_the_bell();
    beside(room, write, Consumer::wait);
}

/// The bell cannot be rung when the first slice is there. It is, with the second.
fn unrung() {
    let mut room = room(2, |_, wakers| wakers.lose_the_next());
    room.consumer = room.consumer.by_the_bell();
    beside(room, write_two, Consumer::wait);
}

/// The consumer cannot ring to be known. It does so when it sleeps the next time.
fn unheard() {
    introduced(room(1, |consumers, _| consumers.lose_the_next()));
}

/// One slice after the other of the same grain.
fn slices() {
    beside(room(2, |_, _| {}), write_two, |consumer| {
        consumer.wait();
        assert_eq!(consumer.wait_until(0, 2).unwrap().slices, 2);
    });
}

/// One gives up, and nobody sleeps any more.
fn given_up() {
    let room = Room::new(WakeMode::Housekeeping);
    let sleeper = room.sleeper();
    let Room { consumer, control, reached, stage, .. } = room;
    let mut rounds = Rounds::new(control, reached);
    rounds.add(WatchId::modelled(), sleeper);
    loom::explore();
    let waker = start(rounds, |rounds| {
        while rounds.is_polled() {
            rounds.look();
            thread::yield_now();
        }
    });
    join([waker, start(consumer, Consumer::give_up)]);
    drop(stage);
}

/// The waker lets go of a consumer while the writer looks at it.
fn let_go() {
    let (consumers, wakers) = bell_pair().unwrap();
    let mut room = Room::with(Stage::new(3, 1), leased(1), WakeMode::Inline, (bell_pair().unwrap().0, wakers));
    let sleepers = room.sleepers();
    sleepers.add(room.sleeper());
    let want = Want { index: GrainIndex(0), slices: 1, alarm: Alarm::Bell };
    lease_page::post_want(room.consumer.reader.bed().lease, want.encode());
    let Room { stage, consumer, bell, .. } = room;
    // From here on only the sleeper has it.
    drop(bell);
    loom::explore();
    let writer = start(stage, write);
    sleepers.remove(0);
    join([writer]);
    // What was rung comes before the hang-up.
    let heard = [consumers.hear(), consumers.hear()];
    assert!(heard.contains(&Heard::HungUp), "not let go of: {heard:?}");
    drop(consumer);
}

#[test]
fn a_bell_wakes() {
    explore("a sleeper by its bell", 3, by_the_bell);
    for bug in [Bug::HeardEarly, Bug::WantUnfenced, Bug::PublishedUnfenced] {
        catches(bug, "deadlock", by_the_bell);
    }
}

#[test]
fn a_bell_that_could_not_be_rung_is_rung_again() {
    explore("a bell that is not rung at first", 2, unrung);
    catches(Bug::UnrungWoken, "deadlock", unrung);
}

#[test]
fn who_could_not_ring_rings_again() {
    explore("a bell that is not rung to be known", 2, unheard);
    catches(Bug::UnheardIntroduced, "deadlock", unheard);
}

#[test]
fn each_slice_wakes() {
    explore("one slice after the other", 2, slices);
    catches(Bug::WokenForGrain, "deadlock", slices);
}

#[test]
fn what_is_not_wanted_any_more_keeps_no_waker_awake() {
    explore("a want that is taken back", 3, given_up);
    catches(Bug::WantLeft, "exceeded maximum number of branches", given_up);
}

#[test]
fn the_writer_is_in_nobodys_way() {
    explore("a sleeper that is let go of", 3, let_go);
    catches(Bug::RemoveTried, "not let go of", let_go);
}
