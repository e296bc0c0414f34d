//! A receiver or a relay goes over to another worker that receives by its ports, and its rules with it.

use std::collections::BTreeMap;

use control::DataplaneError;
use worker::{OutputIndex, ReceiverKey, SenderKey};

use super::homes::{HeardWay, Homes, ReceiverHome, SenderHome};
use super::rules::Steered;
use super::{DpdkEngine, ServedPort};
use crate::engine::ChangeError;
use crate::pool::{Side, Switch, WorkerIndex, unexpected};

/// The rules of a stream that goes over: its ways, and the lanes that they are to have.
struct Rules<'a> {
    ports: &'a [ServedPort],
    ways: Vec<HeardWay>,
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Rules<'_> {
    fn put(&mut self, lanes: &[usize]) -> Result<(), String> {
        self.ways.iter_mut().zip(lanes).try_for_each(|(way, lane)| self.ports[way.port].steer_over(way, *lane))
    }
}

impl Switch for Rules<'_> {
    fn over(&mut self) -> Result<(), DataplaneError> {
        let lanes = self.after.clone();
        self.put(&lanes).map_err(|refusal| {
            self.back();
            DataplaneError::Unsupported {
                what: "a move to another receive queue of its port".to_owned(),
                remedy: format!("it stays where it is: {refusal}"),
            }
        })
    }

    fn back(&mut self) {
        let lanes = self.before.clone();
        if let Err(refusal) = self.put(&lanes) {
            tracing::error!(
                "{refusal}: a stream comes to a queue whose worker does not serve it; delete it and make it anew"
            );
        }
    }
}

impl ServedPort {
    /// Puts a way on another lane's queue. The new rule comes before the old one goes, where the device takes both; where not,
    /// what comes between the two is on the first queue.
    fn steer_over(&self, way: &mut HeardWay, lane: usize) -> Result<(), String> {
        if way.lane == lane && way.steered.holds(lane) {
            return Ok(());
        }
        let steered = match self.steer(way.destination, lane) {
            Err(_) if matches!(way.steered, Steered::ByRule(_)) => {
                way.steered = Steered::AsItComes;
                self.steer(way.destination, lane)?
            }
            steered => steered?,
        };
        (way.lane, way.steered) = (lane, steered);
        Ok(())
    }
}

/// What listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Receiver(ReceiverKey),
    Relay(ReceiverKey),
}

impl Listener {
    pub(super) fn home(self, homes: &mut Homes) -> Option<&mut ReceiverHome> {
        match self {
            Self::Receiver(key) => homes.receivers.get_mut(&key),
            Self::Relay(key) => homes.relays.get_mut(&key),
        }
    }
}

impl DpdkEngine {
    /// A receiver or relay goes over to the worker of that name.
    pub(super) fn move_listener(&self, listener: Listener, worker: &str) -> Result<(), ChangeError> {
        let to = self.pool.named(worker)?;
        self.take_over(listener, to)
    }

    /// Has the worker of the first queue serve a stream that its device puts on no other one any more.
    pub(super) fn recall(&self, listener: Listener) {
        let Some(port) = listener.home(&mut self.homes()).map(|home| home.port()) else { return };
        let port = &self.ports[port];
        let name = &port.facts.plan.name;
        match self.take_over(listener, port.worker()) {
            Ok(()) => tracing::warn!("port {name}: a stream has gone to the first receive queue, and to its worker"),
            Err(error) => tracing::error!(
                "port {name}: a stream comes to the first receive queue, where nobody takes it: {error}"
            ),
        }
    }

    fn take_over(&self, listener: Listener, to: WorkerIndex) -> Result<(), ChangeError> {
        let Some(home) = listener.home(&mut self.homes()).cloned() else { return Ok(()) };
        let from = self.worker_hearing(&home.ways);
        if from == to {
            return Ok(());
        }
        self.pool.check_room(to)?;
        let after = self.lanes_heard_by(&home.ways, to)?;
        if let Listener::Relay(key) = listener {
            self.try_forwarders(key, to)?;
        }
        let from = Side { worker: from, legs: self.legs(&home.ways) };
        let to = Side { worker: to, legs: self.legs_on(&home.ways, &after) };
        let before = home.ways.iter().map(|way| way.lane).collect();
        drop(home);
        // Nobody else has the rules meanwhile: one that goes is gone.
        let taken = listener.home(&mut self.homes()).map(|home| home.ways.iter_mut().map(HeardWay::taken).collect());
        let mut rules = Rules { ports: &self.ports, ways: taken.unwrap_or_default(), before, after };
        let outcome = self.pool.cross(&from, &to, &mut rules, || match listener {
            Listener::Receiver(key) => self.carry_receiver(key, &from, &to),
            Listener::Relay(key) => self.carry_relay(key, &from, &to),
        });
        self.settle(listener, rules.ways, outcome.is_ok().then_some([from.worker, to.worker]));
        outcome.map_err(ChangeError::as_before)
    }

