//! A worker that the test turns itself, in virtual time.

use std::sync::Arc;

use anyhow::{Result, bail};
use media::{Clock, ManualClock};
use netio::{RxQueue, TxQueue};
use shm::{FrameReader, GrainLease};
use st2110::ReadSchedule;
use worker::{
    Command, Forwarder, Input, InputCounters, InputKey, Mailbox, OutputCounters, PortKey, QueuePair, ReceiverCounters,
    ReceiverKey, Relay, RelayCounters, Report, Sender, SenderCounters, SenderKey, Source, SteeredReceiver, Worker,
};

use crate::road;

/// One step of virtual time: a hundredth of a picture.
pub const STEP_NANOS: i64 = road::FRAME_NANOS / 100;

/// A worker and its mailbox.
pub struct Turning<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    clock: ManualClock,
    mailbox: Arc<Mailbox<R, T>>,
    worker: Worker<R, T, ManualClock>,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Turning<R, T> {
    /// A worker that sends by `outputs`. The clock is everybody's.
    #[must_use]
    pub fn new(clock: &ManualClock, outputs: Vec<T>) -> Self {
        let mailbox = Mailbox::new();
        let worker = Worker::new(clock.clone(), outputs, Arc::clone(&mailbox));
        Self { clock: clock.clone(), mailbox, worker }
    }

    /// One turn.
    pub fn turn(&mut self) {
        self.worker.turn();
    }

    /// A step of virtual time, and a turn.
    pub fn step(&mut self) {
        self.clock.advance_nanos(STEP_NANOS);
        self.worker.turn();
    }

    /// Turns through `frames` frame periods.
    pub fn pass(&mut self, frames: u32) {
        (0..frames * 100).for_each(|_| self.step());
    }

    /// Turns until it is so, at most for ten seconds of virtual time.
    ///
    /// # Panics
    /// When it is not so by then.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..10_000_000_000 / STEP_NANOS {
            if holds() {
                return;
            }
            self.step();
        }
        panic!("not so after ten seconds of virtual time: {what}");
    }

    /// The counters of the outputs, in their order.
    #[must_use]
    pub fn output_counters(&self) -> Vec<Arc<OutputCounters>> {
        self.worker.output_counters()
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// When there is none within ten seconds of virtual time.
    pub fn ask(&mut self, command: Command<R, T>) -> Result<Report<R, T>> {
        if self.mailbox.send(command).is_err() {
            bail!("the mailbox is full");
        }
        let late = self.clock.now().plus_nanos(10_000_000_000);
        while self.clock.now() < late {
            self.turn();
            if let Some(report) = self.mailbox.report() {
                return Ok(report);
            }
            self.clock.advance_nanos(STEP_NANOS);
        }
        bail!("the worker does not answer")
    }

    /// Serves a receive queue of many receivers.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn listen(&mut self, key: u64, queue: R) -> Result<Arc<InputCounters>> {
        let input = Input::shared(InputKey(key), queue, 4);
        let counters = input.counters();
        match self.ask(Command::AddInput(Box::new(input)))? {
            Report::Added => Ok(counters),
            _ => bail!("the input is refused"),
        }
    }

    /// Serves a receiver.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn receive(&mut self, receiver: SteeredReceiver<R::Buf>) -> Result<Arc<ReceiverCounters>> {
        let counters = receiver.receiver().counters();
        match self.ask(Command::AddReceiver(Box::new(receiver)))? {
            Report::Added => Ok(counters),
            _ => bail!("the receiver is refused"),
        }
    }

    /// Serves a sender of what `reader` reads.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn send(
        &mut self,
        key: u64,
        output: u8,
        destination: &str,
        reader: FrameReader,
    ) -> Result<Arc<SenderCounters>> {
        self.send_as(road::sender(key, output, destination)?, reader)
    }

    /// The same for a sender that is made otherwise.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn send_as(&mut self, sender: Sender<T>, reader: FrameReader) -> Result<Arc<SenderCounters>> {
        self.send_from(sender, Source::new(reader, road::plan(), ReadSchedule::Gapped))
    }

    /// The same of a source that is made otherwise.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn send_from(&mut self, sender: Sender<T>, source: Source) -> Result<Arc<SenderCounters>> {
        let (key, counters) = (sender.key(), sender.counters());
        match self.ask(Command::AddSender(Box::new(sender)))? {
            Report::Added => {}
            Report::SenderRefused(_, refusal) => bail!("the sender is refused: {refusal}"),
            _ => bail!("the sender is not served"),
        }
        match self.ask(Command::Connect(key, Some(Box::new(source))))? {
            Report::Disconnected(None) => Ok(counters),
            _ => bail!("the sender has no source"),
        }
    }

    /// Serves a relay.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn relay(&mut self, relay: Relay<R::Buf>) -> Result<Arc<RelayCounters>> {
        let counters = relay.counters();
        match self.ask(Command::AddRelay(Box::new(relay)))? {
            Report::Added => Ok(counters),
            _ => bail!("the relay is refused"),
        }
    }

    /// Serves one of its destinations.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn forward(&mut self, relay: ReceiverKey, forwarder: Forwarder) -> Result<Arc<SenderCounters>> {
        let (key, counters) = (forwarder.key(), forwarder.counters());
        match self.ask(Command::AddForwarder(Box::new(forwarder)))? {
            Report::Added => {}
            _ => bail!("the forwarder is refused"),
        }
        match self.ask(Command::Follow(key, Some(relay)))? {
            Report::Following => Ok(counters),
            _ => bail!("the forwarder does not follow"),
        }
    }

    /// Takes a port's queues away.
    ///
    /// # Errors
    /// When the worker does not know the port.
    pub fn detach(&mut self, port: PortKey) -> Result<QueuePair<R, T>> {
        match self.ask(Command::Detach(port))? {
            Report::Detached(queues) => Ok(queues),
            _ => bail!("the worker does not have such a port"),
        }
    }

    /// Gives a port's queues back.
    ///
    /// # Errors
    /// When the worker does not take them.
    pub fn attach(&mut self, port: PortKey, queues: QueuePair<R, T>) -> Result<()> {
        match self.ask(Command::Attach(port, queues))? {
            Report::Attached => Ok(()),
            _ => bail!("the worker does not take the queues"),
        }
    }

    /// Removes a sender, with its source.
    ///
    /// # Errors
    /// When the worker does not.
    pub fn remove_sender(&mut self, key: u64) -> Result<()> {
        match self.ask(Command::RemoveSender(SenderKey(key)))? {
            Report::SenderRemoved(_) => Ok(()),
            _ => bail!("the sender is not removed"),
        }
    }
}
