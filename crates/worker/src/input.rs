//! A receive queue and the receiver that it feeds.

use std::net::SocketAddr;

use media::Tai;
use netio::{Burst, PacketBuf, RxQueue};

use crate::counters::WorkerCounters;
use crate::key::ReceiverKey;
use crate::receiver::Receiver;

/// Bursts that one queue may take from a turn before others have theirs.
const BURSTS_PER_TURN: usize = 8;

/// A receive queue with its receiver.
pub struct Input<R: RxQueue> {
    key: ReceiverKey,
    /// Packets for any other destination are not this receiver's.
    destination: SocketAddr,
    queue: R,
    burst: Burst<R::Buf>,
    receiver: Receiver<R::Buf>,
}

impl<R: RxQueue> Input<R> {
    /// `receiver` fed by `queue` with what goes to `destination`.
    #[must_use]
    pub fn new(key: ReceiverKey, destination: SocketAddr, queue: R, receiver: Receiver<R::Buf>) -> Self {
        Self { key, destination, queue, burst: Burst::new(), receiver }
    }

    /// The key under which it is removed.
    #[must_use]
    pub fn key(&self) -> ReceiverKey {
        self.key
    }

    /// The receiver.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<R::Buf> {
        &self.receiver
    }

    /// Takes what the queue has, at most some bursts of it; returns the number of packets.
    pub fn turn(&mut self, now: Tai, locked: bool, worker: &WorkerCounters) -> usize {
        let mut packets = 0;
        for _ in 0..BURSTS_PER_TURN {
            let taken = self.queue.rx_burst(&mut self.burst);
            packets += taken;
            for packet in self.burst.drain() {
                if reaches(self.destination, packet.meta().destination) {
                    self.receiver.accept(packet, now, locked);
                } else {
                    worker.packets_unsteered.add(1);
                }
            }
            if taken == 0 {
                // Only now is nothing waiting in the queue that could still complete a grain.
                self.receiver.tick(now, locked);
                break;
            }
        }
        // Also when the queue never runs dry: that is when it drops.
        self.mirror();
        packets
    }

    /// Publishes the queue's own counters.
    fn mirror(&self) {
        let queue = self.queue.counters();
        let counters = self.receiver.counters_ref();
        counters.socket_drops.set(queue.socket_drops);
        counters.datagrams_truncated.set(queue.truncated);
        counters.queue_errors.set(queue.errors);
        counters.packets_without_buffer.set(queue.no_buffers);
        counters.octets_copied_by_kernel.set(queue.octets_copied_by_kernel);
    }

    /// Closes what is open, before the receiver leaves its worker.
    pub(crate) fn finish(&mut self) {
        self.receiver.finish();
        self.mirror();
    }
}

/// Whether a packet to `address` is for one who wants `wanted`: all addresses, or that one.
fn reaches(wanted: SocketAddr, address: SocketAddr) -> bool {
    address.port() == wanted.port() && (wanted.ip().is_unspecified() || wanted.ip() == address.ip())
}
