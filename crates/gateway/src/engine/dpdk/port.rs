//! A port that a worker serves: stopped, started again, and looked at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk::capabilities::Capabilities;
use dpdk::counters::PortCounters;
use dpdk::port::{Port, PortQueues, Started, Stopped};
use dpdk::sizing::Sizing;
use dpdk::tx::Reads;
use ip::MacAddr;
use netio::TxQueue;
use netio::capture::CaptureTap;
use worker::{InputCounters, OutputCounters, PortKey, PulseCounters, QueuePair};

use super::error::RestartError;
use super::seen::Seen;
use super::{Rx, Tx};
use crate::loss::Reception;
use crate::pool::{Pool, WorkerIndex};
use crate::port_plan::PortPlan;

/// What is known of a port since it was opened.
pub(super) struct Facts {
    pub(super) plan: PortPlan,
    pub(super) sizing: Sizing,
    pub(super) mac: MacAddr,
    pub(super) capabilities: Capabilities,
    pub(super) reads: Reads,
    pub(super) counters: Arc<PortCounters>,
    /// Captures what passes.
    pub(super) tap: Arc<CaptureTap>,
}

impl Facts {
    /// How long the device takes packets that nobody fetches, at the rate that it is sized for.
    pub(super) fn holds_nanos(&self) -> u64 {
        let packets = self.sizing.packet_ring.map_or(u64::from(self.sizing.rx_descriptors), |ring| ring.frames.into());
        packets * 1_000_000_000 / u64::from(self.sizing.demand.packets_per_second.max(1))
    }
}

/// A port, its worker, and the state that it is in.
pub(super) struct ServedPort {
    pub(super) facts: Facts,
    pub(super) worker: WorkerIndex,
    /// Of that worker.
    pub(super) pulse: Arc<PulseCounters>,
    pub(super) key: PortKey,
    pub(super) input: Arc<InputCounters>,
    pub(super) output: Arc<OutputCounters>,
    pub(super) restarts: AtomicU64,
    pub(super) restart_failures: AtomicU64,
    pub(super) seen: Mutex<Seen>,
    pub(super) state: Mutex<State>,
}

/// Where the device and its queues are. What stops is dropped in the order of the fields: the queues first.
pub(super) enum State {
    /// The worker has the queues.
    Running(Port<Started>),
    /// They are here, and wait for the next start.
    Stopped { queues: QueuePair<Rx, Tx>, port: Port<Stopped>, why: String },
    /// The queues are gone, and the port with them.
    Closed(String),
}

impl ServedPort {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its receive queue and its worker say. The counts are those of the last look at the device.
    pub(super) fn reception(&self) -> Reception {
        let seen = self.seen();
        let without_buffer = seen.counter("device_rx_no_buffers");
        // net_af_packet counts nothing that its ring has lost.
        let is_counting = self.facts.sizing.packet_ring.is_none();
        let dropped = seen.counter("device_rx_missed_packets").saturating_add(without_buffer);
        drop(seen);
        Reception {
            pulse: Arc::clone(&self.pulse),
            holds_nanos: self.facts.holds_nanos(),
            dropped: is_counting.then_some(dropped),
            without_buffer: without_buffer.saturating_add(self.facts.counters.rx.no_mbufs.value()),
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

    /// Takes the queues from the worker, and stops the device. What runs still afterwards could not be stopped.
    pub(super) fn halted(&self, before: State, pool: &Pool<Rx, Tx>) -> State {
        let State::Running(port) = before else { return before };
        let mut queues = match pool.detach(self.worker, self.key) {
            Ok(queues) => queues,
            Err(error) => {
                tracing::warn!("port {}: {error}", self.facts.plan.name);
                return State::Running(port);
            }
        };
        let handles = queues.rx.detach_device().zip(queues.tx.detach_device());
        let Some((rx, tx)) = handles else { return State::Closed("its queues had lost their device".to_owned()) };
        let (port, why) = match port.stop(PortQueues { rx, tx }) {
            Ok(port) => (port, String::new()),
            Err(refused) => {
                tracing::warn!("port {}: {}", self.facts.plan.name, refused.error);
                (refused.port, refused.error.to_string())
            }
        };
        // The device has given back all that it had: the leases end here.
        queues.tx.reap();
        State::Stopped { port, queues, why }
    }

    /// Starts the device, and gives the worker its queues.
    fn started(
        &self,
        port: Port<Stopped>,
        mut queues: QueuePair<Rx, Tx>,
        pool: &Pool<Rx, Tx>,
    ) -> (State, Result<(), RestartError>) {
        let (port, handles) = match port.start() {
            Ok(started) => started,
            Err(refused) => {
                let cause = refused.error.to_string();
                let error = RestartError::Stopped { port: self.facts.plan.name.clone(), cause: cause.clone() };
                return (State::Stopped { port: refused.port, queues, why: cause }, Err(error));
            }
        };
        self.compare_mac(port.mac());
        queues.rx.attach_device(handles.rx);
        queues.tx.attach_device(handles.tx);
        match pool.attach(self.worker, self.key, queues) {
            Ok(()) => (State::Running(port), Ok(())),
            // The queues are with the worker, or gone: the device closes when they are.
            Err(error) => (State::Closed(error.to_string()), Err(self.closed(&error.to_string()))),
        }
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
