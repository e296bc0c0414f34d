//! Which worker serves whom, and for how many packets a second that is reckoned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use worker::{ReceiverKey, RelayCounters, SenderKey};

use super::super::forwarders::Followed;
use super::sockets::SeenSocket;
use super::{Rx, Tx};
use crate::pool::{Pool, UNKNOWN_PACKETS_PER_SECOND, WorkerIndex};

/// Between two looks at how many packets a relay has.
const LOOK: Duration = Duration::from_secs(1);

/// By key, as the data plane names them. Held for moments only.
#[derive(Default)]
pub(super) struct Homes {
    pub(super) receivers: BTreeMap<ReceiverKey, ReceiverHome>,
    pub(super) senders: BTreeMap<SenderKey, SenderHome>,
    pub(super) relays: BTreeMap<ReceiverKey, RelayHome>,
}

/// Where a receiver is.
#[derive(Clone)]
pub(super) struct ReceiverHome {
    pub(super) worker: WorkerIndex,
    /// One for each way.
    pub(super) sockets: Vec<SeenSocket>,
    pub(super) packets_per_second: u64,
}

/// Where a sender is, and what it was placed for.
#[derive(Clone, Copy)]
pub(super) struct SenderHome {
    /// Where it is while it does not forward.
    pub(super) worker: WorkerIndex,
    /// What it sends of its ring.
    pub(super) packets_per_second: u64,
    pub(super) follows: Option<Followed>,
    /// Whose burden it is now.
    burdens: Burden,
}

/// Where a relay is, and what comes in.
pub(super) struct RelayHome {
    pub(super) worker: WorkerIndex,
    /// One for each way.
    pub(super) sockets: Vec<SeenSocket>,
    counters: Arc<RelayCounters>,
    packets_per_second: u64,
    looked: Instant,
    packets: u64,
}

/// Packets a second of one worker.
#[derive(Clone, Copy)]
struct Burden {
    worker: WorkerIndex,
    packets_per_second: u64,
}

impl Homes {
    /// The worker and the sockets of a receiver or a relay.
    pub(super) fn sockets_of(&self, key: ReceiverKey) -> Option<(WorkerIndex, Vec<SeenSocket>)> {
        let receiver = self.receivers.get(&key).map(|home| (home.worker, home.sockets.clone()));
        receiver.or_else(|| self.relays.get(&key).map(|home| (home.worker, home.sockets.clone())))
    }

    /// A sender of `worker`, of which nobody knows yet what it will send.
    pub(super) fn add_sender(&mut self, pool: &Pool<Rx, Tx>, key: SenderKey, worker: WorkerIndex) {
        let packets_per_second = UNKNOWN_PACKETS_PER_SECOND;
        pool.burden(worker, 0, packets_per_second);
        let burdens = Burden { worker, packets_per_second };
        self.senders.insert(key, SenderHome { worker, packets_per_second, follows: None, burdens });
    }

    /// Notes what has become of a sender, and weighs it anew.
    pub(super) fn change_sender(&mut self, pool: &Pool<Rx, Tx>, key: SenderKey, change: impl FnOnce(&mut SenderHome)) {
        let Some(home) = self.senders.get_mut(&key) else { return };
        change(home);
        let forwarded = home.follows.and_then(|followed| Some((followed, self.relays.get(&followed.relay)?)));
        let now = match forwarded {
            Some((followed, relay)) => Burden { worker: followed.worker, packets_per_second: relay.packets_per_second },
            None => Burden { worker: home.worker, packets_per_second: home.packets_per_second },
        };
        let before = std::mem::replace(&mut home.burdens, now);
        pool.burden(before.worker, before.packets_per_second, 0);
        pool.burden(now.worker, 0, now.packets_per_second);
    }

    /// Forgets a sender.
    pub(super) fn remove_sender(&mut self, pool: &Pool<Rx, Tx>, key: SenderKey) {
        if let Some(home) = self.senders.remove(&key) {
            pool.burden(home.burdens.worker, home.burdens.packets_per_second, 0);
        }
    }

    /// A relay of `worker`, of which nobody knows yet what will come.
    pub(super) fn add_relay(
        &mut self,
        pool: &Pool<Rx, Tx>,
        key: ReceiverKey,
        worker: WorkerIndex,
        sockets: Vec<SeenSocket>,
        counters: &Arc<RelayCounters>,
    ) {
        let packets_per_second = UNKNOWN_PACKETS_PER_SECOND;
        pool.burden(worker, 0, packets_per_second);
        let counters = Arc::clone(counters);
        let home = RelayHome { worker, sockets, counters, packets_per_second, looked: Instant::now(), packets: 0 };
        self.relays.insert(key, home);
    }

    /// Notes that a relay has gone over to another worker.
    pub(super) fn move_relay(&mut self, pool: &Pool<Rx, Tx>, key: ReceiverKey, to: WorkerIndex) {
        let Some(home) = self.relays.get_mut(&key) else { return };
        pool.burden(home.worker, home.packets_per_second, 0);
        pool.burden(to, 0, home.packets_per_second);
        home.worker = to;
    }

    /// Forgets a relay.
    pub(super) fn remove_relay(&mut self, pool: &Pool<Rx, Tx>, key: ReceiverKey) {
        if let Some(home) = self.relays.remove(&key) {
            pool.burden(home.worker, home.packets_per_second, 0);
        }
    }

    /// Weighs the relays that have packets, and who forwards them, by how many came since the last look.
    pub(super) fn weigh_relays(&mut self, pool: &Pool<Rx, Tx>, now: Instant) {
        let mut weighed = Vec::new();
        for (key, home) in &mut self.relays {
            if let Some(packets_per_second) = home.look(now) {
                pool.burden(home.worker, home.packets_per_second, packets_per_second);
                home.packets_per_second = packets_per_second;
                weighed.push(*key);
            }
        }
        let follows = |home: &SenderHome| home.follows.is_some_and(|followed| weighed.contains(&followed.relay));
        let forwarding: Vec<SenderKey> =
            self.senders.iter().filter(|(_, home)| follows(home)).map(|(key, _)| *key).collect();
        for key in forwarding {
            self.change_sender(pool, key, |_| {});
        }
    }
}

impl SenderHome {
    /// The worker that sends its packets.
    pub(super) fn serves(&self) -> WorkerIndex {
        self.follows.map_or(self.worker, |followed| followed.worker)
    }
}

impl RelayHome {
    /// Packets a second since the last look, when it is time for one. One that has none now counts for what it had: it
    /// will have something like it again.
    fn look(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.looked);
        if passed < LOOK {
            return None;
        }
        let packets = self.counters.packets.value();
        let came = packets.saturating_sub(self.packets);
        (self.looked, self.packets) = (now, packets);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        (came > 0).then(|| (came.saturating_mul(1_000) / millis).max(1))
    }
}
