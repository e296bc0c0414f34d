//! Relays as engines are told of them, and senders that forward.
//!
//! A sender that is taken to a relay is served by a forwarder, on the worker of the relay; the sender itself, without a
//! path, waits here until it is taken to a ring again. Both have the sender's counters, and one key.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::{DataplaneError, Numbers, RelaySpec, Rewriting};
use media::{Name, SeqNum, Ssrc};
use netio::{PacketBuf, RxQueue, TxQueue};
use shm::GrainLease;
use worker::{
    Forwarder, ForwarderConfig, InputCounters, Leg, OutputIndex, ReceiverKey, Relay, RelayConfig, RelayCounters,
    Rewrite, Sender, SenderCounters, SenderKey, Timestamps,
};

use crate::pool::{Pool, WorkerIndex};

/// A relay to be served.
#[derive(Clone, Copy, Debug)]
pub struct RelayOrder<'a> {
    /// Its name among all receivers of this gateway, never used twice.
    pub key: ReceiverKey,
    /// What was asked for.
    pub spec: &'a RelaySpec,
    /// The port that it was placed on; `None` for the kernel's choice.
    pub port: Option<&'a Name>,
}

impl RelayOrder<'_> {
    /// Packets that it keeps at most, beside those of one turn.
    #[must_use]
    pub fn backlog_packets(&self) -> u16 {
        self.spec.backlog_packets.unwrap_or(RelaySpec::DEFAULT_BACKLOG_PACKETS)
    }

    /// The relay, of what comes in by `legs`.
    #[must_use]
    pub fn build<B: PacketBuf>(&self, legs: impl Into<Box<[Leg]>>) -> Relay<B> {
        let config = RelayConfig {
            sources: self.spec.sources.clone(),
            clock_hz: self.spec.clock_hz,
            backlog_packets: self.backlog_packets(),
            backlog_nanos: i64::from(self.spec.backlog_ms.unwrap_or(RelaySpec::DEFAULT_BACKLOG_MS)) * 1_000_000,
        };
        Relay::new(self.key, legs, &config)
    }
}

/// A relay that an engine serves.
#[derive(Clone, Debug)]
pub struct Relaying {
    /// Its counters.
    pub counters: Arc<RelayCounters>,
    /// Those of its queue, where it has one of its own.
    pub input: Option<Arc<InputCounters>>,
    /// What status should warn of as long as it is there.
    pub warning: Option<String>,
}

/// What a forwarder is told of the headers.
#[must_use]
pub(super) fn rewrite(rewriting: &Rewriting, ssrc: Ssrc, first_sequence: u32) -> Rewrite {
    Rewrite {
        payload_type: rewriting.payload_type,
        ssrc: (rewriting.ssrc == Numbers::Own).then_some(ssrc),
        first_sequence: (rewriting.sequence == Numbers::Own).then_some(SeqNum(first_sequence as u16)),
        timestamps: match rewriting.timestamp {
            Numbers::Own => Timestamps::Continue,
            Numbers::Source => Timestamps::Keep,
        },
    }
}

/// A relay, and where its worker sends by for some sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    pub(super) relay: ReceiverKey,
    pub(super) worker: WorkerIndex,
    pub(super) output: OutputIndex,
}

/// The senders of an engine, as far as they forward.
pub(super) struct Forwarders<T: TxQueue<Lease = GrainLease>>(BTreeMap<SenderKey, Standby<T>>);

/// One sender.
struct Standby<T: TxQueue<Lease = GrainLease>> {
    /// The worker that serves it while it does not forward.
    home: WorkerIndex,
    /// As it was made, or with the numbers at which it was; `None` while a worker has it.
    forwarder: Option<Box<Forwarder>>,
    /// The worker that has the forwarder, and what it has put aside.
    forwarding: Option<(WorkerIndex, Box<Sender<T>>)>,
}

impl<T: TxQueue<Lease = GrainLease>> Default for Forwarders<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: TxQueue<Lease = GrainLease>> Forwarders<T> {
    /// Notes a sender, which `home` serves now.
    pub(super) fn note(
        &mut self,
        key: SenderKey,
        home: WorkerIndex,
        config: ForwarderConfig,
        counters: &Arc<SenderCounters>,
    ) {
        let forwarder = Some(Box::new(Forwarder::new(key, config, Arc::clone(counters))));
        self.0.insert(key, Standby { home, forwarder, forwarding: None });
    }

    /// Has a sender follow a relay, or none: it is its worker's own again.
    pub(super) fn follow<R>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        followed: Option<Followed>,
    ) -> Result<(), DataplaneError>
    where
        R: RxQueue,
    {
        let Some(standby) = self.0.get_mut(&key) else { return Ok(()) };
        match (followed, standby.forwarding.as_ref().map(|(worker, _)| *worker)) {
            (None, None) => Ok(()),
            (None, Some(worker)) => standby.go_home(pool, key, worker),
            (Some(followed), Some(worker)) if worker == followed.worker => {
                pool.follow(worker, key, Some(followed.relay))
            }
            (Some(followed), worker) => standby.go_to(pool, key, worker, followed),
        }
    }

    /// A sender's worker is another one from now on; whether it forwards, so that no worker has it now.
    pub(super) fn rehome(&mut self, key: SenderKey, home: WorkerIndex) -> bool {
        let Some(standby) = self.0.get_mut(&key) else { return false };
        standby.home = home;
        standby.forwarding.is_some()
    }

    /// Forgets a sender; whether its worker has it no longer, because it forwards.
    pub(super) fn remove<R: RxQueue>(&mut self, pool: &Pool<R, T>, key: SenderKey) -> Result<bool, DataplaneError> {
        let worker = self.0.get(&key).and_then(|standby| standby.forwarding.as_ref()).map(|(worker, _)| *worker);
        if let Some(worker) = worker {
            drop(pool.remove_forwarder(worker, key)?);
        }
        self.0.remove(&key);
        Ok(worker.is_some())
    }
}

impl<T: TxQueue<Lease = GrainLease>> Standby<T> {
    /// The forwarder leaves its worker, and the sender comes back to its own.
    fn go_home<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        worker: WorkerIndex,
    ) -> Result<(), DataplaneError> {
        self.forwarder = pool.remove_forwarder(worker, key)?;
        match self.forwarding.take() {
            Some((_, sender)) => pool.add_sender(self.home, sender),
            None => Ok(()),
        }
    }

    /// The forwarder goes to the relay's worker; from another one, or in place of the sender.
    fn go_to<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        worker: Option<WorkerIndex>,
        followed: Followed,
    ) -> Result<(), DataplaneError> {
        match worker {
            Some(worker) => self.forwarder = pool.remove_forwarder(worker, key)?,
            None => drop(pool.connect(self.home, key, None)?),
        }
        let sender = match self.forwarding.take() {
            Some((_, sender)) => Some(sender),
            None => pool.remove_sender(self.home, key)?,
        };
        let (Some(mut forwarder), Some(sender)) = (self.forwarder.take(), sender) else { return Ok(()) };
        forwarder.set_output(followed.output);
        forwarder.follow(Some(followed.relay));
        if let Err((forwarder, refusal)) = pool.add_forwarder(followed.worker, forwarder) {
            self.forwarder = forwarder;
            pool.add_sender(self.home, sender)?;
            return Err(refusal);
        }
        self.forwarding = Some((followed.worker, sender));
        Ok(())
    }
}
