//! Rings and everything around them under torture: producers and consumers are processes of users of their own, which
//! are killed, stopped, evicted and sent away at random instants, while grains flow of which every octet is known.
//!
//! Producers have several grains open, give some up, lose lines, leave indices out by ones and by the thousand, are held up
//! by consumers that block, and go over to other epochs; they wake inline or by a thread. Consumers are of every class,
//! begin live or at the oldest, look or sleep in threads or in tasks, hold grains, and release some from another thread.
//!
//! Nothing validated is ever torn, no grain finds no slot, nobody is evicted who was not stopped, who is not lossy misses
//! nothing up to its eviction or the end of the epoch, and at the end every slot is accounted for and the broker holds
//! nothing of those who are gone.
//!
//! No step depends on how fast the machine is: a writer opens the next grain when all consumers that were never stopped
//! have kept up (the ring itself never waits; what would happen to those who are late is what the stopped ones show).
//!
//! `FLYPACK_TORTURE_SECONDS` (60) says how long, `FLYPACK_TORTURE_SEED` repeats a run's decisions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod author;
mod chaos;
mod grain;
mod reading;
mod seat;
mod stage;
mod stay;
mod writing;

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use hwtests::{Dice, actor, take_turn};

use stage::Stage;

/// The parts that other processes play.
#[test]
fn actor() {
    let Some((part, words)) = actor::part() else { return };
    match part.as_str() {
        "consumer" => reading::Reading::from_words(&words, orders()).run(),
        "producer" => writing::run(&words, &orders()),
        _ => panic!("no such part: {part}"),
    }
}

/// What comes in by lines; when the test is gone, so are the orders.
fn orders() -> Receiver<String> {
    let (order, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if order.send(line).is_err() {
                return;
            }
        }
    });
    orders
}

#[test]
fn nothing_is_torn_lost_or_left_behind() {
    let _turn = take_turn();
    let seconds = std::env::var("FLYPACK_TORTURE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut dice = Dice::from_environment("FLYPACK_TORTURE_SEED");
    let stage = Stage::new();
    stage.play(&mut dice, Duration::from_secs(seconds));
    stage.close();
}
