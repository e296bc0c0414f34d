//! A worker as a run drives it: the real one, turned by a thread of the run that does something of its own between two turns.

use std::sync::Arc;

use anyhow::{Result, bail};
use media::Clock as _;
use netio::{RxQueue, TxQueue, counter_set};
use shm::GrainLease;
use worker::{
    Command, Forwarder, ForwarderConfig, Input, InputKey, Leg, Mailbox, Receiver, ReceiverCounters, ReceiverKey, Relay,
    RelayConfig, RelayCounters, Report, Sender, SenderCounters, SenderKey, Source, SteeredReceiver, Worker,
};

use crate::tai::RunClock;

/// Turns that a worker may take to answer: a command waits for what is on its way.
const ANSWER_TURNS: u32 = 1_000_000;

counter_set! {
    /// What a worker's thread has spent, in counts of the time-stamp counter.
    Meter {
        /// In turns that did something.
        busy_counts,
        /// In all turns, and between them.
        all_counts,
        /// Turns that did something.
        busy_turns,
        /// The longest turn.
        longest_turn,
        /// The kernel's number of the thread; no count.
        thread,
    }
}

impl Meter {
    /// What its thread has been on a core, ns, as the scheduler counts it; 0 when the thread is gone.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        let file = format!("/proc/self/task/{}/schedstat", self.thread.value());
        let words = std::fs::read_to_string(file).unwrap_or_default();
        words.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
    }
}

/// See the file's head.
pub struct Desk<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> {
    worker: Worker<R, T, RunClock>,
    mailbox: Arc<Mailbox<R, T>>,
    clock: RunClock,
    counter: quanta::Clock,
    began: Option<u64>,
    meter: Arc<Meter>,
    keys: u64,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Desk<R, T> {
    /// A worker that sends by `queues`.
    #[must_use]
    pub fn new(queues: Vec<T>, clock: RunClock) -> Self {
        let mailbox = Mailbox::new();
        let worker = Worker::new(clock, queues, Arc::clone(&mailbox));
        Self { worker, mailbox, clock, counter: quanta::Clock::new(), began: None, meter: Arc::default(), keys: 0 }
    }

    /// The worker's clock.
    #[must_use]
    pub fn clock(&self) -> RunClock {
        self.clock
    }

    /// To be called by the thread that turns it.
    pub fn sit_down(&self) {
        self.meter.thread.set(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs().into());
    }

    /// What its thread spends.
    #[must_use]
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The worker's counters of its outputs.
    #[must_use]
    pub fn outputs(&self) -> Vec<Arc<worker::OutputCounters>> {
        self.worker.output_counters()
    }

    /// One turn; whether it did anything.
    #[inline]
    pub fn turn(&mut self) -> bool {
        let before = self.counter.raw();
        let is_busy = self.worker.turn().is_busy;
        let after = self.counter.raw();
        let began = *self.began.get_or_insert(before);
        let took = after.saturating_sub(before);
        self.meter.all_counts.set(after.saturating_sub(began));
        if is_busy {
            self.meter.busy_counts.add(took);
            self.meter.busy_turns.add(1);
            self.meter.longest_turn.set(self.meter.longest_turn.value().max(took));
        }
        is_busy
    }

    /// Polls a queue for one receiver alone: a socket.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn add_socket(&mut self, queue: R) -> Result<InputKey> {
        let key = InputKey(self.key());
        self.add_input(Input::private(key, queue))
    }

    /// Polls a queue for several receivers: a port.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn add_port(&mut self, queue: R, receivers: usize) -> Result<InputKey> {
        let key = InputKey(self.key());
        self.add_input(Input::shared(key, queue, receivers))
    }

    fn add_input(&mut self, input: Input<R>) -> Result<InputKey> {
        let key = input.key();
        match self.ask(Command::AddInput(Box::new(input)))? {
            Report::Added => Ok(key),
            _ => bail!("the worker did not take the queue"),
        }
    }

    /// Receives what comes to one of `legs`.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn listen(&mut self, legs: Vec<Leg>, receiver: Receiver<R::Buf>) -> Result<Arc<ReceiverCounters>> {
        let counters = receiver.counters();
        let receiver = SteeredReceiver::new(ReceiverKey(self.key()), legs, receiver);
        match self.ask(Command::AddReceiver(Box::new(receiver)))? {
            Report::Added => Ok(counters),
            Report::ReceiverRefused(_, refusal) => bail!("{refusal}"),
            _ => bail!("the worker did not take the receiver"),
        }
    }

    /// Sends what `source` reads by `sender`, which was made under a key of [`Self::sender_key`].
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn send(&mut self, sender: Sender<T>, source: Source) -> Result<Arc<SenderCounters>> {
        let (key, destination) = (sender.key(), sender.config().path.destination);
        let counters = sender.counters();
        match self.ask(Command::AddSender(Box::new(sender)))? {
            Report::Added => {}
            Report::SenderRefused(_, refusal) => bail!("{destination}: {refusal}"),
            _ => bail!("the worker did not take the sender to {destination}"),
        }
        self.connect(key, source)?;
        Ok(counters)
    }

    /// Has the sender go on with another source.
    ///
    /// # Errors
    /// When the worker does not know it.
    pub fn connect(&mut self, sender: SenderKey, source: Source) -> Result<()> {
        match self.ask(Command::Connect(sender, Some(Box::new(source))))? {
            Report::Disconnected(_) => Ok(()),
            _ => bail!("the worker did not connect {sender:?}"),
        }
    }

    /// Relays what comes to one of `legs`.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn relay(&mut self, legs: Vec<Leg>, config: &RelayConfig) -> Result<(ReceiverKey, Arc<RelayCounters>)> {
        let key = ReceiverKey(self.key());
        let relay = Relay::new(key, legs, config);
        let counters = relay.counters();
        match self.ask(Command::AddRelay(Box::new(relay)))? {
            Report::Added => Ok((key, counters)),
            Report::RelayRefused(_, refusal) => bail!("{refusal}"),
            _ => bail!("the worker did not take the relay"),
        }
    }

    /// Has one more destination follow `relay`.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn forward(&mut self, config: ForwarderConfig, relay: ReceiverKey) -> Result<Arc<SenderCounters>> {
        let (key, counters) = (self.sender_key(), Arc::<SenderCounters>::default());
        let destination = config.path.destination;
        let forwarder = Forwarder::new(key, config, Arc::clone(&counters));
        match self.ask(Command::AddForwarder(Box::new(forwarder)))? {
            Report::Added => {}
            Report::ForwarderRefused(_, refusal) => bail!("{destination}: {refusal}"),
            _ => bail!("the worker did not take the forwarder to {destination}"),
        }
        match self.ask(Command::Follow(key, Some(relay)))? {
            Report::Following => Ok(counters),
            _ => bail!("the forwarder to {destination} follows nobody"),
        }
    }

    /// A key that no other sender has.
    pub fn sender_key(&mut self) -> SenderKey {
        SenderKey(self.key())
    }

    fn key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    fn ask(&mut self, command: Command<R, T>) -> Result<Report<R, T>> {
        if self.mailbox.send(command).is_err() {
            bail!("the worker's mailbox is full");
        }
        for _ in 0..ANSWER_TURNS {
            self.worker.turn();
            if let Some(report) = self.mailbox.report() {
                return Ok(report);
            }
        }
        bail!("the worker did not answer by {:?}", self.clock.now())
    }
}
