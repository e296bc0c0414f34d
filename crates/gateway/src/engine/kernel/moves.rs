//! A receiver, sender or relay goes over to another worker.

use control::DataplaneError;
use worker::{Input, InputKey, ReceiverKey, Relay, SenderKey, SteeredReceiver};

use super::super::forwarders::Forwarders;
use super::super::{ChangeError, Stands};
use super::sockets::inputs_of;
use super::{KernelEngine, Rx, Tx};
use crate::pool::{WorkerIndex, unexpected};

type Buf = <Rx as netio::RxQueue>::Buf;

/// What hears a socket.
enum Listener {
    Receiver(Box<SteeredReceiver<Buf>>),
    Relay(Box<Relay<Buf>>),
}

impl KernelEngine {
    /// The sockets go along, and keep what comes meanwhile. Refused, all go back to where they were.
    pub(super) fn move_receiver(&self, key: ReceiverKey, to: WorkerIndex) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().receivers.get(&key).cloned() else { return Ok(()) };
        let from = home.worker;
        if from == to {
            return Ok(());
        }
        let released = self.pool.release_receiver(from, key)?;
        let receiver = released.ok_or_else(|| unexpected("taking a receiver from its worker"))?;
        if let Err(cause) = self.move_inputs(key, home.sockets.len(), from, to) {
            self.seat_again(from, None, Some(Listener::Receiver(receiver)));
            return Err(cause);
        }
        if let Err(refused) = self.pool.add_receiver(to, receiver) {
            self.return_inputs(key, home.sockets.len(), from, to);
            self.seat_again(from, None, refused.back.map(Listener::Receiver));
            return Err(refused.cause);
        }
        self.pool.burden(from, home.packets_per_second, 0);
        self.pool.burden(to, 0, home.packets_per_second);
        if let Some(home) = self.homes().receivers.get_mut(&key) {
            home.worker = to;
        }
        Ok(())
    }

    /// The sockets go along, then the relay with the packets that it keeps and its senders with their places among them.
    /// Refused, all go back.
    pub(super) fn move_relay(&self, key: ReceiverKey, to: WorkerIndex) -> Result<(), ChangeError> {
        let found = self.homes().relays.get(&key).map(|home| (home.worker, home.sockets.len()));
        let Some((from, ways)) = found.filter(|(from, _)| *from != to) else { return Ok(()) };
        let mut forwarders = self.forwarders();
        forwarders.try_paths(&self.pool, key, to, |_| None)?;
        let released = self.pool.release_relay(from, key)?;
        let relay = released.ok_or_else(|| unexpected("taking a relay from its worker"))?;
        if let Err(cause) = self.move_inputs(key, ways, from, to) {
            self.seat_again(from, None, Some(Listener::Relay(relay)));
            return Err(cause.into());
        }
        // They wait where it comes: what it then hands out has somebody to go to.
        let carried = forwarders.carry(&self.pool, key, to, |_| None);
        let Err(refused) = self.pool.add_relay(to, relay) else {
            self.weigh(&forwarders, key, to);
            return carried.map_err(ChangeError::apart);
        };
        let carried = carried.and(forwarders.carry(&self.pool, key, from, |_| None));
        self.return_inputs(key, ways, from, to);
        self.seat_again(from, None, refused.back.map(Listener::Relay));
        self.weigh(&forwarders, key, from);
        let stands = if carried.is_ok() { Stands::AsBefore } else { Stands::Apart };
        Err(ChangeError { cause: refused.cause, stands })
    }

    /// Notes where a relay and its senders are now.
    fn weigh(&self, forwarders: &Forwarders<Tx>, key: ReceiverKey, worker: WorkerIndex) {
        let mut homes = self.homes();
        homes.move_relay(&self.pool, key, worker);
        let senders: Vec<SenderKey> = homes.senders.keys().copied().collect();
        for sender in senders {
            homes.change_sender(&self.pool, sender, |home| home.follows = forwarders.followed(sender));
        }
    }

    /// Gives the sockets of a receiver or a relay to another worker, all or none.
    fn move_inputs(
        &self,
        key: ReceiverKey,
        ways: usize,
        from: WorkerIndex,
        to: WorkerIndex,
    ) -> Result<(), DataplaneError> {
        let moved = inputs_of(key, ways).try_for_each(|input| self.move_input(from, to, input));
        moved.inspect_err(|_| self.return_inputs(key, ways, from, to))
    }

    /// Gives a socket to another worker; one that it refuses goes back.
    fn move_input(&self, from: WorkerIndex, to: WorkerIndex, input: InputKey) -> Result<(), DataplaneError> {
        let removed = self.pool.remove_input(from, input)?;
        let socket = removed.ok_or_else(|| unexpected("taking a socket from its worker"))?;
        self.pool.add_input(to, socket).map_err(|refused| {
            self.seat_again(from, refused.back, None);
            refused.cause
        })
    }

    /// Sockets that have gone over come back.
    fn return_inputs(&self, key: ReceiverKey, ways: usize, from: WorkerIndex, to: WorkerIndex) {
        for input in inputs_of(key, ways) {
            self.seat_again(from, self.pool.remove_input(to, input).unwrap_or_default(), None);
        }
    }

    /// A worker takes again what it served until now.
    fn seat_again(&self, worker: WorkerIndex, input: Option<Box<Input<Rx>>>, listener: Option<Listener>) {
        let input = input.map_or(Ok(()), |input| self.pool.add_input(worker, input).map_err(DataplaneError::from));
        let add = |listener| match listener {
            Listener::Receiver(receiver) => self.pool.add_receiver(worker, receiver).map_err(DataplaneError::from),
            Listener::Relay(relay) => self.pool.add_relay(worker, relay).map_err(DataplaneError::from),
        };
        if let Err(cause) = input.and_then(|()| listener.map_or(Ok(()), add)) {
            let worker = self.pool.worker_name(worker);
            tracing::error!(
                "a receiver or relay that could not be moved cannot go back to {worker} either: {cause}; delete it and make it anew"
            );
        }
    }

    /// At its grain boundary; its packets come from another socket afterwards.
    pub(super) fn move_sender(&self, key: SenderKey, to: WorkerIndex) -> Result<(), ChangeError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        if home.follows.is_none() && home.worker == to {
            return Ok(());
        }
        self.forwarders().move_to(&self.pool, key, to)?;
        self.homes().change_sender(&self.pool, key, |home| home.worker = to);
        Ok(())
    }
}
