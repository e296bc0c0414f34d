//! A receive queue, and whom its packets are for.
//!
//! Receivers belong to the worker; an input only steers ([`Steering`]): each packet goes to the target of its
//! destination. A device's port feeds many, and is polled always: the port's host lives by it too. A socket is opened
//! for one receiver, and what has come is left in it while the receiver is not there.

mod rest;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use media::Tai;
use netio::{BURST, Burst, Counter, PacketBuf, RxQueue};

use crate::counters::{InputCounters, WorkerCounters};
use crate::key::InputKey;
use crate::limits::BURSTS_PER_TURN;
use crate::receiver::Receiver;
use crate::refusal::ReceiverRefusal;
use crate::relay::Relay;
use crate::roster::Roster;
use crate::steered::SteeredReceiver;
use crate::steering::{Steering, Target};

/// Packets ahead of the one that is copied whose octets are asked for: longer than memory takes to answer.
const PREFETCHED: usize = 2;

/// Turns without a dry queue that make a round: more packets than any queue holds (32,768), so that what was waiting
/// in it when a round began has been handed out when it ends.
const TURNS_PER_ROUND: u16 = 128;

/// The receivers of a worker.
pub(crate) type Receivers<B> = Roster<Box<SteeredReceiver<B>>>;

/// The relays of a worker.
pub(crate) type Relays<B> = Roster<Box<Relay<B>>>;

/// Whom a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One receiver.
    Private,
    /// Whoever is steered.
    Shared,
}

/// A receive queue and its steering.
pub struct Input<R: RxQueue> {
    key: InputKey,
    kind: Kind,
    /// `None` while the port is detached.
    queue: Option<Box<R>>,
    burst: Burst<R::Buf>,
    steering: Steering,
    room: usize,
    /// Turns since the queue was dry or a round ended.
    turns_wet: u16,
    /// When that was.
    round_began: Tai,
    horizon: Tai,
    /// The queue had no buffer left for what came in this turn.
    is_short: bool,
    /// What comes is left in the queue.
    is_paused: bool,
    counters: Arc<InputCounters>,
}

impl<R: RxQueue> Input<R> {
    /// An input for one receiver alone: a socket.
    #[must_use]
    pub fn private(key: InputKey, queue: R) -> Self {
        Self::new(key, Kind::Private, queue, 1)
    }

    /// An input for up to `room` destinations: a port.
    #[must_use]
    pub fn shared(key: InputKey, queue: R, room: usize) -> Self {
        Self::new(key, Kind::Shared, queue, room)
    }

    fn new(key: InputKey, kind: Kind, queue: R, room: usize) -> Self {
        Self {
            key,
            kind,
            queue: Some(Box::new(queue)),
            burst: Burst::new(),
            steering: Steering::new(room),
            room,
            turns_wet: 0,
            round_began: Tai::EPOCH,
            horizon: Tai::EPOCH,
            is_short: false,
            is_paused: false,
            counters: Arc::default(),
        }
    }

    /// The key under which it is found.
    #[must_use]
    pub fn key(&self) -> InputKey {
        self.key
    }

    /// What the queue has counted, for whoever reports it.
    #[must_use]
    pub fn counters(&self) -> Arc<InputCounters> {
        Arc::clone(&self.counters)
    }

    /// Until when everything that has arrived was handed out, and whether this turn has told so.
    pub(crate) fn horizon(&self) -> (Tai, bool) {
        (self.horizon, self.turns_wet == 0)
    }

