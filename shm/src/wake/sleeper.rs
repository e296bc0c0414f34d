//! One consumer as its waker sees it: what it wants, and how it is woken.

use std::sync::Arc;

use super::bell::Bell;
use super::futex;
use super::reached::Reached;
use super::want::{Alarm, Want};
use crate::atomics::{Ordering, fence};
use crate::lease_page;
use crate::mapping::Mapping;
use crate::seed::sound;

/// A consumer that may sleep.
#[derive(Debug)]
pub(crate) struct Sleeper {
    seat: u8,
    lease: Arc<Mapping>,
    bell: Arc<Bell>,
    /// The want that it was woken for last. What was reached stays so, and its sleep has ended: once is enough.
    woken: u64,
}

/// What a look at a consumer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is awake, or was woken for this before.
    Awake,
    /// It sleeps on, for this.
    Asleep(Want),
    Woken,
}

impl Sleeper {
    pub(crate) fn new(seat: u8, lease: Arc<Mapping>, bell: Arc<Bell>) -> Self {
        Self { seat, lease, bell, woken: 0 }
    }

    pub(crate) fn seat(&self) -> u8 {
        self.seat
    }

    /// Wakes the consumer if what it wants is there. To be called after a SeqCst fence that follows the publishing, or
    /// again and again. The lease page may hold anything: one load of it, and at most one system call.
    pub(crate) fn look(&mut self, reached: &Reached, control: &Mapping) -> Found {
        let word = lease_page::wanted(&self.lease);
        let Some(want) = Want::decode(word).filter(|_| word != self.woken) else { return Found::Awake };
        if !reached.holds(control, self.seat, want) {
            return Found::Asleep(want);
        }
        self.woken = word;
        self.wake(control, want.alarm);
        Found::Woken
    }

    /// Wakes the consumer whatever it wants: nobody has looked after it until now.
    pub(crate) fn wake_anyway(&self, control: &Mapping) {
        if let Some(want) = Want::decode(lease_page::wanted(&self.lease)) {
            self.wake(control, want.alarm);
        }
    }

    /// The last wake: nobody looks after the consumer any more. It then sees all that was published before this, and if
    /// it sleeps again, it looks for itself.
    pub(crate) fn let_go(&self, control: &Mapping) {
        // Dekker: pairs with the fence in `lease_page::post_want`.
        sound!(fence(Ordering::SeqCst), unless LetGoUnfenced);
        sound!(self.wake_anyway(control), unless LetGoAsleep);
    }

    fn wake(&self, control: &Mapping, alarm: Alarm) {
        match alarm {
            Alarm::Futex => futex::wake(control, self.seat),
            // Hung up: its life pipe tells the rest.
            Alarm::Bell => {
                self.bell.ring();
            }
        }
    }
}
