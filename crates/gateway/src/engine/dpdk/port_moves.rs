//! A port goes over to another worker, with everything that comes in by it and leaves by it.
//!
//! What binds two ports together (legs, senders that forward) has them go together: one worker serves both afterwards too.

use control::DataplaneError;
use media::Name;
use worker::{Convoy, DepartureRefusal, InputKey, OutputIndex, PortKey};

use super::homes::ReceiverHome;
use super::{DpdkEngine, Rx, Tx};
use crate::engine::forwarders::Renumbered;
use crate::pool::{Departure, WorkerIndex, unexpected};

/// A lane of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    port: usize,
    lane: usize,
}

/// Parts that have left their worker, with all that is served on them.
struct Loaded {
    parts: Vec<Part>,
    convoy: Box<Convoy<Rx, Tx>>,
}

impl DpdkEngine {
    /// The worker that receives by the port gives away both its queues there, and whom they serve.
    pub(super) fn move_port_to(&self, port: &Name, worker: &str) -> Result<(), DataplaneError> {
        let to = self.pool.named(worker)?;
        let (at, port) = self.port(Some(port))?;
        let from = port.worker();
        if from == to {
            return Ok(());
        }
        let Loaded { parts, convoy } = self.load(from, Part { port: at, lane: 0 })?;
        match self.pool.arrive(to, convoy) {
            Ok(keys) => {
                self.note(&parts, from, to, &keys);
                self.tell(&parts, to);
                Ok(())
            }
            Err(refused) => {
                let back = refused.back.ok_or_else(|| unexpected("giving a port to a worker"));
                match back.and_then(|convoy| Ok(self.pool.arrive(from, convoy)?)) {
                    Ok(keys) => self.note(&parts, from, from, &keys),
                    Err(cause) => tracing::error!(
                        "ports that could not be moved cannot go back to {} either: {cause}; restart flypackd",
                        self.pool.worker_name(from)
                    ),
                }
                Err(refused.cause)
            }
        }
    }

    /// Takes a part from its worker, with all those that it is bound to.
    fn load(&self, from: WorkerIndex, first: Part) -> Result<Loaded, DataplaneError> {
        let mut parts = vec![first];
        loop {
            let keys = self.keys(&parts);
            let outputs: Vec<OutputIndex> = keys.iter().map(|key| key.output).collect();
            // Senders that wait here, while forwarders do their work, are unknown to the worker.
            let bound = match self.forwarders().bound_to(from, &outputs) {
                Some(output) => self.part_of_output(from, output),
                None => match self.pool.depart(from, Convoy::new(keys))? {
                    Departure::Loaded(convoy) => return Ok(Loaded { parts, convoy }),
                    Departure::Refused(DepartureRefusal::BoundToInput(input)) => self.part_of_input(input),
                    Departure::Refused(DepartureRefusal::BoundToOutput(output)) => self.part_of_output(from, output),
                    Departure::Refused(DepartureRefusal::NoPort) => return Err(self.stopped(&parts)),
                },
            };
            // Each time there is one more, of as many as there are.
            let bound = bound.filter(|bound| !parts.contains(bound));
            parts.push(bound.ok_or_else(|| unexpected("moving a port"))?);
        }
    }

    fn keys(&self, parts: &[Part]) -> Vec<PortKey> {
        parts.iter().filter_map(|part| Some(self.ports[part.port].lanes().get(part.lane)?.key)).collect()
    }

    fn part_of_input(&self, input: InputKey) -> Option<Part> {
        self.ports.iter().enumerate().find_map(|(port, served)| {
            let lane = served.lanes().iter().position(|lane| lane.key.input == Some(input))?;
            Some(Part { port, lane })
        })
    }

    fn part_of_output(&self, worker: WorkerIndex, output: OutputIndex) -> Option<Part> {
        self.ports.iter().enumerate().find_map(|(port, served)| {
            let lanes = served.lanes();
            let lane = lanes.iter().position(|lane| lane.worker == worker && lane.key.output == output)?;
            Some(Part { port, lane })
        })
    }

    fn stopped(&self, parts: &[Part]) -> DataplaneError {
        let names: Vec<&str> = parts.iter().map(|part| self.ports[part.port].facts.plan.name.as_str()).collect();
        DataplaneError::Unsupported {
            what: format!("moving {}, which is not running now", names.join(" with ")),
            remedy: format!("`flypack ports restart {}` starts it; `flypack ports` says why it is stopped", names[0]),
        }
    }

    /// Notes where everything is now.
    fn note(&self, parts: &[Part], from: WorkerIndex, to: WorkerIndex, keys: &[PortKey]) {
        let mut outputs = Vec::with_capacity(parts.len());
        for (part, key) in parts.iter().zip(keys) {
            let port = &self.ports[part.port];
            let mut lanes = port.lanes();
            let Some(lane) = lanes.get_mut(part.lane) else { continue };
            outputs.push((lane.key.output, key.output));
            lane.go(&self.pool, to, *key);
            port.set_lanes(lanes);
            if let Some(bell) = self.pool.bell(to) {
                port.facts.tap.wakes_by(bell.clone());
                if part.lane == 0 {
                    port.facts.inlet.wakes_by(bell.clone());
                }
            }
        }
        self.forwarders().renumber(&Renumbered { from, to, outputs });
        self.weigh(parts, from, to);
    }

    /// The senders, receivers and relays that went along are the new worker's burden.
    fn weigh(&self, parts: &[Part], from: WorkerIndex, to: WorkerIndex) {
        let forwarders = self.forwarders();
        let mut homes = self.homes();
        let mut burden = 0;
        for (key, home) in &mut homes.senders {
            home.forwarded_by = forwarders.followed(*key).map(|followed| followed.worker);
            if let Some(worker) = forwarders.home(*key).filter(|worker| *worker != home.worker) {
                home.worker = worker;
                burden += home.packets_per_second;
            }
        }
        let listening = homes.receivers.values().chain(homes.relays.values());
        let went = |home: &&ReceiverHome| {
            home.lanes().first().is_some_and(|&(port, lane)| parts.contains(&Part { port, lane }))
        };
        burden += listening.filter(went).map(|home| home.packets_per_second).sum::<u64>();
        if from != to {
            self.pool.burden(from, burden, 0);
            self.pool.burden(to, 0, burden);
        }
    }

    fn tell(&self, parts: &[Part], to: WorkerIndex) {
        let names: Vec<&str> = parts.iter().map(|part| self.ports[part.port].facts.plan.name.as_str()).collect();
        if let [name, others @ ..] = &names[..]
            && !others.is_empty()
        {
            let (worker, others) = (self.pool.worker_name(to), others.join(", "));
            tracing::info!("port {name} has gone to {worker} together with {others}: there are streams on both");
        }
    }
}
