//! The relays of a worker, and the forwarders that follow them.

use media::{Clock, Tai};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::Worker;
use crate::command::Report;
use crate::forwarder::{Forwarder, Serving};
use crate::key::{ReceiverKey, SenderKey};
use crate::limits::WORKER_LIMIT;
use crate::refusal::{ReceiverRefusal, SenderRefusal};
use crate::relay::Relay;
use crate::steering::Target;

/// When a queue that was full is tried again, nanoseconds, where nothing else happens.
const RETRY_NANOS: i64 = 50_000;

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// Forwards what the relays have; whether that was anything, and when what waits is to be tried again.
    pub(super) fn forward(&mut self, now: Tai) -> (bool, Option<Tai>) {
        let (mut packets, mut is_waiting) = (0, false);
        if self.is_holding {
            packets += self.flush();
        }
        // Who begins changes from turn to turn: a queue that has little room has it for each in turn.
        self.first_relay = self.first_relay.wrapping_add(1);
        for place in self.relays.places_from(self.first_relay) {
            let Some(relay) = self.relays.at_mut(place) else { continue };
            packets += relay.turn(&mut self.forwarders, &mut self.outputs, now);
            is_waiting |= relay.is_waiting();
        }
        if packets > 0 || self.is_holding {
            self.is_holding = self.forwarders.iter().any(Serving::holds);
        }
        (packets > 0, (is_waiting || self.is_holding).then(|| now.plus_nanos(RETRY_NANOS)))
    }

    /// Offers the queues what waits; returns how many packets they took.
    #[cold]
    fn flush(&mut self) -> usize {
        self.first_forwarder = self.first_forwarder.wrapping_add(1);
        let places = self.forwarders.places_from(self.first_forwarder);
        places.filter_map(|place| Some(self.forwarders.at_mut(place)?.flush(&mut self.outputs))).sum()
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
            for (leg, number) in relay.legs().iter().zip(0_u8..) {
                let input = self.inputs.find(|input| input.key() == leg.input);
                if let Some(input) = input.and_then(|input| self.inputs.at_mut(input)) {
                    input.steer(leg.destination, Target::Relay(place, number));
                }
            }
        }
        Report::Added
    }

    pub(super) fn remove_relay(&mut self, key: ReceiverKey) -> Report<R, T> {
        let Some(mut removed) = self.released_relay(key) else { return Report::Unknown(None) };
        removed.finish();
        Report::RelayRemoved(removed)
    }

    pub(super) fn release_relay(&mut self, key: ReceiverKey) -> Report<R, T> {
        self.released_relay(key).map_or(Report::Unknown(None), Report::RelayRemoved)
    }

    /// A relay that nothing is steered to any more.
    fn released_relay(&mut self, key: ReceiverKey) -> Option<Box<Relay<R::Buf>>> {
        let place = self.relays.find(|relay| relay.key() == key)?;
        self.inputs.iter_mut().for_each(|input| input.unsteer(Target::Relay(place, 0)));
        self.relays.remove(place)
    }

    pub(super) fn add_forwarder(&mut self, mut forwarder: Box<Forwarder>) -> Report<R, T> {
        let Some(output) = self.outputs.get_mut(forwarder.output_place()) else {
            return Report::ForwarderRefused(forwarder, SenderRefusal::NoOutput);
        };
        if let Err(refusal) = forwarder.open(output) {
            return Report::ForwarderRefused(forwarder, refusal);
        }
        if let Err(serving) = self.forwarders.add(Serving::new(forwarder)) {
            return Report::ForwarderRefused(serving.leave(Some(output)), SenderRefusal::Full { room: WORKER_LIMIT });
        }
        self.relink();
        Report::Added
    }

    pub(super) fn remove_forwarder(&mut self, key: SenderKey) -> Report<R, T> {
        let place = self.forwarder(key);
        let Some(removed) = place.and_then(|place| self.forwarders.remove(place)) else {
            return Report::Unknown(None);
        };
        let output = self.outputs.get_mut(removed.forwarder.output_place());
        let forwarder = removed.leave(output);
        self.relink();
        Report::ForwarderRemoved(forwarder)
    }

    pub(super) fn follow(&mut self, key: SenderKey, relay: Option<ReceiverKey>) -> Report<R, T> {
        let place = self.forwarder(key);
        let Some(serving) = place.and_then(|place| self.forwarders.at_mut(place)) else {
            return Report::Unknown(None);
        };
        serving.forwarder.follow(relay);
        self.relink();
        Report::Following
    }

    fn forwarder(&self, key: SenderKey) -> Option<u16> {
        self.forwarders.find(|serving| serving.forwarder.key() == key)
    }

    /// Every relay notes anew who follows it.
    pub(super) fn relink(&mut self) {
        self.relays.iter_mut().for_each(|relay| relay.relink(&mut self.forwarders));
    }
}
