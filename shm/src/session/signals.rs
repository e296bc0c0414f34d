//! What a producer and the housekeeping thread of one of its epochs tell each other.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::poll::Poll;
use crate::protocol::{Refusal, SuccessionToken};

/// See the module.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) poll: Poll,
    stopping: AtomicBool,
    broker_gone: AtomicBool,
    role: AtomicU8,
    token: Mutex<Option<SuccessionToken>>,
    stranded: Mutex<Option<Refusal>>,
}

/// What an epoch is to its producer: first the one, then the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Role {
    /// It is made, and the writer has not gone over to it.
    Waiting,
    /// New grains are opened in it.
    Written,
    /// The writer has gone over to the next one; here, what is open ends.
    Concluded,
}

impl Signals {
    pub(super) const fn new(poll: Poll, role: Role, token: Option<SuccessionToken>) -> Self {
        let (stopping, broker_gone) = (AtomicBool::new(false), AtomicBool::new(false));
        let (role, token, stranded) = (AtomicU8::new(role as u8), Mutex::new(token), Mutex::new(None));
        Self { poll, stopping, broker_gone, role, token, stranded }
    }

    /// The thread is to end.
    pub(super) fn stop(&self) {
        // Release: pairs with the Acquire in Signals::is_stopping.
        self.stopping.store(true, Ordering::Release);
        self.poll.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire) // pairs with Signals::stop
    }

    pub(super) fn become_role(&self, role: Role) {
        // Release: pairs with the Acquire in Signals::role.
        self.role.store(role as u8, Ordering::Release);
        self.poll.wake();
    }

    pub(super) fn role(&self) -> Role {
        // Acquire: pairs with Signals::become_role, after which the writer was concluded.
        match self.role.load(Ordering::Acquire) {
            0 => Role::Waiting,
            1 => Role::Written,
            _ => Role::Concluded,
        }
    }

    /// Whether there is a gateway that lets consumers in. It may be gone the next moment, so nothing is ordered by it.
    pub(super) fn has_broker(&self) -> bool {
        !self.broker_gone.load(Ordering::Relaxed)
    }

    pub(super) fn lose_broker(&self) {
        self.broker_gone.store(true, Ordering::Relaxed);
    }

    /// A gateway has the ring again, and gave this to succeed it.
    pub(super) fn find_broker(&self, token: Option<SuccessionToken>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        self.strand(None);
        self.broker_gone.store(false, Ordering::Relaxed);
    }

    /// What it takes to succeed the epoch; none from a gateway of protocol version 1.
    pub(super) fn token(&self) -> Option<SuccessionToken> {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a gateway that was found said to the ring that it was brought.
    pub(super) fn strand(&self, refusal: Option<Refusal>) {
        *self.stranded.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    /// Why the gateway that was found has not taken the ring over.
    pub(super) fn stranded(&self) -> Option<Refusal> {
        *self.stranded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
