//! What the gateway asks of a worker, and what the worker gives back.
//!
//! Everything is built before it is sent and dropped after it has come back: a worker neither allocates nor
//! frees. Both directions are bounded; each command is answered by exactly one report.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use crate::convoy::{ArrivalRefusal, Convoy, DepartureRefusal};
use crate::forwarder::Forwarder;
use crate::input::Input;
use crate::key::{InputKey, ReceiverKey, SenderKey};
use crate::port::{PortKey, QueuePair};
use crate::refusal::{ReceiverRefusal, SenderRefusal};
use crate::relay::Relay;
use crate::sender::{Sender, Source};
use crate::steered::SteeredReceiver;

/// A request to a worker.
pub enum Command<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    /// Polls an input from now on.
    AddInput(Box<Input<R>>),
    /// Gives an input back; receivers that have a leg there hear it no longer.
    RemoveInput(InputKey),
    /// Leaves what comes to an input in its queue, until it is resumed: a receiver is on its way there.
    Pause(InputKey),
    /// Takes what waits in the queue of a paused input, and what comes.
    Resume(InputKey),
    /// Answers when everything that lay in an input's queue has been handed out.
    Drain(InputKey),
    /// Serves a receiver; the inputs of its legs are there.
    AddReceiver(Box<SteeredReceiver<R::Buf>>),
    /// Closes a receiver's open grain and gives it back; its inputs go on.
    RemoveReceiver(ReceiverKey),
    /// Gives a receiver back as it is, with the grain that is open and the packets that wait: for another worker, which
    /// is given its inputs before it.
    ReleaseReceiver(ReceiverKey),
    /// Opens the sender's path on its output and serves it from now on.
    AddSender(Box<Sender<T>>),
    /// Ends a sender: what it has in flight is given back first.
    RemoveSender(SenderKey),
    /// Takes a source to a sender, or none, at its next grain boundary.
    Connect(SenderKey, Option<Box<Source>>),
    /// Serves a relay; the inputs of its legs are there.
    AddRelay(Box<Relay<R::Buf>>),
    /// Gives a relay back; its inputs go on, and its forwarders wait.
    RemoveRelay(ReceiverKey),
    /// Gives a relay back as it is, with the packets that some destination has not got yet: for another worker, which is
    /// given its forwarders and its inputs before it.
    ReleaseRelay(ReceiverKey),
    /// Opens the forwarder's path on its output and serves it from now on.
    AddForwarder(Box<Forwarder>),
    /// Gives a forwarder back, with the numbers at which it was: added elsewhere, it goes on with them.
    RemoveForwarder(SenderKey),
    /// Has a forwarder follow a relay from its next picture on, or none.
    Follow(SenderKey, Option<ReceiverKey>),
    /// Gives the queues of a port back, so that it can be restarted. Its senders give back the grains that they are
    /// at, and everything that is not in the device's hands.
    Detach(PortKey),
    /// Goes on with the queues that were detached.
    Attach(PortKey, QueuePair<R, T>),
    /// Loads the ports of a convoy, with all that is served on them, for another worker.
    Depart(Box<Convoy<R, T>>),
    /// Serves what a convoy brings.
    Arrive(Box<Convoy<R, T>>),
}

/// A worker's answer.
pub enum Report<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    /// The input, receiver or sender is served.
    Added,
    /// The worker serves as many inputs as it can.
    InputRefused(Box<Input<R>>),
    /// The input, no longer served.
    InputRemoved(Box<Input<R>>),
    /// The input is paused, resumed or drained.
    Done,
    /// The receiver is not served, and why.
    ReceiverRefused(Box<SteeredReceiver<R::Buf>>, ReceiverRefusal),
    /// The receiver, no longer served.
    ReceiverRemoved(Box<SteeredReceiver<R::Buf>>),
    /// The sender is not served, and why.
    SenderRefused(Box<Sender<T>>, SenderRefusal),
    /// The sender, no longer served.
    SenderRemoved(Box<Sender<T>>),
    /// The relay is not served, and why.
    RelayRefused(Box<Relay<R::Buf>>, ReceiverRefusal),
    /// The relay, no longer served.
    RelayRemoved(Box<Relay<R::Buf>>),
    /// The forwarder is not served, and why.
    ForwarderRefused(Box<Forwarder>, SenderRefusal),
    /// The forwarder, no longer served.
    ForwarderRemoved(Box<Forwarder>),
    /// The forwarder follows.
    Following,
    /// The source that the sender had before.
    Disconnected(Option<Box<Source>>),
    /// The port's queues; whoever has them may stop the device.
    Detached(QueuePair<R, T>),
    /// The port is served again.
    Attached,
    /// There is no such port, or it has its queues.
    AttachRefused(QueuePair<R, T>),
    /// The convoy, loaded.
    Departed(Box<Convoy<R, T>>),
    /// The convoy, empty, and why; all goes on as before.
    DepartureRefused(Box<Convoy<R, T>>, DepartureRefusal),
    /// The convoy, empty, with the names that its ports have now.
    Arrived(Box<Convoy<R, T>>),
    /// The convoy, loaded as before, and why.
    ArrivalRefused(Box<Convoy<R, T>>, ArrivalRefusal),
    /// No such input, receiver or sender, or no port with its queues; the source that was to be taken.
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
