//! How the broker of this process hears that one of its readers has dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::poll::Poll;

/// Dropped with its reader, after the reader's reference to its membership.
#[derive(Debug)]
pub(crate) struct Departure {
    departed: Arc<AtomicBool>,
    poll: Arc<Poll>,
}

impl Departure {
    pub(crate) fn new(departed: Arc<AtomicBool>, poll: Arc<Poll>) -> Self {
        Self { departed, poll }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        // Release: pairs with Views::patience.
        self.departed.store(true, Ordering::Release);
        self.poll.wake();
    }
}
