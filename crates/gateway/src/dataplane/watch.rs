//! Looking for what goes wrong, on the housekeeping thread.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use control::{Counters, Dataplane, FlowStanding};

use super::Gateway;
use super::entries::Queues;
use crate::alarms::{Alarms, Kind, Line};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

impl Gateway {
    pub(super) fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.0.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for trouble when it is time to, and logs what has begun and what is over.
    pub fn watch(&self, now: Instant) {
        if !self.alarms().is_due(now, LOOK) || self.check_running().is_err() {
            return;
        }
        let objects = self.counted();
        let mut alarms = self.alarms();
        let mut lines = Vec::new();
        for (kind, name, counters) in objects {
            lines.extend(alarms.look(kind, &name, counters, now));
        }
        alarms.end_round();
        drop(alarms);
        lines.iter().for_each(Line::log);
    }

    /// Finds out where packets were lost since the last look.
    pub(super) fn locate_losses(&self, now: Instant) {
        let due = self.entries().losses_due(now);
        for (name, place, key) in due {
            // Asked without the lock: an engine has its own.
            let Some(all) = self.engine(&place).reception(key) else { continue };
            let of_legs = self.engine(&place).leg_receptions(key);
            self.entries().locate((&name, key), &Queues { all, of_legs }, now);
        }
    }

    /// Everything that counts.
    fn counted(&self) -> Vec<(Kind, String, Counters)> {
        let receivers = self.receivers().into_iter().map(|it| (Kind::Receiver, it.name.to_string(), it.counters));
        let senders = self.senders().into_iter().map(|it| (Kind::Sender, it.name.to_string(), it.counters));
        let relays = self.relays().into_iter().map(|it| (Kind::Relay, it.name.to_string(), it.counters));
        let ports = self.parts().engines.iter().flat_map(|engine| engine.port_status());
        let ports = ports.map(|it| (Kind::Port, it.name, it.counters));
        let flows = self.flows().into_iter().filter(|flow| flow.standing == FlowStanding::Current);
        let flows =
            flows.map(|it| (Kind::Flow, it.name.to_string(), vec![("consumers_evicted", it.consumers_evicted)]));
        receivers.chain(senders).chain(relays).chain(ports).chain(flows).collect()
    }
}
