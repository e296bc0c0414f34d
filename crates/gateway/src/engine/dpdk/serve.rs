//! From opened ports to served ones: who shares a worker, and the worker's side of each port.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use control::DataplaneError;
use dpdk::counters::PortCounters;
use dpdk::port::{Port, Started};
use netio::exchange::HostEnd;
use worker::{Core, Input, InputKey, OutputIndex, PortKey, WORKER_LIMIT};

use super::error::DpdkStartError;
use super::lane::Lane;
use super::open::{Opened, OpenedLane};
use super::port::{Facts, ServedPort, State};
use super::{Rx, Tx};
use crate::pool::{Pool, Seat, WorkerIndex};
use crate::port_plan::WORKERS_MAX;
use crate::presence::{PortPresence, PresenceHandle};

/// A port whose transmit queues have workers, and that is not served yet.
pub(super) struct Seated {
    facts: Facts,
    port: Port<Started>,
    host: HostEnd,
    /// The first receives, and perhaps others.
    lanes: Vec<SeatedLane>,
}

struct SeatedLane {
    worker: WorkerIndex,
    output: OutputIndex,
    rx: Option<Rx>,
    counters: Arc<PortCounters>,
}

/// The workers of these ports: one for each core that is named, and one for all ports that name none.
pub(super) fn seats(opened: Vec<Opened>) -> (Vec<Seat<Tx>>, Vec<Seated>) {
    let cores: BTreeSet<Option<usize>> = opened.iter().flat_map(|port| &port.lanes).map(|lane| lane.core).collect();
    // A worker may be given the queues of all the others.
    let vacancies = opened.iter().map(|port| port.lanes.len()).sum();
    let seat = |core: &Option<usize>| Seat { core: core.map(Core), outputs: Vec::new(), vacancies };
    let mut seats: Vec<Seat<Tx>> = cores.iter().map(seat).collect();
    let mut take = |OpenedLane { core, rx, tx, counters }: OpenedLane| {
        let worker = cores.iter().position(|other| *other == core).unwrap_or_default();
        let outputs = &mut seats[worker].outputs;
        let output = OutputIndex(outputs.len() as u8);
        outputs.push(tx);
        SeatedLane { worker: WorkerIndex(worker), output, rx, counters }
    };
    let mut seat = |Opened { facts, port, lanes, host }: Opened| {
        let lanes = lanes.into_iter().map(&mut take).collect();
        Seated { facts, port, host, lanes }
    };
    let seated = opened.into_iter().map(&mut seat).collect();
    (seats, seated)
}

impl Seated {
    /// Gives workers the receive queues too, and makes the port present. `number` is the port's among all.
    pub(super) fn serve(
        self,
        number: u64,
        pool: &Pool<Rx, Tx>,
        presence: &PresenceHandle,
    ) -> Result<ServedPort, DpdkStartError> {
        let Self { facts, port, host, lanes } = self;
        let name = facts.plan.name.clone();
        let keys = (number * u64::from(WORKERS_MAX)..).map(InputKey);
        let lanes = lanes.into_iter().zip(keys).map(|(lane, key)| lane.serve(key, pool)).collect::<Result<Vec<_>, _>>();
        let lanes = lanes.map_err(|cause| DpdkStartError::Input { port: name.clone(), cause: Box::new(cause) })?;
        let bells = lanes.iter().filter_map(|lane| pool.bell(lane.worker));
        bells.for_each(|bell| facts.tap.wakes_by(Arc::clone(bell)));
        pool.bell(lanes[0].worker).into_iter().for_each(|bell| facts.inlet.wakes_by(Arc::clone(bell)));
        presence.attach(PortPresence::of(&facts.plan, facts.mac.octets()), host)?;
        tracing::info!("port {name}: {} ({}), {}", facts.plan.device, facts.mac, facts.sizing);
        Ok(ServedPort {
            lanes: Mutex::new(lanes),
            restarts: AtomicU64::new(0),
            restart_failures: AtomicU64::new(0),
            rules: Mutex::default(),
            seen: Mutex::default(),
            state: Mutex::new(State::Running(port)),
            facts,
        })
    }
}

impl SeatedLane {
    /// Has its worker poll the receive queue, under this key.
    fn serve(self, key: InputKey, pool: &Pool<Rx, Tx>) -> Result<Lane, DataplaneError> {
        let Self { worker, output, rx, counters } = self;
        let input = rx.map(|rx| Box::new(Input::shared(key, rx, WORKER_LIMIT)));
        let lane = Lane {
            worker,
            key: PortKey { input: input.is_some().then_some(key), output },
            input: input.as_ref().map(|input| input.counters()).unwrap_or_default(),
            counters,
            output: pool.output_counters(worker).get(usize::from(output.0)).cloned().unwrap_or_default(),
            pulse: pool.pulse(worker).unwrap_or_default(),
        };
        input.map_or(Ok(()), |input| pool.add_input(worker, input).map_err(|back| back.cause))?;
        Ok(lane)
    }
}
