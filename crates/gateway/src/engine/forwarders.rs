//! The senders of an engine, and who serves each: its own worker, or a forwarder on the worker of a relay.
//!
//! A sender that is taken to a relay is served by a forwarder; the sender itself, without a path, waits here until it is
//! taken to a ring again. Both have the sender's counters, and one key.
//!
//! What takes a sender's place is there before the sender leaves its own, so that whoever is refused goes on as before.
//! What cannot even go back waits here, and the next change takes it up.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::DataplaneError;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;
use worker::{Forwarder, ForwarderConfig, OutputIndex, ReceiverKey, Sender, SenderCounters, SenderKey, Source};

use super::{ChangeError, Stands};
use crate::pool::{Pool, WorkerIndex, unexpected};

/// A relay, and where its worker sends by for some sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) relay: ReceiverKey,
    pub(super) worker: WorkerIndex,
    pub(super) output: OutputIndex,
}

/// Outputs that have gone over to another worker: what each was called there, and what it is called here.
#[cfg(feature = "dpdk")]
pub(super) struct Renumbered {
    pub(super) from: WorkerIndex,
    pub(super) to: WorkerIndex,
    pub(super) outputs: Vec<(OutputIndex, OutputIndex)>,
}

/// The senders of an engine.
pub(super) struct Forwarders<T: TxQueue<Lease = GrainLease>>(BTreeMap<SenderKey, Served<T>>);

/// One sender.
struct Served<T: TxQueue<Lease = GrainLease>> {
    /// The worker that serves it while it does not forward.
    home: WorkerIndex,
    /// What its legs leave by there.
    outputs: [OutputIndex; 2],
    config: ForwarderConfig,
    counters: Arc<SenderCounters>,
    /// With the numbers at which it was; `None` while a worker has it, and before it was needed.
    forwarder: Option<Box<Forwarder>>,
    /// What it forwards, and the worker that has its forwarder.
    follows: Option<Followed>,
    /// The sender, while its worker does not have it.
    aside: Option<Box<Sender<T>>>,
}

