//! Leases whose queue is gone while a device, or a packet somewhere, still refers to them.

use std::sync::{Arc, Mutex, PoisonError};

use super::slot::Slot;

/// A place that must stay until it is done.
trait InFlight: Send + Sync {
    fn is_done(&self) -> bool;
}

impl<L: Send> InFlight for Slot<L> {
    fn is_done(&self) -> bool {
        Self::is_done(self)
    }
}

static RETIRED: Mutex<Vec<Arc<dyn InFlight>>> = Mutex::new(Vec::new());

/// Keeps a place. Off the hot path: a queue drops.
pub(super) fn keep(slot: Arc<Slot<impl Send + 'static>>) {
    RETIRED.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
}

/// Drops the leases of former queues that nothing refers to any more, and returns how many are left. Control path.
pub fn retired_leases() -> usize {
    let (done, left) = {
        let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
        let done: Vec<_> = retired.extract_if(.., |slot| slot.is_done()).collect();
        (done, retired.len())
    };
    // A lease's drop is its owner's code: not under the lock.
    drop(done);
    left
}
