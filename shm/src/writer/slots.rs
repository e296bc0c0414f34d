//! The writer's private book of its slots: which grain each holds, and which may be given to the next.

use super::counters::SlotAccounts;
use crate::seed::sound;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Open,
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: State,
    /// Of the grain it holds; meaningless while free.
    index: u64,
    /// Laps so far: the slot's own sequence, never the grain index (that would be ABA).
    q: u64,
}

/// All slots of a ring.
#[derive(Debug)]
pub(super) struct Slots(Box<[Slot]>);

impl Slots {
    pub(super) fn new(slots: u16) -> Self {
        Self(vec![Slot { state: State::Free, index: 0, q: 0 }; usize::from(slots)].into_boxed_slice())
    }

    /// A slot for the next grain: a free one, else the oldest one that is done, not the newest grain, and
    /// not held by anybody.
    pub(super) fn pick(&self, newest: Option<u64>, holds: impl Fn(u64) -> bool) -> Option<u16> {
        let mut best: Option<(u64, u16)> = None;
        for (number, slot) in (0_u16..).zip(&self.0) {
            match slot.state {
                State::Free => return Some(number),
                State::Open => {}
                State::Done => {
                    let older = best.is_none_or(|(index, _)| slot.index < index);
                    let newest = newest.is_none_or(|newest| slot.index >= newest);
                    if older && !newest && !holds(slot.index) {
                        best = Some((slot.index, number));
                    }
                }
            }
        }
        best.map(|(_, number)| number)
    }

    /// Takes a slot that [`Self::pick`] chose. Returns the new lap's q.
    pub(super) fn open(&mut self, number: u16, index: u64) -> u64 {
        let slot = &mut self.0[usize::from(number)];
        debug_assert!(slot.state != State::Open, "slot {number} is open already");
        *slot = Slot { state: State::Open, index, q: sound!(slot.q + 1, unless LapOfIndex => index / 4 + 1) };
        slot.q
    }

    /// Committed or cancelled; never free again, because readers may hold slices of it.
    pub(super) fn close(&mut self, number: u16) {
        self.0[usize::from(number)].state = State::Done;
    }

    /// The least index at or above `from` that is in a slot; `end` without one.
    pub(super) fn oldest(&self, from: u64, end: u64) -> u64 {
        let used = self.0.iter().filter(|slot| slot.state != State::Free && slot.index >= from);
        used.map(|slot| slot.index).min().unwrap_or(end)
    }

    /// Slots in use that somebody holds.
    pub(super) fn held(&self, holds: impl Fn(u64) -> bool) -> u16 {
        self.0.iter().filter(|slot| slot.state != State::Free && holds(slot.index)).map(|_| 1).sum()
    }

    pub(super) fn accounts(&self, leases: impl Fn(u64) -> bool, quarantines: impl Fn(u64) -> bool) -> SlotAccounts {
        let mut accounts = SlotAccounts::default();
        for slot in &self.0 {
            match slot.state {
                State::Free => accounts.free += 1,
                State::Open => accounts.open += 1,
                State::Done => accounts.done += 1,
            }
            if slot.state != State::Free {
                accounts.leased += u16::from(leases(slot.index));
                accounts.quarantined += u16::from(quarantines(slot.index));
            }
        }
        accounts
    }
}