/// A sender that no worker serves, and the source that it had.
type Apart<T> = (Box<Sender<T>>, Option<Box<Source>>);

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
        let counters = Arc::clone(counters);
        let outputs = [config.output; 2];
        self.0.insert(key, Served { home, outputs, config, counters, forwarder: None, follows: None, aside: None });
    }

    /// What a sender's legs leave by, where that is not one output.
    #[cfg(feature = "dpdk")]
    pub(super) fn leaves_by(&mut self, key: SenderKey, outputs: [OutputIndex; 2]) {
        if let Some(served) = self.0.get_mut(&key) {
            served.outputs = outputs;
        }
    }

    /// What a sender forwards, and where.
    pub(super) fn followed(&self, key: SenderKey) -> Option<Followed> {
        self.0.get(&key)?.follows
    }

    /// Has a sender follow a relay, or none: then it is its worker's own again.
    ///
    /// # Errors
    /// A path cannot be opened there, a worker has no room or does not answer; how the sender stands.
    pub(super) fn follow<R>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        followed: Option<Followed>,
    ) -> Result<(), ChangeError>
    where
        R: RxQueue,
    {
        let Some(served) = self.0.get_mut(&key) else { return Ok(()) };
        match (followed, served.follows) {
            (None, _) => served.go_home(pool, key),
            (Some(followed), Some(now)) if now.worker == followed.worker => {
                pool.follow(now.worker, key, Some(followed.relay)).map_err(ChangeError::apart)?;
                served.follows = Some(followed);
                Ok(())
            }
            (Some(followed), Some(now)) => served.go_over(pool, key, now, followed),
            (Some(followed), None) => served.go_out(pool, key, followed),
        }
    }

    /// The worker that serves a sender while it does not forward.
    #[cfg(feature = "dpdk")]
    pub(super) fn home(&self, key: SenderKey) -> Option<WorkerIndex> {
        self.0.get(&key).map(|served| served.home)
    }

    /// An output that a sender of `worker` has a leg by, beside one by `outputs`.
    #[cfg(feature = "dpdk")]
    pub(super) fn bound_to(&self, worker: WorkerIndex, outputs: &[OutputIndex]) -> Option<OutputIndex> {
        let mut of_worker = self.0.values().filter(|served| served.home == worker);
        of_worker.find_map(|served| {
            let goes = served.outputs.iter().any(|output| outputs.contains(output));
            served.outputs.into_iter().find(|output| goes && !outputs.contains(output))
        })
    }

    /// Outputs have gone over with all who send by them.
    #[cfg(feature = "dpdk")]
    pub(super) fn renumber(&mut self, renumbered: &Renumbered) {
        for served in self.0.values_mut() {
            served.renumber(renumbered);
        }
    }

    /// The senders that forward a relay.
    pub(super) fn of(&self, relay: ReceiverKey) -> Vec<SenderKey> {
        let forwards = |served: &Served<T>| served.follows.is_some_and(|followed| followed.relay == relay);
        self.0.iter().filter(|(_, served)| forwards(served)).map(|(key, _)| *key).collect()
    }

    /// Whether `to` would take the forwarders of a relay. `output` says what each leaves by there, where that has another number.
    ///
    /// # Errors
    /// A path cannot be opened there, or it has no room or does not answer.
    pub(super) fn try_paths<R: RxQueue>(
        &self,
        pool: &Pool<R, T>,
        relay: ReceiverKey,
        to: WorkerIndex,
        output: impl Fn(SenderKey) -> Option<OutputIndex>,
    ) -> Result<(), ChangeError> {
        for key in self.of(relay) {
            let Some(served) = self.0.get(&key) else { continue };
            let Some(followed) = served.follows else { continue };
            let output = output(key).unwrap_or(followed.output);
            served.try_path(pool, key, Followed { worker: to, output, ..followed })?;
        }
        Ok(())
    }

    /// Takes the forwarders of a relay, which no worker has at the moment, to the worker `to`, with their places in its
    /// window. `output` as in [`Self::try_paths`].
    ///
    /// # Errors
    /// The first that `to` does not take: its sender is apart, and the others are there.
    pub(super) fn carry<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        relay: ReceiverKey,
        to: WorkerIndex,
        output: impl Fn(SenderKey) -> Option<OutputIndex>,
    ) -> Result<(), DataplaneError> {
        let mut outcome = Ok(());
        for key in self.of(relay) {
            let Some(served) = self.0.get_mut(&key) else { continue };
            let carried = served.carry(pool, key, to, output(key));
            outcome = outcome.and(carried);
        }
        outcome
    }

    /// Gives a sender that does not forward to another worker, with its source.
    ///
    /// # Errors
    /// It forwards; the worker does not take it, or does not answer; how the sender stands.
    pub(super) fn move_to<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        to: WorkerIndex,
    ) -> Result<(), ChangeError> {
        let outputs = self.0.get(&key).map_or([OutputIndex(0); 2], |served| served.outputs);
        self.move_to_by(pool, key, to, outputs)
    }

    /// The same to a worker that numbers its outputs otherwise.
    ///
    /// # Errors
    /// As [`Self::move_to`].
    pub(super) fn move_to_by<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        to: WorkerIndex,
        outputs: [OutputIndex; 2],
    ) -> Result<(), ChangeError> {
        let Some(served) = self.0.get_mut(&key) else { return Ok(()) };
        if served.follows.is_some() {
            return Err(ChangeError::as_before(DataplaneError::Unsupported {
                what: "moving a sender that forwards a relay".to_owned(),
                remedy: "the relay's worker sends its packets: move the relay, and its senders go along".to_owned(),
            }));
        }
        served.move_to(pool, key, (to, outputs))
    }

    /// Forgets a sender; whether its worker has it no longer.
    ///
    /// # Errors
    /// No answer: it may still be forwarding.
    pub(super) fn remove<R: RxQueue>(&mut self, pool: &Pool<R, T>, key: SenderKey) -> Result<bool, DataplaneError> {
        let Some(served) = self.0.get(&key) else { return Ok(false) };
        if let Some(followed) = served.follows {
            drop(pool.remove_forwarder(followed.worker, key)?);
        }
        let is_aside = served.aside.is_some();
        self.0.remove(&key);
        Ok(is_aside)
    }
}

impl<T: TxQueue<Lease = GrainLease>> Served<T> {
    #[cfg(feature = "dpdk")]
    fn renumber(&mut self, Renumbered { from, to, outputs }: &Renumbered) {
        let now = |output| outputs.iter().find(|(before, _)| *before == output).map(|(_, now)| *now);
        if self.home == *from
            && let [Some(first), Some(second)] = self.outputs.map(now)
        {
            (self.home, self.outputs) = (*to, [first, second]);
        }
        if let Some(followed) = &mut self.follows
            && followed.worker == *from
            && let Some(output) = now(followed.output)
        {
            (followed.worker, followed.output) = (*to, output);
        }
    }

    /// Its forwarder, which follows nothing: the one before, so that its numbers go on.
    fn forwarder(&mut self, key: SenderKey, output: OutputIndex) -> Box<Forwarder> {
        let new = || Box::new(Forwarder::new(key, self.config.clone(), Arc::clone(&self.counters)));
        let mut forwarder = self.forwarder.take().unwrap_or_else(new);
        forwarder.set_output(output);
        forwarder.follow(None);
        forwarder
    }

    /// A forwarder takes the sender's place.
    fn go_out<R: RxQueue>(&mut self, pool: &Pool<R, T>, key: SenderKey, followed: Followed) -> Result<(), ChangeError> {
        let forwarder = self.forwarder(key, followed.output);
        if let Err(refused) = pool.add_forwarder(followed.worker, forwarder) {
            self.forwarder = refused.back;
            return Err(ChangeError::as_before(refused.cause));
        }
        if self.aside.is_none() {
            match self.leave_home(pool, key) {
                Ok((sender, source)) => {
                    self.aside = Some(sender);
                    drop(source);
                }
                Err(error) => {
                    self.forwarder = pool.remove_forwarder(followed.worker, key).unwrap_or_default();
                    return Err(error);
                }
            }
        }
        self.follows = Some(followed);
        pool.follow(followed.worker, key, Some(followed.relay)).map_err(ChangeError::apart)
    }