    /// Whether the queue had no buffer left for what came in this turn: those who hold packets must let go.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short
    }

    /// Takes what the queue has, at most some bursts of it; returns the number of packets.
    pub(crate) fn turn(
        &mut self,
        receivers: &mut Receivers<R::Buf>,
        relays: &mut Relays<R::Buf>,
        now: Tai,
        locked: bool,
        worker: &WorkerCounters,
    ) -> usize {
        if self.is_paused {
            // Nothing was heard: no time has passed for who listens.
            return 0;
        }
        let mut packets = 0;
        let mut is_dry = self.is_waiting();
        for _ in 0..if is_dry { 0 } else { BURSTS_PER_TURN } {
            let taken = self.queue.as_mut().map_or(0, |queue| queue.rx_burst(&mut self.burst));
            if taken == 0 {
                is_dry = true;
                break;
            }
            packets += taken;
            self.steer_burst(receivers, relays, now, locked, worker);
        }
        self.pass(is_dry, now);
        // Also when the queue never runs dry: that is when it drops.
        self.mirror(receivers);
        packets
    }

    /// Whether what comes has to wait for its receiver.
    fn is_waiting(&self) -> bool {
        self.kind == Kind::Private && self.steering.is_empty()
    }

    fn steer_burst(
        &mut self,
        receivers: &mut Receivers<R::Buf>,
        relays: &mut Relays<R::Buf>,
        now: Tai,
        locked: bool,
        worker: &WorkerCounters,
    ) {
        let packets = self.burst.as_slice();
        let (mut targets, mut is_relayed, mut begin) = ([None; BURST], false, 0);
        while let Some(first) = packets.get(begin) {
            // Packets of one stream come in runs.
            let destination = &first.meta().destination;
            let is_of = |packet: &R::Buf| packet.meta().destination == *destination;
            let end = packets[begin + 1..].iter().position(|packet| !is_of(packet));
            let run = begin..end.map_or(packets.len(), |end| begin + 1 + end);
            begin = run.end;
            let target = self.steering.find(destination);
            targets[run.clone()].fill(target);
            match target {
                Some(Target::Receiver(place, leg)) => {
                    if let Some(steered) = receivers.at_mut(place) {
                        receive_run(&mut steered.receiver, packets, run, leg, now, locked);
                    }
                }
                Some(Target::Relay(..)) => is_relayed = true,
                None => {
                    self.counters.packets_unsteered.add(run.len() as u64);
                    worker.packets_unsteered.add(run.len() as u64);
                }
            }
        }
        if is_relayed {
            self.relay_burst(&targets, relays, now);
        }
        match &mut self.queue {
            Some(queue) => queue.take_back(&mut self.burst),
            None => self.burst.clear(),
        }
    }

    /// Hands relays their packets: they keep them.
    fn relay_burst(&mut self, targets: &[Option<Target>; BURST], relays: &mut Relays<R::Buf>, now: Tai) {
        for (packet, target) in self.burst.drain().zip(targets) {
            if let Some(Target::Relay(place, leg)) = target
                && let Some(relay) = relays.at_mut(*place)
            {
                relay.accept(packet, *leg, now);
            }
        }
    }

    /// Says how far the queue was heard. A packet that waits in it may still complete a grain whose time-out has passed,
    /// so time passes for a receiver as far as nothing older waits: until now when the queue is dry. The queue of a
    /// busy port may never be, and a stream that has stopped must not wait for the others to stop too: after a round of
    /// turns all that waited when the round began has been handed out.
    fn pass(&mut self, is_dry: bool, now: Tai) {
        self.turns_wet = if is_dry { 0 } else { self.turns_wet + 1 };
        if is_dry {
            (self.horizon, self.round_began) = (now, now);
        } else if self.turns_wet == TURNS_PER_ROUND {
            self.turns_wet = 0;
            (self.horizon, self.round_began) = (self.round_began, now);
        }
    }

    /// Publishes the queue's own counters.
    fn mirror(&mut self, receivers: &mut Receivers<R::Buf>) {
        let Some(queue) = self.queue.as_ref().map(|queue| queue.counters()) else { return };
        self.is_short = queue.no_buffers > self.counters.packets_without_buffer.value();
        if self.is_waiting() {
            return; // what was dropped meanwhile is the receiver's too
        }
        // What a shared queue has dropped was meant for nobody knows whom.
        if self.kind == Kind::Private
            && let Some(Target::Receiver(place, _)) = self.steering.sole()
            && let Some(steered) = receivers.at(place)
        {
            let (counters, seen) = (steered.receiver.counters_ref(), &self.counters);
            let pass_on = |to: &Counter, count: u64, seen: &Counter| to.add(count.saturating_sub(seen.value()));
            pass_on(&counters.socket_drops, queue.socket_drops, &seen.packets_dropped);
            pass_on(&counters.datagrams_truncated, queue.truncated, &seen.packets_truncated);
            pass_on(&counters.queue_errors, queue.errors, &seen.errors);
            pass_on(&counters.packets_without_buffer, queue.no_buffers, &seen.packets_without_buffer);
            let copied = queue.octets_copied_by_kernel;
            pass_on(&counters.octets_copied_by_kernel, copied, &seen.octets_copied_by_kernel);
        }
        self.counters.packets.set(queue.packets);
        self.counters.octets.set(queue.octets);
        self.counters.packets_dropped.set(queue.socket_drops);
        self.counters.packets_truncated.set(queue.truncated);
        self.counters.packets_without_buffer.set(queue.no_buffers);
        self.counters.errors.set(queue.errors);
        self.counters.octets_copied_by_kernel.set(queue.octets_copied_by_kernel);
    }

    /// Why packets to `destination` cannot be steered, beside `more` others that are to come.
    pub(crate) fn refusal(&self, destination: SocketAddr, more: usize) -> Option<ReceiverRefusal> {
        if self.steering.has(destination) {
            Some(ReceiverRefusal::Taken { destination })
        } else if self.steering.len() + more >= self.room {
            Some(ReceiverRefusal::Full { room: self.room })
        } else {
            None
        }
    }

    /// Steers packets to `destination`; [`Self::refusal`] was asked.
    pub(crate) fn steer(&mut self, destination: SocketAddr, target: Target) {
        self.steering.insert(destination, target);
    }

    /// Steers nothing to `target` any more.
    pub(crate) fn unsteer(&mut self, target: Target) {
        self.steering.remove(target);
    }

    /// The queue, when the port is to be restarted. Grains that are open wait for their time-out.
    pub(crate) fn detach(&mut self, receivers: &mut Receivers<R::Buf>) -> Option<Box<R>> {
        self.mirror(receivers);
        self.queue.take()
    }

    /// Goes on with `queue`.
    pub(crate) fn attach(&mut self, queue: Box<R>) {
        self.queue = Some(queue);
    }

    /// Leaves what comes in the queue, or takes it.
    pub(crate) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.queue.is_some()
    }

    /// Before it goes to another worker.
    pub(crate) fn leave(&mut self) {
        self.queue.iter_mut().for_each(|queue| queue.leave());
    }

    /// Forgets whom it steered to, before it leaves its worker.
    pub(crate) fn finish(&mut self, receivers: &mut Receivers<R::Buf>) {
        self.mirror(receivers);
        self.steering.clear();
    }
}

/// Hands a receiver a run of a burst's packets. While some are copied, the octets of the next come nearer, whosever they are.
#[inline]
fn receive_run<B: PacketBuf>(
    receiver: &mut Receiver<B>,
    packets: &[B],
    run: Range<usize>,
    leg: u8,
    now: Tai,
    locked: bool,
) {
    if run.start == 0 {
        packets.iter().take(PREFETCHED).skip(1).for_each(PacketBuf::prefetch);
    }
    for at in run {
        if let Some(ahead) = packets.get(at + PREFETCHED) {
            ahead.prefetch();
        }
        receiver.accept(&packets[at], leg, now, locked);
    }
    receiver.end_burst();
}
