//! The mailbox's queue: what goes in comes out once, in order and whole, and neither end waits for the other.

use std::sync::Arc;

use loom::thread;

use super::exploration::{catches, explore};
use crate::mailbox::queue::Queue;
use crate::seed::Bug;

/// One pushes, one pops, and each entry takes the place of the one before.
fn handed_over() {
    let queue = Arc::new(Queue::new(1));
    let theirs = Arc::clone(&queue);
    loom::explore();
    let pusher = thread::spawn(move || (1..=3_u64).filter(|entry| theirs.push(*entry).is_ok()).collect::<Vec<_>>());
    let mut popped: Vec<_> = (0..3).filter_map(|_| queue.pop()).collect();
    let pushed = pusher.join().unwrap();
    popped.extend(std::iter::from_fn(|| queue.pop()));
    assert_eq!(popped, pushed, "lost, doubled or out of order");
    assert_eq!(pushed.first(), Some(&1), "there was room");
}

/// Two push: one of them may have to try again.
fn pushed_by_two() {
    let queue = Arc::new(Queue::new(3));
    loom::explore();
    let pushers = [1_u64, 2].map(|entry| {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.push(entry).or_else(|entry| queue.push(entry)).is_ok())
    });
    let pushed = pushers.map(|pusher| pusher.join().unwrap());
    let mut popped: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    popped.sort_unstable();
    let expected: Vec<u64> = (1..).zip(pushed).filter_map(|(entry, is_in)| is_in.then_some(entry)).collect();
    assert_eq!(popped, expected, "lost or doubled");
}

/// Two pop: each entry goes to one of them.
fn popped_by_two() {
    let queue = Arc::new(Queue::new(2));
    [1_u64, 2].into_iter().for_each(|entry| queue.push(entry).expect("room"));
    loom::explore();
    let other = Arc::clone(&queue);
    let popper = thread::spawn(move || other.pop());
    let mut popped: Vec<_> = [queue.pop(), popper.join().unwrap()].into_iter().flatten().collect();
    popped.extend(std::iter::from_fn(|| queue.pop()));
    popped.sort_unstable();
    assert_eq!(popped, [1, 2], "lost or doubled");
}

#[test]
fn entries_are_handed_over() {
    explore("a queue of one place", 3, handed_over);
    for bug in [Bug::PushedRelaxed, Bug::PushedReadRelaxed, Bug::PoppedRelaxed, Bug::PoppedReadRelaxed] {
        catches(bug, "Causality violation", handed_over);
    }
}

#[test]
fn nobody_waits_for_one_who_is_pushing() {
    catches(Bug::PopWaits, "exceeded maximum number of branches", handed_over);
}

#[test]
fn an_end_is_one_threads() {
    explore("a queue into which two push", 3, pushed_by_two);
    explore("a queue of which two pop", 3, popped_by_two);
    for model in [pushed_by_two as fn(), popped_by_two] {
        catches(Bug::EndShared, "Causality violation", model);
        catches(Bug::EndLeftRelaxed, "Causality violation", model);
    }
}
