//! A receive queue and the receivers that it feeds.
//!
//! A kernel socket feeds one receiver, and the two come and go together. A device's port feeds many: they come and go
//! while it runs, and each packet goes to the receiver of its destination ([`Steering`]).

use std::net::SocketAddr;
use std::sync::Arc;

use media::Tai;
use netio::{Burst, PacketBuf, RxQueue};

use crate::command::ReceiverRefusal;
use crate::counters::{InputCounters, WorkerCounters};
use crate::key::{InputKey, ReceiverKey};
use crate::receiver::Receiver;
use crate::steering::Steering;

/// Bursts that one queue may take from a turn before others have theirs.
const BURSTS_PER_TURN: usize = 8;

/// Turns without a dry queue that make a round: more packets than any queue holds (32,768), so that what was waiting
/// in it when a round began has been handed out when it ends.
const TURNS_PER_ROUND: u16 = 128;

/// A receiver and the destination whose packets are its.
pub struct SteeredReceiver<B> {
    key: ReceiverKey,
    destination: SocketAddr,
    receiver: Receiver<B>,
}

impl<B: PacketBuf> SteeredReceiver<B> {
    /// `receiver` for what goes to `destination`; an unspecified address means all addresses.
    #[must_use]
    pub fn new(key: ReceiverKey, destination: SocketAddr, receiver: Receiver<B>) -> Self {
        Self { key, destination, receiver }
    }

    /// The key under which it is removed.
    #[must_use]
    pub fn key(&self) -> ReceiverKey {
        self.key
    }

    /// Where its packets go.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// The receiver.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<B> {
        &self.receiver
    }
}

/// A receiver that was not taken on, and why.
type Refused<B> = (Box<SteeredReceiver<B>>, ReceiverRefusal);

/// A receive queue with its receivers.
pub struct Input<R: RxQueue> {
    key: InputKey,
    /// `None` while the port is detached.
    queue: Option<Box<R>>,
    burst: Burst<R::Buf>,
    steering: Steering,
    // Boxed: they come from the gateway and go back to it.
    receivers: Vec<Box<SteeredReceiver<R::Buf>>>,
    room: usize,
    /// Turns since the queue was dry or a round ended.
    turns_wet: u16,
    counters: Arc<InputCounters>,
}

impl<R: RxQueue> Input<R> {
    /// An input of exactly one receiver, which stays with its queue: a socket.
    #[must_use]
    pub fn sole(key: InputKey, queue: R, receiver: SteeredReceiver<R::Buf>) -> Self {
        let mut input = Self::shared(key, queue, 1);
        input.receivers.push(Box::new(receiver));
        input.steer();
        input
    }

