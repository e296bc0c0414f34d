//! One consumer as its waker sees it: what it wants, and how it is woken.

use std::sync::Arc;

use super::bell::{Bell, Rung};
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
        let Some(want) = Want::decode(word).filter(|_| !self.was_woken_for(word)) else { return Found::Awake };
        if !reached.holds(control, self.seat, want) {
            return Found::Asleep(want);
        }
        let rung = self.wake(control, want.alarm);
        if sound!(rung, unless UnrungWoken => Rung::Queued) == Rung::NotNow {
            // It sleeps on: the next look tries again.
            return Found::Asleep(want);
        }
        self.woken = word;
        Found::Woken
    }

    fn was_woken_for(&self, word: u64) -> bool {
        sound!(word == self.woken, unless WokenForGrain => word >> 16 == self.woken >> 16)
    }

    /// Wakes the consumer whatever it wants: nobody has looked after it until now. A bell that cannot be rung now is not
    /// rung again: that consumer looks for itself.
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

    /// Hung up: its life pipe tells the rest.
    fn wake(&self, control: &Mapping, alarm: Alarm) -> Rung {
        match alarm {
            Alarm::Futex => {
                futex::wake(control, self.seat);
                Rung::Queued
            }
            Alarm::Bell => self.bell.ring(),
        }
    }
}
