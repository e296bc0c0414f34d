//! From opened ports to served ones: who shares a worker, and the worker's side of each port.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

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
use crate::presence::{PortPresence, PresenceHandle};

/// A port whose transmit queues have workers, and that is not served yet.
pub(super) struct Seated {
    facts: Facts,
    port: Port<Started>,
    rx: Rx,
    host: HostEnd,
    /// The first receives too.
    lanes: Vec<SeatedLane>,
}

struct SeatedLane {
    worker: WorkerIndex,
    output: OutputIndex,
    counters: Arc<PortCounters>,
}

/// The workers of these ports: one for each core that is named, and one for all ports that name none.
pub(super) fn seats(opened: Vec<Opened>) -> (Vec<Seat<Tx>>, Vec<Seated>) {
    let cores: BTreeSet<Option<usize>> = opened.iter().flat_map(|port| &port.lanes).map(|lane| lane.core).collect();
    // A worker may be given the queues of all the others.
    let vacancies = opened.iter().map(|port| port.lanes.len()).sum();
    let seat = |core: &Option<usize>| Seat { core: core.map(Core), outputs: Vec::new(), vacancies };
    let mut seats: Vec<Seat<Tx>> = cores.iter().map(seat).collect();
    let mut take = |OpenedLane { core, tx, counters }: OpenedLane| {
        let worker = cores.iter().position(|other| *other == core).unwrap_or_default();
        let outputs = &mut seats[worker].outputs;
        let output = OutputIndex(outputs.len() as u8);
        outputs.push(tx);
        SeatedLane { worker: WorkerIndex(worker), output, counters }
    };
    let mut seat = |Opened { facts, port, rx, lanes, host }: Opened| {
        let lanes = lanes.into_iter().map(&mut take).collect();
        Seated { facts, port, rx, host, lanes }
    };
    let seated = opened.into_iter().map(&mut seat).collect();
    (seats, seated)
}

impl Seated {
    /// Gives the first worker the receive queue too, and makes the port present.
    pub(super) fn serve(
        self,
        key: InputKey,
        pool: &Pool<Rx, Tx>,
        presence: &PresenceHandle,
    ) -> Result<ServedPort, DpdkStartError> {
        let Self { facts, port, rx, host, lanes } = self;
        let name = facts.plan.name.clone();
        let input = Box::new(Input::shared(key, rx, WORKER_LIMIT));
        let input_counters = input.counters();
        let mut keys = std::iter::once(Some(key)).chain(std::iter::repeat(None));
        let served = |SeatedLane { worker, output, counters }: SeatedLane| Lane {
            worker,
            key: PortKey { input: keys.next().flatten(), output },
            counters,
            output: pool.output_counters(worker).get(usize::from(output.0)).cloned().unwrap_or_default(),
            pulse: pool.pulse(worker).unwrap_or_default(),
        };
        let lanes: Vec<Lane> = lanes.into_iter().map(served).collect();
        let worker = lanes[0].worker;
        let refused = |cause| DpdkStartError::Input { port: name.clone(), cause: Box::new(cause) };
        pool.add_input(worker, input).map_err(|back| refused(back.cause))?;
        let bells = lanes.iter().filter_map(|lane| pool.bell(lane.worker));
        bells.for_each(|bell| facts.tap.wakes_by(Arc::clone(bell)));
        pool.bell(worker).into_iter().for_each(|bell| facts.inlet.wakes_by(Arc::clone(bell)));
        presence.attach(PortPresence::of(&facts.plan, facts.mac.octets()), host)?;
        tracing::info!("port {name}: {} ({}), {}", facts.plan.device, facts.mac, facts.sizing);
        Ok(ServedPort {
            key,
            lanes: Mutex::new(lanes),
            input: input_counters,
            restarts: AtomicU64::new(0),
            restart_failures: AtomicU64::new(0),
            seen: Mutex::default(),
            state: Mutex::new(State::Running(port)),
            facts,
        })
    }
}
