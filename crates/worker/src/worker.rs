//! The poll-mode loop: one thread, its receive and transmit queues, the receivers and senders on them.
//!
//! One turn: a command, bursts from each receive queue, the packets due of each sender. After it has
//! started the worker allocates nothing, locks nothing and logs nothing; sleeping when idle is the caller's
//! choice ([`crate::idle`]).

mod berth;
mod commands;
mod convoys;
mod crossing;
mod relays;
mod sending;

use std::sync::Arc;

use media::{Clock, Tai};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use crate::command::{Mailbox, Report};
use crate::counters::{OutputCounters, WorkerCounters};
use crate::input::{Input, Receivers, Relays};
use crate::limits::WORKER_LIMIT;
use crate::output::{Left, Output};
use crate::pulse::{Pulse, PulseCounters};
use crate::relay::Forwarders;
use crate::roster::Roster;
use crate::sender::{LEGS_MAX, Sender, Settled};
pub use berth::{Berth, Slept};
use crossing::Draining;

/// Inputs that one worker polls at most: two sockets for each receiver and each relay.
const INPUT_LIMIT: usize = 4 * WORKER_LIMIT;

/// Turns in a row whose packets keep receivers from being told the time: what they do then is for milliseconds, and a turn has
/// but a few hundred packets.
const TURNS_UNTOLD: u8 = 8;

/// Paths that one output has at most: two legs of each sender, and each forwarder.
const PATHS_LIMIT: usize = (LEGS_MAX + 1) * WORKER_LIMIT;

/// What a turn amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whether anything was done.
    pub is_busy: bool,
    /// Nanoseconds until the next packet is due, where one is; told by turns that found nothing to do.
    pub due_in_nanos: Option<i64>,
}

/// One worker, generic over packet I/O and clock.
pub struct Worker<R: RxQueue, T: TxQueue<Lease = GrainLease>, C> {
    clock: C,
    mailbox: Arc<Mailbox<R, T>>,
    counters: Arc<WorkerCounters>,
    pulse: Pulse,
    // Boxed: they come from the gateway and go back to it.
    inputs: Roster<Box<Input<R>>>,
    receivers: Receivers<R::Buf>,
    /// Turns with packets since they were told the time.
    turns_untold: u8,
    outputs: Box<[Output<T>]>,
    senders: Vec<Box<Sender<T>>>,
    /// Who of them begins.
    first_sender: usize,
    /// Commands so far.
    obeyed: u64,
    relays: Relays<R::Buf>,
    forwarders: Forwarders<T::Buf>,
    /// Who of the relays begins.
    first_relay: u16,
    /// And who of the forwarders whose packets wait.
    first_forwarder: u16,
    /// A forwarder has packets that its queue has not taken.
    is_holding: bool,
    /// What outputs counted here before they left.
    left: Left,
    /// An input that owes an answer.
    draining: Option<Draining>,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// A worker that sends by `queues`, at most 256; receivers and senders come through `mailbox`. The queues stay as
    /// long as the worker, but for a while in which their port is detached.
    #[must_use]
    pub fn new(clock: C, queues: Vec<T>, mailbox: Arc<Mailbox<R, T>>) -> Self {
        Self {
            clock,
            mailbox,
            counters: Arc::default(),
            pulse: Pulse::default(),
            inputs: Roster::new(INPUT_LIMIT),
            receivers: Roster::new(WORKER_LIMIT),
            turns_untold: 0,
            outputs: queues.into_iter().map(|queue| Output::new(queue, PATHS_LIMIT)).collect(),
            senders: Vec::with_capacity(WORKER_LIMIT),
            first_sender: 0,
            obeyed: 0,
            relays: Roster::new(WORKER_LIMIT),
            forwarders: Roster::new(WORKER_LIMIT),
            first_relay: 0,
            first_forwarder: 0,
            is_holding: false,
            left: Left::default(),
            draining: None,
        }
    }

    /// The worker's own counters.
    #[must_use]
    pub fn counters(&self) -> Arc<WorkerCounters> {
        Arc::clone(&self.counters)
    }

    /// How long its turns are, and when it stood still.
    #[must_use]
    pub fn pulse(&self) -> Arc<PulseCounters> {
        self.pulse.counters()
    }

    /// The counters of each output, in the order of their indices.
    #[must_use]
    pub fn output_counters(&self) -> Vec<Arc<OutputCounters>> {
        self.outputs.iter().map(Output::counters).collect()
    }