    /// The lanes by which a worker receives what comes by these ways.
    fn lanes_heard_by(&self, ways: &[HeardWay], worker: WorkerIndex) -> Result<Vec<usize>, DataplaneError> {
        let lane = |way: &HeardWay| {
            let port = &self.ports[way.port];
            port.lane_heard_by(worker).ok_or_else(|| self.not_heard(port, worker))
        };
        ways.iter().map(lane).collect()
    }

    fn not_heard(&self, port: &ServedPort, worker: WorkerIndex) -> DataplaneError {
        let name = &port.facts.plan.name;
        let lanes = port.lanes();
        let names: Vec<&str> =
            lanes.iter().filter(|lane| lane.receives()).map(|lane| self.pool.worker_name(lane.worker)).collect();
        let remedy = match &names[..] {
            [_] => "`flypack move --port` gives another worker the port, with all that is on it".to_owned(),
            names => format!("it can go to one of: {}", names.join(", ")),
        };
        let what = format!("a move to {}, which does not receive by port {name}", self.pool.worker_name(worker));
        DataplaneError::Unsupported { what, remedy }
    }

    fn carry_receiver(&self, key: ReceiverKey, from: &Side, to: &Side) -> Result<(), DataplaneError> {
        let released = self.pool.release_receiver(from.worker, key)?;
        let mut receiver = released.ok_or_else(|| unexpected("taking a receiver from its worker"))?;
        receiver.set_legs(to.legs.clone());
        let Err(refused) = self.pool.add_receiver(to.worker, receiver) else { return Ok(()) };
        if let Some(mut receiver) = refused.back {
            receiver.set_legs(from.legs.clone());
            self.seated_again(from.worker, self.pool.add_receiver(from.worker, receiver).map_err(DataplaneError::from));
        }
        Err(refused.cause)
    }

    /// Its senders wait there when it comes.
    fn carry_relay(&self, key: ReceiverKey, from: &Side, to: &Side) -> Result<(), DataplaneError> {
        let released = self.pool.release_relay(from.worker, key)?;
        let mut relay = released.ok_or_else(|| unexpected("taking a relay from its worker"))?;
        self.carry_forwarders(key, to.worker)?;
        relay.set_legs(to.legs.clone());
        let Err(refused) = self.pool.add_relay(to.worker, relay) else { return Ok(()) };
        self.seated_again(from.worker, self.carry_forwarders(key, from.worker));
        if let Some(mut relay) = refused.back {
            relay.set_legs(from.legs.clone());
            self.seated_again(from.worker, self.pool.add_relay(from.worker, relay).map_err(DataplaneError::from));
        }
        Err(refused.cause)
    }

    fn seated_again(&self, worker: WorkerIndex, outcome: Result<(), DataplaneError>) {
        if let Err(cause) = outcome {
            let worker = self.pool.worker_name(worker);
            tracing::error!(
                "what could not be moved cannot go back to {worker} either: {cause}; delete it and make it anew"
            );
        }
    }

    /// What a relay's senders leave by on a worker; one that does not send by their port has none.
    fn output_on(&self, worker: WorkerIndex) -> impl Fn(SenderKey) -> Option<OutputIndex> {
        let homes = self.homes();
        let output = |home: &SenderHome| self.ports[home.port].output_of(worker);
        let outputs: BTreeMap<_, _> = homes.senders.iter().map(|(key, home)| (*key, output(home))).collect();
        move |key| outputs.get(&key).copied().flatten()
    }

    fn try_forwarders(&self, relay: ReceiverKey, to: WorkerIndex) -> Result<(), ChangeError> {
        let output = self.output_on(to);
        let forwarders = self.forwarders();
        if forwarders.of(relay).into_iter().any(|sender| output(sender).is_none()) {
            let what = format!(
                "moving a relay to {}, which does not send by the ports of all its senders",
                self.pool.worker_name(to)
            );
            let remedy = "give their ports its core too (port.core, port.cores)".to_owned();
            return Err(ChangeError::as_before(DataplaneError::Unsupported { what, remedy }));
        }
        forwarders.try_paths(&self.pool, relay, to, output)
    }

    fn carry_forwarders(&self, relay: ReceiverKey, to: WorkerIndex) -> Result<(), DataplaneError> {
        let output = self.output_on(to);
        self.forwarders().carry(&self.pool, relay, to, output)
    }

    /// Notes where a stream is now; `moved`: from where, and to where.
    fn settle(&self, listener: Listener, ways: Vec<HeardWay>, moved: Option<[WorkerIndex; 2]>) {
        let forwarders = self.forwarders();
        let mut homes = self.homes();
        homes.senders.iter_mut().for_each(|(key, home)| {
            home.forwarded_by = forwarders.followed(*key).map(|followed| followed.worker);
        });
        let Some(home) = listener.home(&mut homes) else { return };
        home.ways = ways;
        if let Some([from, to]) = moved {
            self.pool.burden(from, home.packets_per_second, 0);
            self.pool.burden(to, 0, home.packets_per_second);
        }
    }
}
