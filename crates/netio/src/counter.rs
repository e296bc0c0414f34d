//! A count with one writer, and sets of them: written by one worker and read by anyone.
//!
//! Each set stands on cache lines of its own, so that reading it never slows another worker's writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this: load and store are two steps.
    #[inline]
    pub fn add(&self, n: u64) {
        // Relaxed: a statistic, ordered with nothing.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets the value: for what is counted elsewhere, and for levels.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The count now.
    #[inline]
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares sets of [`Counter`]s whose names are their fields' names.
#[macro_export]
macro_rules! counter_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct $name { $($(#[$doc])* pub $field: $crate::Counter,)* }

        impl $name {
            /// Every counter with its name, in order of declaration.
            #[must_use]
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.value()),)*]
            }
        }
    };
}
