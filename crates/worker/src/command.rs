//! What the gateway asks of a worker, and what the worker gives back.
//!
//! Everything is built before it is sent and dropped after it has come back: a worker neither allocates nor
//! frees. Both directions are bounded; each command is answered by exactly one report.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use netio::{PathError, RxQueue, TxQueue};
use shm::GrainLease;

use crate::input::Input;
use crate::key::{ReceiverKey, SenderKey};
use crate::sender::{Sender, Source};

/// A request to a worker.
pub enum Command<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    /// Serves a receiver from now on.
    AddReceiver(Box<Input<R>>),
    /// Closes a receiver's open grain and gives it back.
    RemoveReceiver(ReceiverKey),
    /// Opens the sender's path and serves it from now on.
    AddSender(Box<Sender<T>>),
    /// Ends a sender: what it has in flight is given back first.
    RemoveSender(SenderKey),
    /// Takes a source to a sender, or none, at its next grain boundary.
    Connect(SenderKey, Option<Box<Source>>),
}

/// A worker's answer.
pub enum Report<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    /// The receiver or sender is served.
    Added,
    /// The worker serves as many as it can.
    ReceiverRefused(Box<Input<R>>),
    /// The sender's path cannot be opened, or (`None`) the worker serves as many as it can.
    SenderRefused(Box<Sender<T>>, Option<PathError>),
    /// The receiver, no longer served.
    ReceiverRemoved(Box<Input<R>>),
    /// The sender, no longer served.
    SenderRemoved(Box<Sender<T>>),
    /// The source that the sender had before.
    Disconnected(Option<Box<Source>>),
    /// No such receiver or sender; the source that was to be taken.
    Unknown(Option<Box<Source>>),
}

/// The two bounded queues between the gateway and one worker.
pub struct Mailbox<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    commands: ArrayQueue<Command<R, T>>,
    reports: ArrayQueue<Report<R, T>>,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Mailbox<R, T> {
    /// Commands that may be on their way at once. The gateway sends the next when the last was answered.
    const CAPACITY: usize = 8;

    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let (commands, reports) = (ArrayQueue::new(Self::CAPACITY), ArrayQueue::new(Self::CAPACITY));
        Arc::new(Self { commands, reports })
    }

    /// Sends a command; gives it back when too many are unanswered.
    ///
    /// # Errors
    /// The command itself.
    pub fn send(&self, command: Command<R, T>) -> Result<(), Command<R, T>> {
        self.commands.push(command)
    }

    /// The next answer, if there is one.
    pub fn report(&self) -> Option<Report<R, T>> {
        self.reports.pop()
    }

    pub(crate) fn next(&self) -> Option<Command<R, T>> {
        if self.reports.is_full() { None } else { self.commands.pop() }
    }

    pub(crate) fn answer(&self, report: Report<R, T>) {
        // There is room: `next` hands out a command only when there is, and each is answered once.
        let pushed = self.reports.push(report).is_ok();
        debug_assert!(pushed, "an answer found no room");
    }
}