    /// The forwarder goes over to another relay's worker.
    fn go_over<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        now: Followed,
        followed: Followed,
    ) -> Result<(), ChangeError> {
        self.try_path(pool, key, followed)?;
        self.forwarder = pool.remove_forwarder(now.worker, key).map_err(ChangeError::apart)?;
        self.follows = None;
        let mut forwarder = self.forwarder(key, followed.output);
        forwarder.follow(Some(followed.relay));
        if let Err(refused) = pool.add_forwarder(followed.worker, forwarder) {
            self.forwarder = refused.back;
            return Err(ChangeError::apart(refused.cause));
        }
        self.follows = Some(followed);
        Ok(())
    }

    /// The forwarder goes to another worker as it is.
    fn carry<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        to: WorkerIndex,
        output: Option<OutputIndex>,
    ) -> Result<(), DataplaneError> {
        let Some(followed) = self.follows.take() else { return Ok(()) };
        let output = output.unwrap_or(followed.output);
        let forwarder = pool.remove_forwarder(followed.worker, key)?;
        let mut forwarder = forwarder.ok_or_else(|| unexpected("taking a forwarder from its worker"))?;
        forwarder.set_output(output);
        if let Err(refused) = pool.add_forwarder(to, forwarder) {
            self.forwarder = refused.back;
            return Err(refused.cause);
        }
        self.follows = Some(Followed { worker: to, output, ..followed });
        Ok(())
    }

    /// Whether a forwarder would be taken there.
    fn try_path<R: RxQueue>(&self, pool: &Pool<R, T>, key: SenderKey, at: Followed) -> Result<(), ChangeError> {
        let mut trial = Box::new(Forwarder::new(key, self.config.clone(), Arc::clone(&self.counters)));
        trial.set_output(at.output);
        pool.add_forwarder(at.worker, trial).map_err(ChangeError::as_before)?;
        pool.remove_forwarder(at.worker, key).map(drop).map_err(ChangeError::as_before)
    }

    /// The sender comes back to its own worker, and the forwarder leaves the relay's.
    fn go_home<R: RxQueue>(&mut self, pool: &Pool<R, T>, key: SenderKey) -> Result<(), ChangeError> {
        if let Some(mut sender) = self.aside.take() {
            sender.set_outputs(self.outputs[0], self.outputs[1]);
            if let Err(refused) = pool.add_sender(self.home, sender) {
                self.aside = refused.back;
                return Err(ChangeError::as_before(refused.cause));
            }
        }
        let Some(followed) = self.follows else { return Ok(()) };
        self.forwarder = pool.remove_forwarder(followed.worker, key).map_err(ChangeError::apart)?;
        self.follows = None;
        Ok(())
    }

    /// The sender and its source, which its worker serves no longer.
    fn leave_home<R: RxQueue>(&mut self, pool: &Pool<R, T>, key: SenderKey) -> Result<Apart<T>, ChangeError> {
        let source = pool.connect(self.home, key, None).map_err(ChangeError::apart)?;
        let cause = match pool.remove_sender(self.home, key) {
            Ok(Some(sender)) => return Ok((sender, source)),
            Ok(None) => unexpected("taking a sender from its worker"),
            Err(cause) => cause,
        };
        let stands = self.reconnect(pool, key, source);
        Err(ChangeError { cause, stands })
    }

    fn move_to<R: RxQueue>(
        &mut self,
        pool: &Pool<R, T>,
        key: SenderKey,
        (to, outputs): (WorkerIndex, [OutputIndex; 2]),
    ) -> Result<(), ChangeError> {
        if self.aside.is_some() {
            let from = (self.home, self.outputs);
            (self.home, self.outputs) = (to, outputs);
            let came = self.go_home(pool, key);
            if came.is_err() {
                (self.home, self.outputs) = from;
            }
            return came;
        }
        let (mut sender, source) = self.leave_home(pool, key)?;
        sender.set_outputs(outputs[0], outputs[1]);
        if let Err(refused) = pool.add_sender(to, sender) {
            self.aside = refused.back;
            let stands = match self.go_home(pool, key) {
                Ok(()) => self.reconnect(pool, key, source),
                Err(_) => Stands::Apart,
            };
            return Err(ChangeError { cause: refused.cause, stands });
        }
        (self.home, self.outputs) = (to, outputs);
        pool.connect(to, key, source).map(drop).map_err(ChangeError::apart)
    }

    /// Gives the sender its source back.
    fn reconnect<R: RxQueue>(&self, pool: &Pool<R, T>, key: SenderKey, source: Option<Box<Source>>) -> Stands {
        match pool.connect(self.home, key, source) {
            Ok(_) => Stands::AsBefore,
            Err(_) => Stands::Apart,
        }
    }
}

#[cfg(test)]
mod tests;