    /// One turn of the loop.
    pub fn turn(&mut self) -> Turn {
        self.pulse.turn(self.clock.steady_nanos());
        let now = self.clock.now();
        let commanded = self.take_command(now);
        let received = self.receive(now);
        if self.draining.is_some() {
            self.watch_drain();
        }
        let (forwarded, retry) = self.forward(now);
        let (sent, due) = self.send();
        self.settle(now);
        self.outputs.iter_mut().for_each(Output::reap);
        let is_busy = commanded || received || forwarded || sent;
        self.counters.turns.add(1);
        self.counters.turns_idle.add(u64::from(!is_busy));
        self.sum_up();
        let due = [due, retry].into_iter().flatten().min();
        Turn { is_busy, due_in_nanos: due.map(|due| due.nanos_since(self.clock.now())) }
    }

    /// Notes that the thread is going to sleep for `nanos` at most; `u64::MAX`: until it is woken. The next turn ends that.
    pub fn rest(&mut self, nanos: u64) {
        self.pulse.rest(self.clock.steady_nanos(), nanos);
    }

    fn receive(&mut self, now: Tai) -> bool {
        let locked = self.clock.is_locked();
        let mut packets = 0;
        for input in self.inputs.iter_mut() {
            packets += input.turn(&mut self.receivers, &mut self.relays, now, locked, &self.counters);
        }
        self.turns_untold = if packets == 0 || self.turns_untold == TURNS_UNTOLD { 0 } else { self.turns_untold + 1 };
        if self.turns_untold == 0 {
            self.tell_time(now, locked);
        }
        for place in 0..self.inputs.len() {
            if self.inputs.at(place).is_some_and(|input| input.is_short()) {
                self.relieve(place, now, locked);
            }
        }
        packets > 0
    }

    /// Tells receivers how far their inputs were heard.
    fn tell_time(&mut self, now: Tai, locked: bool) {
        for receiver in self.receivers.iter_mut() {
            let inputs = receiver.inputs().iter().filter_map(|place| self.inputs.at(*place));
            // The one that is behind decides; a receiver without any hears that time passes all the same.
            let told = inputs
                .map(|input| input.horizon())
                .reduce(|(one, is_new), (other, is_newer)| (one.min(other), is_new || is_newer));
            let (horizon, is_new) = told.unwrap_or((now, true));
            receiver.pass(horizon, is_new, now, locked);
        }
    }

    /// The queue of an input has no buffer left: who holds most of them lets go, a receiver of a grain, a relay of half of
    /// what it keeps. So one stream that misses packets, or one destination that takes none, costs the others nothing.
    #[cold]
    fn relieve(&mut self, input: u16, now: Tai, locked: bool) {
        let hearing = self.receivers.iter_mut().filter(|receiver| receiver.inputs().contains(&input));
        let receiver = hearing.max_by_key(|steered| steered.receiver.held());
        let key = self.inputs.at(input).map(|input| input.key());
        let keeping = self.relays.iter_mut().filter(|relay| relay.legs().iter().any(|leg| Some(leg.input) == key));
        let relay = keeping.max_by_key(|relay| relay.held());
        let (held, kept) =
            (receiver.as_ref().map_or(0, |one| one.receiver.held()), relay.as_ref().map_or(0, |one| one.held()));
        match (receiver, relay) {
            (_, Some(relay)) if kept > held => relay.cut_backlog(),
            (Some(receiver), _) if held > 0 => receiver.receiver.cut_wait(now, locked),
            _ => {}
        }
    }

    /// Answers for a sender that has left or switched.
    fn settle(&mut self, now: Tai) {
        let Some(at) = self.senders.iter().position(|sender| sender.is_unsettled()) else { return };
        let sender = &mut self.senders[at];
        match sender.settle(&mut self.outputs, now) {
            None => {}
            Some(Settled::Switched(old)) => self.mailbox.answer(Report::Disconnected(old)),
            Some(Settled::Left) => {
                self.outputs.iter_mut().for_each(Output::reap);
                let sender = self.senders.swap_remove(at);
                self.mailbox.answer(Report::SenderRemoved(sender));
            }
        }
    }

    /// Publishes the sums over the transmit queues.
    fn sum_up(&self) {
        let sums = self.left.beside(self.outputs.iter().map(Output::counters_ref));
        self.counters.tx_packets.set(sums.packets);
        self.counters.tx_octets_copied_by_kernel.set(sums.octets_copied_by_kernel);
        self.counters.tx_octets_copied_by_us.set(sums.octets_copied_by_us);
        self.counters.tx_errors.set(sums.errors);
        self.counters.tx_would_block.set(sums.would_block);
    }
}