    /// An input for up to `room` receivers, of which none is there yet: a port.
    #[must_use]
    pub fn shared(key: InputKey, queue: R, room: usize) -> Self {
        Self {
            key,
            queue: Some(Box::new(queue)),
            burst: Burst::new(),
            steering: Steering::new(room),
            receivers: Vec::with_capacity(room),
            room,
            turns_wet: 0,
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

    /// The receivers.
    pub fn receivers(&self) -> impl Iterator<Item = &SteeredReceiver<R::Buf>> {
        self.receivers.iter().map(AsRef::as_ref)
    }

    /// Takes what the queue has, at most some bursts of it; returns the number of packets.
    pub(crate) fn turn(&mut self, now: Tai, locked: bool, worker: &WorkerCounters) -> usize {
        let mut packets = 0;
        let mut is_dry = false;
        for _ in 0..BURSTS_PER_TURN {
            let taken = self.queue.as_mut().map_or(0, |queue| queue.rx_burst(&mut self.burst));
            if taken == 0 {
                is_dry = true;
                break;
            }
            packets += taken;
            self.steer_burst(now, locked, worker);
        }
        self.tick(is_dry, now, locked);
        // Also when the queue never runs dry: that is when it drops.
        self.mirror();
        packets
    }

    fn steer_burst(&mut self, now: Tai, locked: bool, worker: &WorkerCounters) {
        for packet in self.burst.drain() {
            let place = self.steering.find(packet.meta().destination);
            match place.and_then(|place| self.receivers.get_mut(place)) {
                Some(steered) => steered.receiver.accept(packet, now, locked),
                None => {
                    self.counters.packets_unsteered.add(1);
                    worker.packets_unsteered.add(1);
                }
            }
        }
    }

    /// Passes time. A packet that waits in the queue may still complete a grain whose time-out has passed, so a
    /// receiver's time passes when the queue is dry: nothing waits then. The queue of a busy port may never be, and a
    /// stream that has stopped must not wait for the others to stop too: after each round of turns the receivers are
    /// told that time passes, and close what was overdue when the round began.
    fn tick(&mut self, is_dry: bool, now: Tai, locked: bool) {
        self.turns_wet = if is_dry { 0 } else { self.turns_wet + 1 };
        if is_dry {
            self.receivers.iter_mut().for_each(|steered| steered.receiver.tick(now, locked));
        } else if self.turns_wet == TURNS_PER_ROUND {
            self.turns_wet = 0;
            self.receivers.iter_mut().for_each(|steered| steered.receiver.tick_round(now, locked));
        }
    }

    /// Publishes the queue's own counters.
    fn mirror(&self) {
        let Some(queue) = self.queue.as_ref().map(|queue| queue.counters()) else { return };
        self.counters.packets.set(queue.packets);
        self.counters.octets.set(queue.octets);
        self.counters.packets_dropped.set(queue.socket_drops);
        self.counters.packets_truncated.set(queue.truncated);
        self.counters.packets_without_buffer.set(queue.no_buffers);
        self.counters.errors.set(queue.errors);
        self.counters.octets_copied_by_kernel.set(queue.octets_copied_by_kernel);
        // What a shared queue has dropped was meant for nobody knows whom.
        if self.room == 1
            && let Some(sole) = self.receivers.first()
        {
            let counters = sole.receiver.counters_ref();
            counters.socket_drops.set(queue.socket_drops);
            counters.datagrams_truncated.set(queue.truncated);
            counters.queue_errors.set(queue.errors);
            counters.packets_without_buffer.set(queue.no_buffers);
            counters.octets_copied_by_kernel.set(queue.octets_copied_by_kernel);
        }
    }

    /// Serves one more receiver.
    pub(crate) fn add(&mut self, receiver: Box<SteeredReceiver<R::Buf>>) -> Result<(), Refused<R::Buf>> {
        if self.steering.has(receiver.destination) {
            let destination = receiver.destination;
            return Err((receiver, ReceiverRefusal::Taken { destination }));
        }
        if self.receivers.len() == self.room {
            return Err((receiver, ReceiverRefusal::Full { room: self.room }));
        }
        self.receivers.push(receiver);
        self.steer();
        Ok(())
    }

    /// Closes a receiver's open grain, and serves it no longer.
    pub(crate) fn remove(&mut self, key: ReceiverKey) -> Option<Box<SteeredReceiver<R::Buf>>> {
        let at = self.receivers.iter().position(|steered| steered.key == key)?;
        let mut removed = self.receivers.swap_remove(at);
        self.steer();
        removed.receiver.finish();
        Some(removed)
    }

    fn steer(&mut self) {
        self.steering.set(self.receivers.iter().map(|steered| steered.destination));
    }

    /// The queue, when the port is to be restarted. Grains that are open wait for their time-out.
    pub(crate) fn detach(&mut self) -> Option<Box<R>> {
        self.mirror();
        self.queue.take()
    }

    /// Goes on with `queue`.
    pub(crate) fn attach(&mut self, queue: Box<R>) {
        self.queue = Some(queue);
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.queue.is_some()
    }

    /// Closes what is open, before the input leaves its worker.
    pub(crate) fn finish(&mut self) {
        self.receivers.iter_mut().for_each(|steered| steered.receiver.finish());
        self.mirror();
    }
}
