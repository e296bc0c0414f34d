//! The poll-mode loop: one thread, its receive queues, its transmit queue, the receivers and senders on them.
//!
//! One turn: a command, a burst from each receive queue, the packets due of each sender. After it has
//! started the worker allocates nothing, locks nothing and logs nothing; sleeping when idle is the caller's
//! choice ([`crate::idle`]).

use std::sync::Arc;

use media::{Clock, Tai};
use netio::{Burst, RxQueue, TxQueue};
use shm::GrainLease;

use crate::command::{Command, Mailbox, Report};
use crate::counters::WorkerCounters;
use crate::input::Input;
use crate::key::SenderKey;
use crate::sender::{Sender, Settled, Source};

/// Receivers, and senders, that one worker serves at most.
pub const WORKER_LIMIT: usize = 256;

/// What a turn amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whether anything was done.
    pub is_busy: bool,
    /// Nanoseconds until the next packet is due, where one is.
    pub due_in_nanos: Option<i64>,
}

/// One worker, generic over packet I/O and clock.
pub struct Worker<R: RxQueue, T: TxQueue<Lease = GrainLease>, C> {
    clock: C,
    mailbox: Arc<Mailbox<R, T>>,
    counters: Arc<WorkerCounters>,
    inputs: Vec<Box<Input<R>>>,
    tx: T,
    burst: Burst<T::Buf>,
    senders: Vec<Box<Sender<T>>>,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>, C: Clock> Worker<R, T, C> {
    /// A worker without receivers and senders; they come through `mailbox`.
    #[must_use]
    pub fn new(clock: C, tx: T, mailbox: Arc<Mailbox<R, T>>) -> Self {
        Self {
            clock,
            mailbox,
            counters: Arc::default(),
            inputs: Vec::with_capacity(WORKER_LIMIT),
            tx,
            burst: Burst::new(),
            senders: Vec::with_capacity(WORKER_LIMIT),
        }
    }

    /// The worker's own counters.
    #[must_use]
    pub fn counters(&self) -> Arc<WorkerCounters> {
        Arc::clone(&self.counters)
    }

    /// One turn of the loop.
    pub fn turn(&mut self) -> Turn {
        let now = self.clock.now();
        let commanded = self.take_command(now);
        let received = self.receive(now);
        let (sent, due_in_nanos) = self.send(now);
        self.settle(now);
        self.tx.reap();
        let is_busy = commanded || received || sent;
        self.counters.turns.add(1);
        self.counters.turns_idle.add(u64::from(!is_busy));
        self.mirror();
        Turn { is_busy, due_in_nanos }
    }

    fn receive(&mut self, now: Tai) -> bool {
        let locked = self.clock.is_locked();
        let mut packets = 0;
        for input in &mut self.inputs {
            packets += input.turn(now, locked, &self.counters);
        }
        packets > 0
    }

    fn send(&mut self, now: Tai) -> (bool, Option<i64>) {
        let mut sent = 0;
        let mut due_in_nanos = None;
        for sender in &mut self.senders {
            let progress = sender.turn(&mut self.tx, &mut self.burst, now);
            sent += progress.packets;
            due_in_nanos = [due_in_nanos, progress.due_in_nanos].into_iter().flatten().min();
        }
        self.tx.tx_burst(&mut self.burst);
        (sent > 0, due_in_nanos)
    }

    /// Answers for a sender that has left or switched.
    fn settle(&mut self, now: Tai) {
        let is_flushed = self.burst.is_empty();
        let Some(at) = self.senders.iter().position(|sender| sender.is_unsettled()) else { return };
        match self.senders[at].settle(&mut self.tx, is_flushed, now) {
            None => {}
            Some(Settled::Switched(old)) => self.mailbox.answer(Report::Disconnected(old)),
            Some(Settled::Left) => {
                let sender = self.senders.swap_remove(at);
                self.tx.reap();
                self.mailbox.answer(Report::SenderRemoved(sender));
            }
        }
    }

    fn take_command(&mut self, now: Tai) -> bool {
        // A sender still owes its answer: one command at a time.
        if self.senders.iter().any(|sender| sender.is_unsettled()) {
            return false;
        }
        let Some(command) = self.mailbox.next() else { return false };
        let report = match command {
            Command::AddReceiver(input) => Some(self.add_receiver(input)),
            Command::RemoveReceiver(key) => {
                let at = self.inputs.iter().position(|input| input.key() == key);
                Some(at.map_or(Report::Unknown(None), |at| {
                    let mut input = self.inputs.swap_remove(at);
                    input.finish();
                    Report::ReceiverRemoved(input)
                }))
            }
            Command::AddSender(sender) => Some(self.add_sender(sender)),
            Command::RemoveSender(key) => self.remove_sender(key),
            Command::Connect(key, source) => self.connect(key, source, now),
        };
        if let Some(report) = report {
            self.mailbox.answer(report);
        }
        true
    }

    fn add_receiver(&mut self, input: Box<Input<R>>) -> Report<R, T> {
        if self.inputs.len() == WORKER_LIMIT {
            return Report::ReceiverRefused(input);
        }
        self.inputs.push(input);
        Report::Added
    }

    fn add_sender(&mut self, mut sender: Box<Sender<T>>) -> Report<R, T> {
        if self.senders.len() == WORKER_LIMIT {
            return Report::SenderRefused(sender, None);
        }
        match sender.open(&mut self.tx) {
            Ok(()) => {
                self.senders.push(sender);
                Report::Added
            }
            Err(error) => Report::SenderRefused(sender, Some(error)),
        }
    }

    /// Ends a sender; its answer follows when the burst holds none of its packets any more.
    fn remove_sender(&mut self, key: SenderKey) -> Option<Report<R, T>> {
        let Some(sender) = self.senders.iter_mut().find(|sender| sender.key() == key) else {
            return Some(Report::Unknown(None));
        };
        sender.leave(&mut self.tx);
        None
    }

    /// Takes a source to a sender; its answer follows at the grain boundary.
    fn connect(&mut self, key: SenderKey, source: Option<Box<Source>>, now: Tai) -> Option<Report<R, T>> {
        let Some(sender) = self.senders.iter_mut().find(|sender| sender.key() == key) else {
            return Some(Report::Unknown(source));
        };
        sender.connect(source, now);
        None
    }

    /// Publishes the transmit queue's own counters.
    fn mirror(&self) {
        let queue = self.tx.counters();
        self.counters.tx_packets.set(queue.packets);
        self.counters.tx_octets_copied_by_kernel.set(queue.octets_copied_by_kernel);
        self.counters.tx_octets_copied_by_us.set(queue.octets_copied_by_us);
        self.counters.tx_errors.set(queue.errors);
        self.counters.tx_would_block.set(queue.would_block);
    }
}
