//! Sleeping in a model, as the kernel has it: who goes to sleep looks once more after it has queued, and who wakes comes
//! either before that look or finds it queued. Nobody awakes by time, so a wake that is lost is a deadlock, which loom
//! reports. No lock of loom's is held meanwhile: one could not be let go of when the deadlock is reported.

use std::sync::Mutex;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread::{self, Thread};

#[derive(Debug)]
pub(crate) struct WaitQueue {
    /// Each change of the queue; stands for the kernel's lock of it.
    turns: AtomicU64,
    threads: Mutex<Vec<Thread>>,
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        Self { turns: AtomicU64::new(0), threads: Mutex::new(Vec::new()) }
    }

    /// Sleeps unless `is_awake`, once. May end early.
    pub(crate) fn sleep_unless(&self, is_awake: impl FnOnce() -> bool) {
        let me = thread::current();
        let id = me.id();
        self.change(|threads| threads.push(me));
        if !is_awake() {
            thread::park();
        }
        self.change(|threads| threads.retain(|thread| thread.id() != id));
    }

    /// Wakes all who sleep.
    pub(crate) fn wake(&self) {
        for thread in self.change(std::mem::take) {
            thread.unpark();
        }
    }

    /// Loom lets no other thread in between the turn and the change.
    fn change<R>(&self, change: impl FnOnce(&mut Vec<Thread>) -> R) -> R {
        self.turns.fetch_add(1, Ordering::AcqRel);
        change(&mut self.threads.lock().expect("a model ends at its first panic"))
    }
}
