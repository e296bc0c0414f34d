//! Buffers on their way back to the queue that they are of, from whichever threads free them.
//!
//! ```text
//!  threads that free ── one addition a batch, one store a buffer ──► | . | . | b | b | b |   | . |
//!                                                                    head ▲ (owner)    ▲ tail
//! ```
//! A ring with more places than there are buffers: it is never full, so that nobody who frees waits for anything. A thread
//! that is interrupted between its addition and its stores hides what others return behind it, until it goes on; they do
//! not wait for it, and the owner does not either.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The tail, on lines of its own: every thread that frees writes it.
#[derive(Debug)]
#[repr(align(128))]
struct Tail(AtomicU32);

/// See the module.
#[derive(Debug)]
pub(super) struct Returns<T> {
    places: Box<[AtomicPtr<T>]>,
    /// Changed by the owner alone.
    head: AtomicU32,
    tail: Tail,
}

impl<T> Returns<T> {
    /// Room for `items`, of which each is returned once before it is taken.
    pub(super) fn new(items: u32) -> Self {
        let places = (u64::from(items) + 1).next_power_of_two();
        Self {
            places: (0..places).map(|_| AtomicPtr::default()).collect(),
            head: AtomicU32::new(0),
            tail: Tail(AtomicU32::new(0)),
        }
    }

    #[inline]
    fn place(&self, index: u32) -> &AtomicPtr<T> {
        &self.places[index as usize & (self.places.len() - 1)]
    }

    /// Returns `items`. Any thread.
    #[inline]
    pub(super) fn put<'a>(&self, items: impl ExactSizeIterator<Item = &'a ptr::NonNull<T>>)
    where
        T: 'a,
    {
        // Release and acquire among all that return, for the places: whoever gets one after so many others sees that the owner
        // has emptied it. As there are more places than items, one of those others is an item that the owner took after that.
        let first = self.tail.0.fetch_add(items.len() as u32, Ordering::AcqRel);
        for (index, item) in (0..).zip(items) {
            // Pairs with the load in `take`.
            self.place(first.wrapping_add(index)).store(item.as_ptr(), Ordering::Release);
        }
    }

    /// The oldest item. The owner alone.
    #[inline]
    pub(super) fn take(&self) -> Option<ptr::NonNull<T>> {
        let head = self.head.load(Ordering::Relaxed); // the owner's own
        let place = self.place(head);
        // Pairs with the store in `put`: what was done with the item happened before.
        let item = ptr::NonNull::new(place.load(Ordering::Acquire))?;
        place.store(ptr::null_mut(), Ordering::Relaxed); // ordered for who returns next by whatever the item goes through
        self.head.store(head.wrapping_add(1), Ordering::Relaxed);
        Some(item)
    }

    /// Items that were returned and not taken yet; a momentary figure.
    pub(super) fn waiting(&self) -> u32 {
        let head = self.head.load(Ordering::Relaxed);
        self.tail.0.load(Ordering::Relaxed).wrapping_sub(head)
    }
}

#[cfg(test)]
mod tests;
