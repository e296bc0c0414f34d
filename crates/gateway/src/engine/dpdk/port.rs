//! A port that one worker serves, or several: stopped, started again, and looked at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::DataplaneError;
use dpdk::capabilities::Capabilities;
use dpdk::port::{Port, PortQueues, Started, Stopped};
use dpdk::sizing::Sizing;
use dpdk::tx::Reads;
use ip::MacAddr;
use netio::TxQueue;
use netio::capture::CaptureTap;
use netio::injection::InjectionTap;
use worker::{OutputIndex, QueuePair};

use super::error::RestartError;
use super::lane::Lane;
use super::rules::RulesSeen;
use super::seen::Seen;
use super::timing::Timing;
use super::{Rx, Tx};
use crate::loss::Reception;
use crate::pool::{Pool, WorkerIndex};
use crate::port_plan::PortPlan;

/// What is known of a port since it was opened.
pub(super) struct Facts {
    pub(super) plan: PortPlan,
    pub(super) sizing: Sizing,
    /// How long the device, as its driver has made it, takes packets that nobody fetches, at the rate that it is sized for.
    pub(super) holds: Duration,
    pub(super) mac: MacAddr,
    pub(super) capabilities: Capabilities,
    pub(super) reads: Reads,
    /// The device's clock, where the port goes by it.
    pub(super) timing: Option<Timing>,
    /// Captures what passes.
    pub(super) tap: Arc<CaptureTap>,
    /// Has frames received that did not come by the wire.
    pub(super) inlet: Arc<InjectionTap>,
}

/// A port, its workers, and the state that it is in.
pub(super) struct ServedPort {
    pub(super) facts: Facts,
    /// At least one; each has the queues of its number. The first one's worker receives what no rule puts on another's queue.
    /// Held for moments only.
    pub(super) lanes: Mutex<Vec<Lane>>,
    pub(super) restarts: AtomicU64,
    pub(super) restart_failures: AtomicU64,
    pub(super) rules: Mutex<RulesSeen>,
    pub(super) seen: Mutex<Seen>,
    pub(super) state: Mutex<State>,
}

/// Where the device and its queues are. What stops is dropped in the order of the fields: the queues first.
pub(super) enum State {
    /// The worker has the queues.
    Running(Port<Started>),
    /// They are here, and wait for the next start.
    Stopped { queues: Vec<QueuePair<Rx, Tx>>, port: Port<Stopped>, why: String },
    /// The queues are gone, and the port with them.
    Closed(String),
}

impl ServedPort {
    /// Its lanes as they are now.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its lanes are these now.
    pub(super) fn set_lanes(&self, lanes: Vec<Lane>) {
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = lanes;
    }

    /// The worker that receives by the first queue.
    pub(super) fn worker(&self) -> WorkerIndex {
        self.worker_of(0)
    }

    /// The worker of a lane, of which there is the first at least.
    pub(super) fn worker_of(&self, lane: usize) -> WorkerIndex {
        let lanes = self.lanes();
        lanes.get(lane).unwrap_or(&lanes[0]).worker
    }

    /// The lane by which a worker receives; `None` where it does not receive by this port.
    pub(super) fn lane_heard_by(&self, worker: WorkerIndex) -> Option<usize> {
        self.lanes().iter().position(|lane| lane.worker == worker && lane.receives())
    }

    /// All workers that send by the port.
    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerIndex> {
        self.lanes().into_iter().map(|lane| lane.worker)
    }

    /// What a worker sends by; `None` where it does not send by this port.
    pub(super) fn output_of(&self, worker: WorkerIndex) -> Option<OutputIndex> {
        self.lanes().into_iter().find(|lane| lane.worker == worker).map(|lane| lane.key.output)
    }

