//! Something that a queue has for a while, given and taken by somebody else: on the queue's worker nothing allocates, frees,
//! waits or locks, and while there is nothing it costs one load and one branch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::ArrayQueue;

use crate::wait::Doorbell;

/// What a lead and its switch share.
#[derive(Debug)]
struct Slot<T> {
    /// Whether the lead has anything to do: a thing, or a change of it.
    is_on: AtomicBool,
    /// The last one: what it replaces was never seen, and goes with whoever replaced it.
    changes: ArrayQueue<Option<Arc<T>>>,
}

/// The end in a queue.
#[derive(Debug)]
pub(crate) struct Lead<T> {
    slot: Arc<Slot<T>>,
    /// Never the last reference: the switch keeps one.
    held: Option<Arc<T>>,
}

impl<T> Lead<T> {
    /// Whether there is anything to do. Once per burst.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // Relaxed: what changes comes by the queue.
        self.slot.is_on.load(Ordering::Relaxed)
    }

    /// What it holds.
    #[inline]
    pub(crate) fn held(&self) -> Option<&Arc<T>> {
        self.held.as_ref()
    }

    /// Takes the changes up; `parting` sees what goes. Returns whether it holds anything then.
    #[cold]
    pub(crate) fn look(&mut self, mut parting: impl FnMut(&T)) -> bool {
        while let Some(change) = self.slot.changes.pop() {
            if change.is_none() {
                // Off, then looked once more: a change that comes meanwhile is in the queue before its switch says so. Both
                // are SeqCst for that: pairs with Switch::change.
                self.slot.is_on.store(false, Ordering::SeqCst);
                if !self.slot.changes.is_empty() {
                    self.slot.is_on.store(true, Ordering::SeqCst);
                }
            }
            self.held.iter().for_each(|held| parting(held));
            self.held = change;
        }
        self.held.is_some()
    }
}

/// The side that gives and takes.
#[derive(Debug)]
pub(crate) struct Switch<T> {
    slots: Vec<Arc<Slot<T>>>,
    /// Kept until no lead has it.
    given: Mutex<Vec<Arc<T>>>,
    /// Of the workers that have the leads: they may be asleep.
    bells: Mutex<Vec<Arc<Doorbell>>>,
}

impl<T> Switch<T> {
    /// A switch without leads.
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), given: Mutex::default(), bells: Mutex::default() }
    }

    /// One more lead, which holds nothing yet.
    pub(crate) fn lead(&mut self) -> Lead<T> {
        let slot = Arc::new(Slot { is_on: AtomicBool::new(false), changes: ArrayQueue::new(1) });
        self.slots.push(Arc::clone(&slot));
        Lead { slot, held: None }
    }

    /// From now on this worker too is woken for a change.
    pub(crate) fn wakes_by(&self, bell: Arc<Doorbell>) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        // One that comes back is woken as before.
        if !bells.iter().any(|known| Arc::ptr_eq(known, &bell)) {
            bells.push(bell);
        }
    }

    /// Gives the leads what `make` makes; nothing while one of them has what was given before.
    pub(crate) fn give(&self, make: impl FnOnce() -> T) -> Option<Arc<T>> {
        let mut given = self.still_held();
        if !given.is_empty() {
            return None;
        }
        let thing = Arc::new(make());
        given.push(Arc::clone(&thing));
        self.change(Some(&thing));
        Some(thing)
    }

    /// Takes it from the leads.
    pub(crate) fn take(&self) {
        self.change(None);
    }

    /// Frees what no lead has any more; returns whether nothing is left.
    pub(crate) fn tidy(&self) -> bool {
        self.still_held().is_empty()
    }

    fn still_held(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|thing| Arc::strong_count(thing) > 1);
        given
    }

    fn change(&self, thing: Option<&Arc<T>>) {
        for slot in &self.slots {
            // A worker that stands still takes up the last change, sooner or later.
            drop(slot.changes.force_push(thing.map(Arc::clone)));
            slot.is_on.store(true, Ordering::SeqCst); // pairs with Lead::look
        }
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.iter().for_each(|bell| bell.ring());
    }
}
