//! The relays of a worker, and the forwarders that follow them.

use media::{Clock, Tai};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::{WORKER_LIMIT, Worker};
use crate::command::{ReceiverRefusal, Report, SenderRefusal};
use crate::forwarder::Forwarder;
use crate::key::{ReceiverKey, SenderKey};
use crate::relay::Relay;
use crate::steering::Target;

/// When a queue that was full is tried again, nanoseconds, where nothing else happens.
const RETRY_NANOS: i64 = 50_000;

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// Forwards what the relays have; whether that was anything, and when what waits is to be tried again.
    pub(super) fn forward(&mut self, now: Tai) -> (bool, Option<Tai>) {
        let (mut made, mut is_waiting) = (0, false);
        for relay in self.relays.iter_mut() {
            made += relay.turn(&mut self.forwarders, &mut self.outputs, now);
            is_waiting |= relay.is_waiting();
        }
        (made > 0, is_waiting.then(|| now.plus_nanos(RETRY_NANOS)))
    }

    pub(super) fn add_relay(&mut self, relay: Box<Relay<R::Buf>>) -> Report<R, T> {
        if let Some(refusal) = self.refusal(relay.legs()) {
            return Report::RelayRefused(relay, refusal);
        }
        let place = match self.relays.add(relay) {
            Ok(place) => place,
            Err(relay) => return Report::RelayRefused(relay, ReceiverRefusal::WorkerFull { room: WORKER_LIMIT }),
        };
        if let Some(relay) = self.relays.at_mut(place) {
            relay.relink(&mut self.forwarders);
            for leg in relay.legs() {
                let input = self.inputs.find(|input| input.key() == leg.input);
                if let Some(input) = input.and_then(|input| self.inputs.at_mut(input)) {
                    input.steer(leg.destination, Target::Relay(place));
                }
            }
        }
        Report::Added
    }

    pub(super) fn remove_relay(&mut self, key: ReceiverKey) -> Report<R, T> {
        let Some(place) = self.relays.find(|relay| relay.key() == key) else { return Report::Unknown(None) };
        self.inputs.iter_mut().for_each(|input| input.unsteer(Target::Relay(place)));
        let Some(mut removed) = self.relays.remove(place) else { return Report::Unknown(None) };
        removed.finish();
        Report::RelayRemoved(removed)
    }

    pub(super) fn add_forwarder(&mut self, mut forwarder: Box<Forwarder>) -> Report<R, T> {
        let Some(output) = self.outputs.get_mut(forwarder.output_place()) else {
            return Report::ForwarderRefused(forwarder, SenderRefusal::NoOutput);
        };
        if let Err(refusal) = forwarder.open(output) {
            return Report::ForwarderRefused(forwarder, refusal);
        }
        if let Err(mut forwarder) = self.forwarders.add(forwarder) {
            forwarder.leave(output);
            return Report::ForwarderRefused(forwarder, SenderRefusal::Full { room: WORKER_LIMIT });
        }
        self.relink();
        Report::Added
    }

    pub(super) fn remove_forwarder(&mut self, key: SenderKey) -> Report<R, T> {
        let place = self.forwarders.find(|forwarder| forwarder.key() == key);
        let Some(mut removed) = place.and_then(|place| self.forwarders.remove(place)) else {
            return Report::Unknown(None);
        };
        if let Some(output) = self.outputs.get_mut(removed.output_place()) {
            removed.leave(output);
        }
        self.relink();
        Report::ForwarderRemoved(removed)
    }

    pub(super) fn follow(&mut self, key: SenderKey, relay: Option<ReceiverKey>) -> Report<R, T> {
        let place = self.forwarders.find(|forwarder| forwarder.key() == key);
        let Some(forwarder) = place.and_then(|place| self.forwarders.at_mut(place)) else {
            return Report::Unknown(None);
        };
        forwarder.follow(relay);
        self.relink();
        Report::Following
    }

    /// Every relay notes anew who follows it.
    fn relink(&mut self) {
        self.relays.iter_mut().for_each(|relay| relay.relink(&mut self.forwarders));
    }
}
