//! The time while senders have their turns.

use std::cell::Cell;

use media::{Clock, Tai};

/// A clock and its last reading, which whoever needs no better one takes. It goes on as the clock does: what has fallen into
/// a bucket at one reading is not looked at from an earlier one.
pub(crate) struct Watch<'a, C> {
    clock: &'a C,
    now: Cell<Tai>,
}

impl<'a, C: Clock> Watch<'a, C> {
    /// Reads `clock`.
    pub(crate) fn new(clock: &'a C) -> Self {
        Self { clock, now: Cell::new(clock.now()) }
    }

    /// Reads the clock anew.
    #[inline]
    pub(crate) fn look(&self) -> Tai {
        self.now.set(self.clock.now());
        self.now.get()
    }
}

impl<C> Watch<'_, C> {
    /// The last reading.
    #[inline]
    pub(crate) const fn now(&self) -> Tai {
        self.now.get()
    }
}
