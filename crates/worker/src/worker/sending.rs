//! The senders' part of a turn: all of them load what is due onto the bursts of their outputs, which leave when they are full, and
//! when everybody had a turn.

use media::{Clock, Tai};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::Worker;
use crate::output::Output;
use crate::sender::Sender;
use crate::watch::Watch;

/// Who takes part.
struct Sending<'a, T: TxQueue<Lease = GrainLease>, C> {
    senders: &'a mut [Box<Sender<T>>],
    outputs: &'a mut [Output<T>],
    watch: Watch<'a, C>,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// Sends what is due; whether that was anything, and where not when something is.
    pub(super) fn send(&mut self) -> (bool, Option<Tai>) {
        // Who begins changes from turn to turn: a queue that has little room has it for each in turn.
        let next = self.first_sender + 1;
        self.first_sender = if next < self.senders.len() { next } else { 0 };
        // The time of its own: what is due is sent now, however long was received.
        let watch = Watch::new(&self.clock);
        let mut sending = Sending { senders: &mut self.senders, outputs: &mut self.outputs, watch };
        let mut packets = 0;
        for at in (self.first_sender..sending.senders.len()).chain(0..self.first_sender) {
            packets += sending.serve(at);
        }
        for place in 0..sending.outputs.len() {
            packets += sending.depart(place);
        }
        let now = sending.watch.now();
        let due = if packets > 0 { None } else { self.senders.iter().filter_map(|sender| sender.due(now)).min() };
        (packets > 0, due)
    }
}

impl<T: TxQueue<Lease = GrainLease>, C: Clock> Sending<'_, T, C> {
    /// A sender's turn; returns how many packets were made, or taken by a queue.
    fn serve(&mut self, at: usize) -> usize {
        let Some(sender) = self.senders.get_mut(at).filter(|sender| !sender.is_quiet(self.watch.now())) else {
            return 0;
        };
        sender.begin_turn(self.outputs, self.watch.now());
        let mut packets = 0;
        // It loads until it has nothing more, or what it may in a turn.
        while let Some(sender) = self.senders.get_mut(at) {
            // At most 256 (`super::WORKER_LIMIT`).
            let load = sender.load(at as u16, self.outputs, &self.watch);
            packets += load.packets;
            let Some(blocked) = load.blocked else {
                if packets == 0 {
                    sender.rest(self.outputs, self.watch.now());
                }
                break;
            };
            packets += self.depart(blocked);
        }
        packets
    }

    /// Has the queue of an output take what is loaded for it, and tells those who loaded it; returns how many packets it took.
    #[inline]
    fn depart(&mut self, place: usize) -> usize {
        let Some((queue, shared)) = self.outputs.get_mut(place).and_then(Output::loading) else { return 0 };
        if shared.is_empty() {
            return 0;
        }
        let (senders, watch) = (&mut *self.senders, &self.watch);
        shared.depart(queue, watch, |parted, burst| {
            if let Some(sender) = senders.get_mut(usize::from(parted.of.sender)) {
                sender.departed(parted, burst, watch);
            }
        })
    }
}
