//! One test at a time: they share the machine's settings and its two or so cores.

use std::sync::{Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test of this process is at work on the machine.
pub fn take_turn() -> MutexGuard<'static, ()> {
    // A test that failed has put back what it changed, so its turn is over like any other.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
