//! From opened ports to served ones: who shares a worker, and the worker's side of each port.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use dpdk::port::{Port, Started};
use netio::exchange::HostEnd;
use worker::{Core, Input, InputKey, OutputIndex, PortKey, WORKER_LIMIT};

use super::error::DpdkStartError;
use super::open::Opened;
use super::port::{Facts, ServedPort, State};
use super::{Rx, Tx};
use crate::pool::{Pool, Seat, WorkerIndex};
use crate::presence::{PortPresence, PresenceHandle};

/// A port whose transmit queue has a worker, and that is not served yet.
pub(super) struct Seated {
    facts: Facts,
    port: Port<Started>,
    rx: Rx,
    host: HostEnd,
    worker: WorkerIndex,
    output: OutputIndex,
}

/// The workers of these ports: one for each core that is named, and one for all ports that name none.
pub(super) fn seats(opened: Vec<Opened>) -> (Vec<Seat<Tx>>, Vec<Seated>) {
    let mut by_core: BTreeMap<Option<usize>, Vec<Opened>> = BTreeMap::new();
    for port in opened {
        by_core.entry(port.facts.plan.core).or_default().push(port);
    }
    let (mut seats, mut seated) = (Vec::new(), Vec::new());
    for (core, ports) in by_core {
        let mut seat = Seat { core: core.map(Core), outputs: Vec::new() };
        for Opened { facts, port, rx, tx, host } in ports {
            let (worker, output) = (WorkerIndex(seats.len()), OutputIndex(seat.outputs.len() as u8));
            seat.outputs.push(tx);
            seated.push(Seated { facts, port, rx, host, worker, output });
        }
        seats.push(seat);
    }
    (seats, seated)
}

impl Seated {
    /// Gives the worker the receive queue too, and makes the port present.
    pub(super) fn serve(
        self,
        key: InputKey,
        pool: &Pool<Rx, Tx>,
        presence: &PresenceHandle,
    ) -> Result<ServedPort, DpdkStartError> {
        let Self { facts, port, rx, host, worker, output } = self;
        let name = facts.plan.name.clone();
        let input = Box::new(Input::shared(key, rx, WORKER_LIMIT));
        let input_counters = input.counters();
        let refused = |cause| DpdkStartError::Input { port: name.clone(), cause: Box::new(cause) };
        pool.add_input(worker, input).map_err(|back| refused(back.cause))?;
        presence.attach(PortPresence::of(&facts.plan, facts.mac.octets()), host)?;
        tracing::info!("port {name}: {} ({}), {}", facts.plan.device, facts.mac, facts.sizing);
        Ok(ServedPort {
            worker,
            pulse: pool.pulse(worker).unwrap_or_default(),
            key: PortKey { input: key, output },
            input: input_counters,
            output: pool.output_counters(worker).get(usize::from(output.0)).cloned().unwrap_or_default(),
            restarts: AtomicU64::new(0),
            restart_failures: AtomicU64::new(0),
            seen: Mutex::default(),
            state: Mutex::new(State::Running(port)),
            facts,
        })
    }
}
