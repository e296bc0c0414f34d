//! The mailbox's queue in a model: loom does not see into `crossbeam_queue`, so this one hands over what a push
//! releases by a lock of loom's own.

use std::collections::VecDeque;

use loom::sync::Mutex;

#[derive(Debug)]
pub(super) struct ArrayQueue<T> {
    capacity: usize,
    entries: Mutex<VecDeque<T>>,
}

impl<T> ArrayQueue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::new(VecDeque::new()) }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.with(|entries| entries.len())
    }

    pub(super) fn push(&self, entry: T) -> Result<(), T> {
        self.with(|entries| {
            if entries.len() == self.capacity {
                return Err(entry);
            }
            entries.push_back(entry);
            Ok(())
        })
    }

    pub(super) fn pop(&self) -> Option<T> {
        self.with(VecDeque::pop_front)
    }

    fn with<R>(&self, act: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        act(&mut self.entries.lock().expect("a model ends at its first panic"))
    }
}
