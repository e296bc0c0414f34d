//! Where the successor of a ring that was brought back waits for the writer to go over to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::part::Part;
use super::returning::Home;
use crate::protocol::{RingRequest, SuccessionToken};

/// See the module. What is replaced here drops outside the lock, which the writer's thread takes: ending a part takes
/// long.
#[derive(Debug, Default)]
pub(super) struct Next {
    ready: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nothing,
    For(Box<Heir>),
    /// The producer has dropped.
    Closed,
}

/// A successor, and of which epoch.
#[derive(Debug)]
struct Heir {
    of: u128,
    part: Part,
}

impl Next {
    /// Makes the successor of the epoch that `token` is of, in a thread: the memory takes its time. If it cannot be made,
    /// the producer stays with what it has.
    pub(super) fn prepare(self: &Arc<Self>, epoch: u128, token: SuccessionToken, home: &Home) {
        let (next, path) = (Arc::clone(self), home.path.clone());
        let ring = RingRequest { succeeds: Some(token), ..home.request.clone() };
        let make = move || {
            if let Ok(part) = Part::make(&path, ring, &next) {
                next.offer(Heir { of: epoch, part });
            }
        };
        let _ = std::thread::Builder::new().name("flypack-successor".to_owned()).spawn(make);
    }

    fn offer(&self, heir: Heir) {
        let mut waiting = self.lock();
        let before = match *waiting {
            Waiting::Closed => Waiting::For(Box::new(heir)),
            Waiting::Nothing | Waiting::For(_) => {
                let before = std::mem::replace(&mut *waiting, Waiting::For(Box::new(heir)));
                // Release: pairs with the Acquire in Next::is_ready.
                self.ready.store(true, Ordering::Release);
                before
            }
        };
        drop(waiting);
        drop(before);
    }

    /// Whether there may be a successor.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) // pairs with Next::offer
    }

    /// Takes out what waits: the part, and whether the writer of `epoch` may go over to it. It may not where it was made
    /// for an earlier epoch, or where its gateway is gone: consumers could not follow.
    pub(super) fn take(&self, epoch: u128) -> Option<(Part, Fit)> {
        let mut waiting = self.lock();
        if matches!(*waiting, Waiting::Closed) {
            return None;
        }
        self.ready.store(false, Ordering::Relaxed);
        let Waiting::For(heir) = std::mem::take(&mut *waiting) else { return None };
        let Heir { of, part } = *heir;
        let fit = if of == epoch && part.has_broker() { Fit::Will } else { Fit::WillNot };
        Some((part, fit))
    }

    /// Nobody will take any more.
    pub(super) fn close(&self) {
        let left = std::mem::replace(&mut *self.lock(), Waiting::Closed);
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a successor will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Will,
    WillNot,
}
