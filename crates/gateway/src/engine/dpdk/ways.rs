//! The ways by which packets of a receiver or a relay come in: the ports that listen for them, and on which of their queues.

use control::DataplaneError;
use worker::Leg;

use super::crossing::Listener;
use super::homes::{HeardWay, Homes, ReceiverHome};
use super::rules::Steered;
use super::{DpdkEngine, ServedPort};
use crate::engine::Way;
use crate::pool::WorkerIndex;

/// Where a receiver or a relay was placed.
pub(super) struct Placed {
    pub(super) worker: WorkerIndex,
    pub(super) legs: Vec<Leg>,
    /// Nobody listens on them yet.
    pub(super) ways: Vec<HeardWay>,
    /// What status should warn of.
    pub(super) warning: Option<String>,
}

/// By what a worker is chosen among those that receive on all ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Its load.
    Lightest,
    /// By how many ports it sends, and then its load: a relay's packets are sent by the worker that receives them.
    BestConnected,
}

impl DpdkEngine {
    /// Finds the worker that is to serve these ways: one, as both legs go to one receiver. Puts them on its queues; where a
    /// device refuses that, on the first ones.
    pub(super) fn place(&self, ways: &[Way<'_>], choice: Choice) -> Result<Placed, DataplaneError> {
        let mut ways = ways.iter().map(|way| self.heard(way)).collect::<Result<Vec<_>, _>>()?;
        let worker = self.chosen(&ways, choice)?;
        let Err(refusal) = self.steer(&mut ways, worker) else { return Ok(self.placed(worker, ways, None)) };
        // Their rules go with them.
        ways.iter_mut().for_each(|way| (way.lane, way.steered) = (0, Steered::AsItComes));
        let (first, others) = ways.split_first().ok_or(DataplaneError::Stopping)?;
        let port = &self.ports[first.port];
        others.iter().try_for_each(|way| port.check_receives_first_with(&self.ports[way.port], &refusal))?;
        let worker = self.pool.worker_name(port.worker());
        let warning = format!("port {}: {refusal}, and {worker} receives them", port.facts.plan.name);
        Ok(self.placed(port.worker(), ways, Some(warning)))
    }

    fn placed(&self, worker: WorkerIndex, ways: Vec<HeardWay>, warning: Option<String>) -> Placed {
        Placed { worker, legs: self.legs(&ways), ways, warning }
    }

    fn heard(&self, way: &Way<'_>) -> Result<HeardWay, DataplaneError> {
        let (port, served) = self.port(way.port)?;
        served.check_destination(way.destination)?;
        Ok(HeardWay {
            port,
            lane: 0,
            destination: way.destination,
            sources: way.sources.to_vec(),
            is_listening: false,
            steered: Steered::AsItComes,
        })
    }

    /// What the worker steers, by the inputs that the ways have now.
    pub(super) fn legs(&self, ways: &[HeardWay]) -> Vec<Leg> {
        self.legs_on(ways, &ways.iter().map(|way| way.lane).collect::<Vec<_>>())
    }

    /// The same, had they these lanes.
    pub(super) fn legs_on(&self, ways: &[HeardWay], lanes: &[usize]) -> Vec<Leg> {
        let leg = |(way, lane): (&HeardWay, &usize)| {
            let input = self.ports[way.port].lanes().get(*lane)?.key.input?;
            Some(Leg { input, destination: way.destination })
        };
        ways.iter().zip(lanes).filter_map(leg).collect()
    }

    /// The worker for ways that no queue has been chosen for.
    fn chosen(&self, ways: &[HeardWay], choice: Choice) -> Result<WorkerIndex, DataplaneError> {
        let (first, others) = ways.split_first().ok_or(DataplaneError::Stopping)?;
        let port = &self.ports[first.port];
        if let Some(worker) = self.worker_that_hears(first) {
            // Two of one destination are refused where the first one is.
            return Ok(worker);
        }
        let others: Vec<&ServedPort> = others.iter().map(|way| &self.ports[way.port]).collect();
        let mut workers = port.workers_that_hear(&others)?;
        if choice == Choice::BestConnected {
            let ports =
                |worker: &WorkerIndex| self.ports.iter().filter(|port| port.output_of(*worker).is_some()).count();
            let most = workers.iter().map(ports).max();
            workers.retain(|worker| Some(ports(worker)) == most);
        }
        Ok(self.pool.lightest_of(port.facts.capabilities.numa, |worker| workers.contains(&worker)))
    }

    /// Who receives what comes to that destination already.
    fn worker_that_hears(&self, wanted: &HeardWay) -> Option<WorkerIndex> {
        let homes = self.homes();
        let mut ways = homes.receivers.values().chain(homes.relays.values()).flat_map(|home| &home.ways);
        let way = ways.find(|way| (way.port, way.destination) == (wanted.port, wanted.destination))?;
        Some(self.ports[way.port].worker_of(way.lane))
    }

    /// Puts all ways on queues of `worker`, which hears their ports.
    ///
    /// # Errors
    /// A device's own words.
    pub(super) fn steer(&self, ways: &mut [HeardWay], worker: WorkerIndex) -> Result<(), String> {
        for way in ways {
            let port = &self.ports[way.port];
            let lane = port.lane_heard_by(worker).unwrap_or(0);
            (way.lane, way.steered) = (lane, port.steer(way.destination, lane)?);
        }
        Ok(())
    }

    /// Has the ports listen, now that there is somebody to take what comes.
    ///
    /// # Errors
    /// A port cannot; then none of them does.
    pub(super) fn listen(&self, ways: &mut [HeardWay]) -> Result<(), DataplaneError> {
        for at in 0..ways.len() {
            let way = &mut ways[at];
            let name = &self.ports[way.port].facts.plan.name;
            if let Err(refusal) = self.present.listen(name, way.destination, &way.sources) {
                self.unlisten(ways);
                return Err(DataplaneError::PacketIo(Box::new(refusal)));
            }
            ways[at].is_listening = true;
        }
        Ok(())
    }

    /// Has them listen no longer: groups are left before nobody takes their packets any more.
    pub(super) fn unlisten(&self, ways: &mut [HeardWay]) {
        for way in ways.iter_mut().filter(|way| way.is_listening) {
            let name = &self.ports[way.port].facts.plan.name;
            if let Err(refusal) = self.present.unlisten(name, way.destination, &way.sources) {
                tracing::warn!("{refusal}");
            }
            way.is_listening = false;
        }
    }

    /// Has the ports of a receiver or a relay listen no longer; the worker that serves it and for how many packets a second it
    /// was placed there, `None` where there is none such.
    pub(super) fn leave(&self, find: impl Fn(&mut Homes) -> Option<&mut ReceiverHome>) -> Option<(WorkerIndex, u64)> {
        // Asked without the lock: it may take a while.
        let mut ways = find(&mut self.homes())?.ways.clone();
        self.unlisten(&mut ways);
        let worker = self.worker_hearing(&ways);
        let mut homes = self.homes();
        let home = find(&mut homes)?;
        home.ways.iter_mut().for_each(|way| way.is_listening = false);
        Some((worker, home.packets_per_second))
    }

    /// The worker of what is heard there.
    pub(super) fn worker_hearing(&self, ways: &[HeardWay]) -> WorkerIndex {
        ways.first().map_or(WorkerIndex(0), |way| self.ports[way.port].worker_of(way.lane))
    }

    /// The rules of a port that was started anew: they went when it stopped. A stream whose rule is refused now goes to the first
    /// queue's worker.
    pub(super) fn steer_again(&self, port: usize) {
        for (listener, way) in self.lacking_rules(port) {
            match self.ports[port].steer(way.destination, way.lane) {
                Ok(steered) => self.note_steered(listener, &way, steered),
                Err(_) => self.recall(listener),
            }
        }
    }

    /// What is not put on the queue of its lane, and should be.
    fn lacking_rules(&self, port: usize) -> Vec<(Listener, HeardWay)> {
        let homes = self.homes();
        let receivers = homes.receivers.iter().map(|(key, home)| (Listener::Receiver(*key), home));
        let listeners = receivers.chain(homes.relays.iter().map(|(key, home)| (Listener::Relay(*key), home)));
        let lacks = |way: &&HeardWay| way.port == port && !way.steered.holds(way.lane);
        listeners
            .flat_map(|(listener, home)| home.ways.iter().filter(lacks).map(move |way| (listener, way.clone())))
            .collect()
    }

    fn note_steered(&self, listener: Listener, steered: &HeardWay, by: Steered) {
        let mut homes = self.homes();
        let ways = listener.home(&mut homes).map(|home| &mut home.ways);
        let way =
            ways.into_iter().flatten().find(|way| (way.port, way.destination) == (steered.port, steered.destination));
        let before = way.map(|way| std::mem::replace(&mut way.steered, by));
        drop(homes);
        // A rule of before the stop: it is gone already.
        drop(before);
    }
}
