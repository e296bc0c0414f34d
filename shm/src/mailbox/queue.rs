//! One way of a mailbox: a bounded queue whose ends never wait for each other, nor for a thread that was stopped while it
//! had one of them.
//!
//! ```text
//!            head                tail
//!             v                   v
//!  | empty | 7 | 8 | ...  | 11 | empty |      place of entry n: n modulo the capacity
//! ```
//!
//! Each end counts what went through it, and says so when that is done: `tail` after the entry was put down, `head`
//! after it was taken. Any thread may push or pop. Who finds its end in another's hands gets its entry back, or none.

use std::fmt::{self, Debug, Formatter};

use crate::atomics::{AtomicU64, Ordering, UnsafeCell};
use crate::seed::{planted, sound};

/// See the module.
pub(crate) struct Queue<T> {
    places: Box<[UnsafeCell<Option<T>>]>,
    head: End,
    tail: End,
}

// SAFETY: the count of an end is its holder's, and there is one at a time. A place is accessed by whoever has the end that
// is next to it, and what that did happens before the other end gets there: entries go from thread to thread, and are
// never shared.
unsafe impl<T: Send> Sync for Queue<T> {}

/// One end. In lines of its own: the other one is another thread's.
#[repr(align(128))]
struct End {
    /// Entries that went through, for the other end.
    passed: AtomicU64,
    /// The same, of whoever has the end. A model that loaded `passed` before it stores it would not see who else did.
    count: UnsafeCell<u64>,
    /// 1 while a thread has it.
    held: AtomicU64,
}

impl<T> Queue<T> {
    /// Room for so many entries, allocated once.
    pub(crate) fn new(capacity: usize) -> Self {
        let places = (0..capacity).map(|_| UnsafeCell::new(None)).collect();
        Self { places, head: End::new(), tail: End::new() }
    }

    /// Entries for which there surely is room, if no other thread pushes. None for sure while one does.
    pub(crate) fn room(&self) -> usize {
        self.tail.take().map_or(0, |tail| self.free(tail.count()) as usize)
    }

    /// Puts an entry at the end of the queue.
    ///
    /// # Errors
    /// Gives it back where there is no room, or another thread is pushing.
    pub(crate) fn push(&self, entry: T) -> Result<(), T> {
        let Some(tail) = self.tail.take() else { return Err(entry) };
        let pushed = tail.count();
        if self.free(pushed) == 0 {
            return Err(entry);
        }
        // SAFETY: this thread alone has the tail. The head does not get to this place before `pass` below, and has left
        // it: what it popped there is among what `free` has loaded.
        self.place(pushed).with_mut(|place| unsafe { *place = Some(entry) });
        // Pairs with the Acquire in `pop`.
        tail.pass(sound!(Ordering::Release, unless PushedRelaxed => Ordering::Relaxed));
        Ok(())
    }

    /// Takes the entry at the head of the queue. None where there is none that was put down wholly, or another thread is
    /// popping.
    pub(crate) fn pop(&self) -> Option<T> {
        planted!(PopWaits => while self.tail.held.load(Ordering::Relaxed) != 0 {});
        let head = self.head.take()?;
        let popped = head.count();
        // Acquire: pairs with `pass` in `push`, so that the entry is there.
        let pushed = self.tail.passed.load(sound!(Ordering::Acquire, unless PushedReadRelaxed => Ordering::Relaxed));
        if popped == pushed {
            return None;
        }
        // SAFETY: this thread alone has the head. The tail has left this place, as was loaded above, and does not come back
        // before `pass` below.
        let entry = self.place(popped).with_mut(|place| unsafe { (*place).take() });
        // Pairs with the Acquire in `free`.
        head.pass(sound!(Ordering::Release, unless PoppedRelaxed => Ordering::Relaxed));
        entry
    }

    /// The short way of whoever asks often. Not in a model: see `End::count`.
    pub(crate) fn seems_empty(&self) -> bool {
        // Relaxed: who finds nothing does nothing.
        cfg!(not(loom)) && self.tail.passed.load(Ordering::Relaxed) == self.head.passed.load(Ordering::Relaxed)
    }

    /// Places that are free when so many entries have been pushed.
    fn free(&self, pushed: u64) -> u64 {
        // Acquire: pairs with `pass` in `pop`, so that the places are empty.
        let popped = self.head.passed.load(sound!(Ordering::Acquire, unless PoppedReadRelaxed => Ordering::Relaxed));
        self.places.len() as u64 - (pushed - popped)
    }

    fn place(&self, entry: u64) -> &UnsafeCell<Option<T>> {
        &self.places[(entry % self.places.len() as u64) as usize]
    }
}

impl<T> Debug for Queue<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "a queue of {} places", self.places.len())
    }
}

impl End {
    fn new() -> Self {
        Self { passed: AtomicU64::new(0), count: UnsafeCell::new(0), held: AtomicU64::new(0) }
    }

    /// The end, unless another thread has it.
    fn take(&self) -> Option<Held<'_>> {
        // Acquire: pairs with the Release in Held::drop.
        let is_free = self.held.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        sound!(is_free, unless EndShared => true).then(|| Held(self))
    }
}

/// An end in this thread's hands.
struct Held<'a>(&'a End);

impl Held<'_> {
    /// Entries that went through.
    fn count(&self) -> u64 {
        // SAFETY: this thread alone has the end.
        self.0.count.with_mut(|count| unsafe { *count })
    }

    /// One more went through; the other end hears of it.
    fn pass(&self, ordering: Ordering) {
        let passed = self.count() + 1;
        // SAFETY: as above.
        self.0.count.with_mut(|count| unsafe { *count = passed });
        self.0.passed.store(passed, ordering);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Pairs with End::take.
        self.0.held.store(0, sound!(Ordering::Release, unless EndLeftRelaxed => Ordering::Relaxed));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_bounded_queue(capacity in 1_usize..5, steps in prop::collection::vec(any::<bool>(), 0..60)) {
            let (queue, mut model) = (Queue::new(capacity), VecDeque::new());
            for (entry, is_push) in steps.into_iter().enumerate() {
                if is_push {
                    let has_room = model.len() < capacity;
                    prop_assert_eq!(queue.push(entry), if has_room { Ok(()) } else { Err(entry) });
                    model.extend(has_room.then_some(entry));
                } else {
                    prop_assert_eq!(queue.pop(), model.pop_front());
                }
                prop_assert_eq!(queue.room(), capacity - model.len());
            }
        }
    }

    #[test]
    fn whoever_finds_an_end_held_does_not_wait() {
        let queue = Queue::new(4);
        queue.push(1).unwrap();
        {
            // A thread that was stopped while it pushed.
            let _pushing = queue.tail.take().unwrap();
            assert_eq!((queue.push(2), queue.pop(), queue.pop()), (Err(2), Some(1), None));
        }
        queue.push(3).unwrap();
        {
            let _popping = queue.head.take().unwrap();
            assert_eq!((queue.pop(), queue.push(4)), (None, Ok(())));
        }
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(3), Some(4), None));
    }

    #[test]
    fn what_is_left_drops_with_it() {
        let entry = Arc::new(());
        let queue = Queue::new(3);
        queue.push(Arc::clone(&entry)).unwrap();
        queue.push(Arc::clone(&entry)).unwrap();
        drop(queue.pop());
        assert_eq!(Arc::strong_count(&entry), 2, "a place keeps nothing");
        drop(queue);
        assert_eq!(Arc::strong_count(&entry), 1);
    }
}
