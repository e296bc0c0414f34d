//! The sockets of a receiver or a relay: one for each way.

use std::sync::Arc;
use std::time::Duration;

use control::DataplaneError;
use media::Name;
use netio::KernelRxConfig;
use worker::{Input, InputCounters, InputKey, Leg, PulseCounters, ReceiverKey};

use super::{RECEIVE_BUFFER_OCTETS, Rx};
use crate::clock::TaiClock;
use crate::engine::Way;
use crate::loss::Reception;
use crate::pool::{Pool, WorkerIndex};

/// What tells the input of a second way from that of the first.
const SECOND: u64 = 1 << 63;

/// The inputs of a receiver or a relay of so many ways: they are its own, and have its number.
pub(super) fn inputs_of(key: ReceiverKey, ways: usize) -> impl Iterator<Item = InputKey> {
    [InputKey(key.0), InputKey(key.0 | SECOND)].into_iter().take(ways)
}

/// What is known of a socket that a worker polls.
#[derive(Clone)]
pub(super) struct SeenSocket {
    pub(super) counters: Arc<InputCounters>,
    /// How long its buffer takes what nobody reads.
    pub(super) holds_nanos: u64,
}

impl SeenSocket {
    /// What it says of losses, where the worker of this pulse polls it.
    pub(super) fn reception(&self, pulse: &Arc<PulseCounters>) -> Reception {
        Reception {
            pulse: Arc::clone(pulse),
            holds_nanos: self.holds_nanos,
            dropped: Some(self.counters.packets_dropped.value()),
            without_buffer: self.counters.packets_without_buffer.value(),
        }
    }
}

/// Sockets that no worker polls yet.
pub(super) struct Sockets {
    inputs: Vec<Input<Rx>>,
    pub(super) legs: Vec<Leg>,
    /// What is seen of each from here, once it is a worker's.
    pub(super) seen: Vec<SeenSocket>,
    pub(super) warning: Option<String>,
}

impl Sockets {
    /// Opens a socket for each way, with a buffer in the kernel of the asked octets, and room for so many packets. `holds_nanos`
    /// says how long a buffer of so many octets takes what comes.
    pub(super) fn open(
        name: &Name,
        key: ReceiverKey,
        ways: &[Way<'_>],
        (receive_buffer_octets, buffers): (Option<u32>, usize),
        holds_nanos: &dyn Fn(usize) -> u64,
        clock: &TaiClock,
    ) -> Result<Self, DataplaneError> {
        let (inputs, legs, seen) = (Vec::new(), Vec::new(), Vec::new());
        let mut sockets = Self { inputs, legs, seen, warning: None };
        for (way, input) in ways.iter().zip(inputs_of(key, ways.len())) {
            let config = KernelRxConfig {
                destination: way.destination,
                interface: way.interface.map(str::to_owned),
                sources: way.sources.to_vec(),
                receive_buffer_octets: receive_buffer_octets.unwrap_or(RECEIVE_BUFFER_OCTETS) as usize,
                buffers,
            };
            let refused = |error| DataplaneError::PacketIo(Box::new(error));
            let queue = Rx::open(&config, clock.clone()).map_err(refused)?;
            let buffer = queue.receive_buffer();
            if buffer.is_short() {
                sockets.warning = Some(format!("{name}: {buffer}"));
            }
            let holds_nanos = holds_nanos(buffer.granted_octets);
            let queue = queue.left_alone_for(Duration::from_nanos(holds_nanos / 2));
            sockets.legs.push(Leg { input, destination: queue.local_addr() });
            let input = Input::private(input, queue);
            sockets.seen.push(SeenSocket { counters: input.counters(), holds_nanos });
            sockets.inputs.push(input);
        }
        Ok(sockets)
    }

    /// Gives them to a worker.
    ///
    /// # Errors
    /// It has no room for all, or does not answer; then it has none.
    pub(super) fn seat<T>(&mut self, pool: &Pool<Rx, T>, worker: WorkerIndex) -> Result<(), DataplaneError>
    where
        T: netio::TxQueue<Lease = shm::GrainLease>,
    {
        for (at, input) in self.inputs.drain(..).enumerate() {
            if let Err(refused) = pool.add_input(worker, Box::new(input)) {
                unseat(pool, worker, self.legs[..at].iter().map(|leg| leg.input))?;
                return Err(refused.cause);
            }
        }
        Ok(())
    }
}

/// Takes inputs back from a worker; the sockets close here, off the worker.
pub(super) fn unseat<T>(
    pool: &Pool<Rx, T>,
    worker: WorkerIndex,
    inputs: impl Iterator<Item = InputKey>,
) -> Result<(), DataplaneError>
where
    T: netio::TxQueue<Lease = shm::GrainLease>,
{
    for input in inputs {
        drop(pool.remove_input(worker, input)?);
    }
    Ok(())
}