    /// What the legs of a sender leave by on a worker that sends by this port, and by that of the second leg.
    pub(super) fn outputs_of(&self, worker: WorkerIndex, second: Option<&Self>) -> [OutputIndex; 2] {
        let first = self.output_of(worker).unwrap_or(OutputIndex(0));
        [first, second.and_then(|other| other.output_of(worker)).unwrap_or(first)]
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its receive queues and their workers say.
    pub(super) fn reception(&self) -> Reception {
        let receiving = self.lanes().iter().filter(|lane| lane.receives()).count();
        // What the device dropped is said of all its queues together.
        let further = (1..receiving).map(|lane| Reception { dropped: None, ..self.reception_of(lane) });
        further.fold(self.reception_of(0), |all, further| all.beside(&further))
    }

    /// What one receive queue and its worker say. The counts are those of the last look at the device.
    pub(super) fn reception_of(&self, lane: usize) -> Reception {
        let seen = self.seen();
        let without_buffer = seen.counter("device_rx_no_buffers");
        // net_af_packet counts nothing that its ring has lost.
        let is_counting = self.facts.sizing.packet_ring.is_none();
        let dropped = seen.counter("device_rx_missed_packets").saturating_add(without_buffer);
        drop(seen);
        let lanes = self.lanes();
        let receiving = lanes.get(lane).unwrap_or(&lanes[0]);
        Reception {
            pulse: Arc::clone(&receiving.pulse),
            holds_nanos: u64::try_from(self.facts.holds.as_nanos()).unwrap_or(u64::MAX),
            dropped: is_counting.then_some(dropped),
            without_buffer: without_buffer.saturating_add(receiving.counters.rx.no_mbufs.value()),
        }
    }

    /// Stops the port, where it runs, and starts it again.
    pub(super) fn restart(&self, pool: &Pool<Rx, Tx>) -> Result<(), RestartError> {
        let mut state = self.state();
        let before = std::mem::replace(&mut *state, State::Closed("it is being restarted".to_owned()));
        let (after, outcome) = match self.halted(before, pool) {
            State::Stopped { port, queues, .. } => self.started(port, queues, pool),
            State::Running(port) => (State::Running(port), Err(self.closed("its worker does not give it back"))),
            State::Closed(why) => (State::Closed(why.clone()), Err(self.closed(&why))),
        };
        *state = after;
        drop(state);
        match &outcome {
            Ok(()) => {
                self.restarts.fetch_add(1, Ordering::Relaxed);
                tracing::info!("port {}: was restarted", self.facts.plan.name);
            }
            Err(error) => {
                self.restart_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!("{error}");
            }
        }
        outcome
    }

    fn closed(&self, why: &str) -> RestartError {
        RestartError::Closed { port: self.facts.plan.name.clone(), cause: why.to_owned() }
    }

    /// Takes the queues from the workers, and stops the device. What runs still afterwards could not be stopped.
    pub(super) fn halted(&self, before: State, pool: &Pool<Rx, Tx>) -> State {
        let State::Running(port) = before else { return before };
        let mut queues = match self.detached(pool) {
            Ok(queues) => queues,
            Err(error) => {
                tracing::warn!("port {}: {error}", self.facts.plan.name);
                return State::Running(port);
            }
        };
        let receiving = queues.iter().filter(|queues| queues.rx.is_some()).count();
        let receivers = queues.iter_mut().filter_map(|queues| queues.rx.as_mut()?.detach_device());
        let mut receivers: Vec<_> = receivers.collect();
        let mut senders: Vec<_> = queues.iter_mut().filter_map(|queues| queues.tx.detach_device()).collect();
        if receivers.len() != receiving || senders.len() != queues.len() {
            return State::Closed("its queues had lost their device".to_owned());
        }
        let (rx, tx) = (receivers.remove(0), senders.remove(0));
        // The further ones are gone before the port stops.
        drop((receivers, senders));
        let (port, why) = match port.stop(PortQueues { rx, tx }) {
            Ok(port) => (port, String::new()),
            Err(refused) => {
                tracing::warn!("port {}: {}", self.facts.plan.name, refused.error);
                (refused.port, refused.error.to_string())
            }
        };
        // The device has given back all that it had: the leases end here.
        queues.iter_mut().for_each(|queues| queues.tx.reap());
        State::Stopped { port, queues, why }
    }

    /// The queues of all workers, or none of them.
    fn detached(&self, pool: &Pool<Rx, Tx>) -> Result<Vec<QueuePair<Rx, Tx>>, DataplaneError> {
        let lanes = self.lanes();
        let mut taken = Vec::with_capacity(lanes.len());
        for lane in &lanes {
            match pool.detach(lane.worker, lane.key) {
                Ok(queues) => taken.push(queues),
                Err(error) => {
                    for (lane, queues) in lanes.iter().zip(taken) {
                        pool.attach(lane.worker, lane.key, queues)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(taken)
    }

    /// Starts the device, and gives the workers its queues.
    fn started(
        &self,
        port: Port<Stopped>,
        mut queues: Vec<QueuePair<Rx, Tx>>,
        pool: &Pool<Rx, Tx>,
    ) -> (State, Result<(), RestartError>) {
        let (mut port, handles) = match port.start() {
            Ok(started) => started,
            Err(refused) => {
                let cause = refused.error.to_string();
                let error = RestartError::Stopped { port: self.facts.plan.name.clone(), cause: cause.clone() };
                return (State::Stopped { port: refused.port, queues, why: cause }, Err(error));
            }
        };
        self.compare_mac(port.mac());
        // Its clock may have begun anew.
        self.facts.timing.iter().for_each(|timing| timing.look(&port));
        let senders: Vec<_> = std::iter::once(handles.tx).chain(port.further_tx()).collect();
        let receivers: Vec<_> = std::iter::once(handles.rx).chain(port.further_rx()).collect();
        let receiving = queues.iter().filter(|queues| queues.rx.is_some()).count();
        for (way, has, had) in [("transmit", senders.len(), queues.len()), ("receive", receivers.len(), receiving)] {
            if has < had {
                let why = format!("its device has come back with {has} {way} queues of {had}");
                return (State::Closed(why.clone()), Err(self.closed(&why)));
            }
        }
        queues.iter_mut().filter_map(|queues| queues.rx.as_mut()).zip(receivers).for_each(|(rx, handle)| {
            rx.attach_device(handle);
        });
        queues.iter_mut().zip(senders).for_each(|(queues, handle)| queues.tx.attach_device(handle));
        for (lane, queues) in self.lanes().iter().zip(queues) {
            if let Err(error) = pool.attach(lane.worker, lane.key, queues) {
                // The queues are with the workers, or gone: the device closes when they are.
                return (State::Closed(error.to_string()), Err(self.closed(&error.to_string())));
            }
        }
        (State::Running(port), Ok(()))
    }

    /// Stops the port for good, and closes its device.
    pub(super) fn close(&self, pool: &Pool<Rx, Tx>) {
        let mut state = self.state();
        let before = std::mem::replace(&mut *state, State::Closed("the gateway is stopping".to_owned()));
        // Queues that the worker does not give back end with it, and the device with them.
        drop(self.halted(before, pool));
    }

    /// Tells of a device that has come back as another: the network knows the port by the address that it began with.
    fn compare_mac(&self, now: MacAddr) {
        let Facts { plan, mac, .. } = &self.facts;
        if plan.mac.is_none() && now.is_station() && now != *mac {
            tracing::warn!("port {}: its device has the address {now} now, and the port keeps {mac}", plan.name);
        }
    }
}
