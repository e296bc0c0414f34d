//! Ports that go over from one worker to another, with everything that is served on them, as it is.
//!
//! Receive queues with their receivers and relays, transmit queues with their senders and forwarders: open grains, reorder
//! windows, backlogs and what waits for a queue go along. What comes in meanwhile waits in the devices; nothing is lost for
//! as long as these hold it. A convoy is made by the gateway, with room for all that a worker may serve; one worker loads it
//! ([`crate::Command::Depart`]), the other unloads it ([`crate::Command::Arrive`]), both in a turn, and neither allocates.

use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use crate::forwarder::Serving;
use crate::input::Input;
use crate::key::{InputKey, OutputIndex};
use crate::limits::WORKER_LIMIT;
use crate::output::Output;
use crate::port::PortKey;
use crate::relay::Relay;
use crate::sender::Sender;
use crate::steered::SteeredReceiver;

/// Ports on their way.
pub struct Convoy<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    pub(crate) ports: Vec<PortKey>,
    pub(crate) inputs: Vec<Box<Input<R>>>,
    /// In the order of the ports; vacant ones while it is empty.
    pub(crate) outputs: Vec<Output<T>>,
    pub(crate) receivers: Vec<Box<SteeredReceiver<R::Buf>>>,
    #[expect(clippy::vec_box, reason = "a worker has them in boxes: none is taken out of its own")]
    pub(crate) relays: Vec<Box<Relay<R::Buf>>>,
    pub(crate) senders: Vec<Box<Sender<T>>>,
    pub(crate) forwarders: Vec<Serving<T::Buf>>,
}

/// What goes along with ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Receivers and relays.
    pub receivers: usize,
    /// Senders and forwarders.
    pub senders: usize,
}

/// Why ports do not leave their worker. It serves them as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DepartureRefusal {
    /// One of them is not this worker's, or has not got its queues.
    #[error("the worker does not serve this port")]
    NoPort,
    /// What is heard there is heard on this input too: both go, or none.
    #[error("a stream comes in by this port and by another one")]
    BoundToInput(InputKey),
    /// What is sent there is sent by this output too.
    #[error("a stream goes out by this port and by another one, or comes in by the one and goes out by the other")]
    BoundToOutput(OutputIndex),
}

/// What a worker has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalRefusal {
    /// Receive queues.
    #[error("the worker polls as many receive queues as it can")]
    Inputs,
    /// Transmit queues.
    #[error("the worker has no place for another transmit queue")]
    Outputs,
    /// Receivers.
    #[error("{WORKER_LIMIT} receivers fit on one worker")]
    Receivers,
    /// Relays.
    #[error("{WORKER_LIMIT} relays fit on one worker")]
    Relays,
    /// Senders.
    #[error("{WORKER_LIMIT} senders fit on one worker")]
    Senders,
    /// Forwarders.
    #[error("{WORKER_LIMIT} senders that forward fit on one worker")]
    Forwarders,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Convoy<R, T> {
    /// For these ports, each under the name that it has on the worker that it leaves.
    #[must_use]
    pub fn new(ports: Vec<PortKey>) -> Box<Self> {
        Box::new(Self {
            inputs: Vec::with_capacity(ports.len()),
            outputs: ports.iter().map(|_| Output::vacant()).collect(),
            receivers: Vec::with_capacity(WORKER_LIMIT),
            relays: Vec::with_capacity(WORKER_LIMIT),
            senders: Vec::with_capacity(WORKER_LIMIT),
            forwarders: Vec::with_capacity(WORKER_LIMIT),
            ports,
        })
    }

    /// The ports, under the names that they have on the worker that has them, or had them last.
    #[must_use]
    pub fn ports(&self) -> &[PortKey] {
        &self.ports
    }

    /// What goes along.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            receivers: self.receivers.len() + self.relays.len(),
            senders: self.senders.len() + self.forwarders.len(),
        }
    }

    pub(crate) fn has_input(&self, input: InputKey) -> bool {
        self.ports.iter().any(|port| port.input == Some(input))
    }

    /// Whether the output at this place is one of its ports'.
    pub(crate) fn has_output(&self, place: usize) -> bool {
        self.ports.iter().any(|port| usize::from(port.output.0) == place)
    }

    /// What was loaded from the output at `before` leaves by another one now.
    pub(crate) fn renumber(&mut self, before: &[OutputIndex], now: &[OutputIndex]) {
        let renumbered = |output: OutputIndex| {
            let at = before.iter().position(|before| *before == output);
            at.and_then(|at| now.get(at).copied()).unwrap_or(output)
        };
        self.senders.iter_mut().for_each(|sender| sender.renumber(renumbered));
        self.forwarders.iter_mut().for_each(|serving| serving.forwarder.renumber(renumbered));
    }
}
