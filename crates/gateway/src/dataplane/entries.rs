//! What the data plane remembers of its receivers and senders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use control::{CrosspointTable, ReceiverSpec};
use media::Name;
use worker::{ReceiverCounters, ReceiverKey, SenderKey};

use super::heard_legs::HeardLegs;
use super::movement::Movement;
use super::placement::Place;
use super::relays::RelayEntry;
use super::sender_entry::SenderEntry;
use crate::engine::Receiving;
use crate::loss::{Locator, Reception};

/// Warnings that are kept for status.
const WARNINGS: usize = 32;

/// Everything by name.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) receivers: BTreeMap<Name, ReceiverEntry>,
    pub(super) senders: BTreeMap<Name, SenderEntry>,
    pub(super) relays: BTreeMap<Name, RelayEntry>,
    pub(super) table: CrosspointTable,
    pub(super) is_stopping: bool,
    warnings: Vec<String>,
    keys: u64,
}

impl Entries {
    pub(super) fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    pub(super) fn sender_keys(&self) -> Vec<(Place, SenderKey)> {
        self.senders.values().map(|sender| (sender.place.clone(), sender.key)).collect()
    }

    pub(super) fn receiver_keys(&self) -> Vec<(Place, ReceiverKey)> {
        self.receivers.values().map(|receiver| (receiver.place.clone(), receiver.key)).collect()
    }

    pub(super) fn relay_keys(&self) -> Vec<(Place, ReceiverKey)> {
        self.relays.values().map(|relay| (relay.place.clone(), relay.key)).collect()
    }

    /// The senders whose source is another than in the table `before`; what they were refused is forgotten.
    pub(super) fn ask_anew(&mut self, before: &CrosspointTable) -> Vec<Name> {
        let Self { senders, table, .. } = self;
        let mut changed = Vec::new();
        for (name, sender) in senders {
            if table.source(name) != before.source(name) {
                sender.forget_refusal();
                changed.push(name.clone());
            }
        }
        changed
    }

    pub(super) fn note_warning(&mut self, warning: String) {
        if self.warnings.len() < WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The node's warnings and those of its receivers.
    pub(super) fn warnings(&self) -> Vec<String> {
        let receivers = self.receivers.values().filter_map(|receiver| receiver.warning.clone());
        let relays = self.relays.values().filter_map(|relay| relay.warning.clone());
        self.warnings.iter().cloned().chain(receivers).chain(relays).collect()
    }

    /// The receivers and relays whose losses are to be looked at again. No two have one name.
    pub(super) fn losses_due(&self, now: Instant) -> Vec<(Name, Place, ReceiverKey)> {
        let receivers = self.receivers.iter().filter(|(_, receiver)| receiver.losses.is_due(now));
        let receivers = receivers.map(|(name, receiver)| (name, &receiver.place, receiver.key));
        let relays = self.relays.iter().filter(|(_, relay)| relay.losses.is_due(now));
        let relays = relays.map(|(name, relay)| (name, &relay.place, relay.key));
        receivers.chain(relays).map(|(name, place, key)| (name.clone(), place.clone(), key)).collect()
    }

    /// Finds out where the one that had this name and key has lost packets, by what its queues say.
    pub(super) fn locate(&mut self, (name, key): (&Name, ReceiverKey), queues: &Queues, now: Instant) {
        if let Some(receiver) = self.receivers.get_mut(name).filter(|receiver| receiver.key == key) {
            receiver.losses.look(now, receiver.counters.packets_lost.value(), &queues.all);
            receiver.legs.locate(now, &queues.of_legs);
        } else if let Some(relay) = self.relays.get_mut(name).filter(|relay| relay.key == key) {
            relay.losses.look(now, relay.counters.packets_lost.value(), &queues.all);
            relay.legs.locate(now, &queues.of_legs);
        }
    }

    /// Notes what moved; tells whether a sender is to be connected again: it was evicted from its ring, or the
    /// pause after a refusal is over.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        for receiver in self.receivers.values_mut() {
            receiver.packets.note(receiver.counters.packets.value(), now);
            receiver.legs.note(now);
        }
        for relay in self.relays.values_mut() {
            relay.packets.note(relay.counters.packets.value(), now);
            relay.legs.note(now);
        }
        let mut is_due = false;
        for sender in self.senders.values_mut() {
            is_due |= sender.tick(now);
        }
        is_due
    }
}

/// What the queues of a receiver or a relay say of losses.
pub(super) struct Queues {
    /// All of them together.
    pub(super) all: Reception,
    /// That of each leg, in their order.
    pub(super) of_legs: Vec<Reception>,
}

/// A receiver.
pub(super) struct ReceiverEntry {
    pub(super) spec: ReceiverSpec,
    pub(super) key: ReceiverKey,
    pub(super) place: Place,
    pub(super) counters: Arc<ReceiverCounters>,
    pub(super) packets: Movement,
    pub(super) legs: HeardLegs,
    pub(super) warning: Option<String>,
    pub(super) losses: Locator,
}

impl ReceiverEntry {
    pub(super) fn new(spec: ReceiverSpec, key: ReceiverKey, place: Place, receiving: Receiving) -> Self {
        let Receiving { counters, legs, warning } = receiving;
        let (packets, legs, losses) = (Movement::default(), HeardLegs::new(legs), Locator::default());
        Self { spec, key, place, counters, packets, legs, warning, losses }
    }
}
