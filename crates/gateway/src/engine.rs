//! The seam between the data plane and what moves packets.
//!
//! An engine has workers of one kind and the queues that they poll: sockets of the kernel ([`KernelEngine`]), or the
//! ports of devices that the gateway drives itself. Behind it everything is monomorphic, so that no packet goes
//! through a `dyn`; this trait is called when an operator changes something, and when somebody asks for status.
//!
//! How a further engine is made:
//! * It holds a [`Pool`](crate::pool::Pool) of its own queue types. The pool's seats carry the transmit queues of each
//!   worker, its start hook runs on each worker's thread (to register it with a runtime, say) and what the hook
//!   returns lives until the worker and its queues are gone.
//! * A port's receive queue becomes a [`worker::Input::shared`], and receivers are added to it as they come. Its two
//!   queues are one [`worker::PortKey`]: `Pool::detach` gives both back for a restart, `Pool::attach` goes on. Further
//!   workers may send by it, each by a queue and under a key of its own.
//! * It remembers by key what it serves, and where: the data plane names receivers and senders by their keys only.
//! * [`Engine::ports`] is what placing goes by: a receiver or sender reaches this engine when it names one of these
//!   ports as its interface, has one of their addresses, or sends into one of their networks.

mod change;
#[cfg(feature = "dpdk")]
pub mod dpdk;
mod forwarders;
mod kernel;
mod order;
#[cfg(test)]
pub(crate) mod recording;
mod relaying;
mod way;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use control::{DataplaneError, PortStatus, SenderSpec, WorkerStatus};
use ip::MacAddr;
use media::Name;
use netio::capture::CaptureTap;
use netio::injection::InjectionTap;
use worker::{HeardLegCounters, ReceiverCounters, ReceiverKey, SenderCounters, SenderKey, Source};

use crate::loss::Reception;
pub use change::{ChangeError, Stands};
pub use kernel::{KernelEngine, KernelSettings};
pub use order::{ReceiverOrder, SenderOrder, sender_path};
pub use relaying::{RelayOrder, Relaying};
pub use way::{Way, admitted};

/// A port of an engine, as far as placing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnginePort {
    /// What operators call it; given as an interface it places a receiver or sender here.
    pub name: Name,
    /// Its addresses and their networks.
    pub network: ip::Network,
}

/// A receiver that an engine serves.
#[derive(Clone, Debug)]
pub struct Receiving {
    /// Its counters.
    pub counters: Arc<ReceiverCounters>,
    /// What each of its legs brings; empty where there is one only.
    pub legs: Vec<Arc<HeardLegCounters>>,
    /// What status should warn of as long as it is there.
    pub warning: Option<String>,
}

/// What an engine serves, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKey {
    /// A receiver.
    Receiver(ReceiverKey),
    /// A sender.
    Sender(SenderKey),
    /// A relay.
    Relay(ReceiverKey),
}

/// Where frames are injected into a port.
#[derive(Clone, Debug)]
pub struct Inlet {
    /// Turns it on and off.
    pub tap: Arc<InjectionTap>,
    /// The port's link address.
    pub mac: MacAddr,
    /// Octets of the longest frame that it receives.
    pub frame_octets: u16,
}

/// Where a sender's packets come from, for its SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderIdentity {
    /// The address that they carry: receivers filter by it.
    pub address: IpAddr,
    /// The MAC that names this host's own clock (RFC 7273 §4.9).
    pub mac: [u8; 6],
}

/// What moves packets for the data plane. Control path only: calls may block for as long as a worker takes to
/// answer. Those that change something come one at a time. Those that tell come at any time and answer at once: what
/// a device is slow to say has been asked before.
pub trait Engine: Send + Sync {
    /// The ports that receivers and senders can be placed on. Those of the kernel are not told: what no other engine
    /// has is the kernel's.
    fn ports(&self) -> Vec<EnginePort>;

    /// Receives into the order's flow from now on.
    ///
    /// # Errors
    /// Why it cannot be received; the writer is dropped then, and nothing is left.
    fn add_receiver(&self, order: ReceiverOrder<'_>) -> Result<Receiving, DataplaneError>;

    /// Receives no longer; the flow's writer ends here, off the worker. Unknown keys are none of an error.
    ///
    /// # Errors
    /// No answer from the worker: it may still receive.
    fn remove_receiver(&self, key: ReceiverKey) -> Result<(), DataplaneError>;

    /// What its queue and its worker say of the losses of a receiver or a relay; `None` for unknown keys.
    fn reception(&self, key: ReceiverKey) -> Option<Reception>;

    /// The same of each leg, in their order, where there are several.
    fn leg_receptions(&self, _key: ReceiverKey) -> Vec<Reception> {
        Vec::new()
    }

    /// Makes a sender, which sends nothing until it is connected.
    ///
    /// # Errors
    /// Why nothing can be sent there.
    fn add_sender(&self, order: &SenderOrder<'_>) -> Result<Arc<SenderCounters>, DataplaneError>;

    /// Ends a sender, and gives back what it holds. Unknown keys are none of an error.
    ///
    /// # Errors
    /// No answer from the worker: it may still send.
    fn remove_sender(&self, key: SenderKey) -> Result<(), DataplaneError>;

    /// Takes a source to a sender, or none, at its next grain boundary.
    ///
    /// # Errors
    /// No answer from the worker; the source is dropped.
    fn connect(&self, key: SenderKey, source: Option<Box<Source>>) -> Result<(), DataplaneError>;

    /// The worker that serves a receiver, sender or relay; `None` for unknown keys, and where its port says it.
    fn worker_of(&self, _stream: StreamKey) -> Option<String> {
        None
    }

    /// Gives a receiver, sender or relay to another worker, by its name or number. A receiver loses nothing: its socket, its open
    /// grain and its reorder window go along. A sender goes between two grains. A relay's senders go along.
    ///
    /// # Errors
    /// No such worker, it has no room, or the queues cannot move; how the stream stands.
    fn move_to(&self, _stream: StreamKey, _worker: &str) -> Result<(), ChangeError> {
        Err(ChangeError::as_before(DataplaneError::Unsupported {
            what: "moving what is on a port".to_owned(),
            remedy: "a port has one queue each way, and one worker owns both: give the port another core".to_owned(),
        }))
    }

    /// Gives a port of this engine to another worker, by its name or number, with everything that comes in and leaves by
    /// it, and the ports that share streams with it. Nothing is lost: all of it goes as it is. The data plane asks the
    /// engine that told of the port.
    ///
    /// # Errors
    /// No such worker, it has no room, or the port is stopped; all goes on as before.
    fn move_port(&self, port: &Name, worker: &str) -> Result<(), DataplaneError> {
        Err(DataplaneError::Unsupported {
            what: format!("moving port {port} to worker {worker:?}"),
            remedy: "only ports that DPDK drives move".to_owned(),
        })
    }

    /// Relays what comes in from now on, to no sender yet.
    ///
    /// # Errors
    /// Why it cannot be received.
    fn add_relay(&self, order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        Err(DataplaneError::Unsupported {
            what: format!("relaying what comes to {}", order.spec.listen),
            remedy: "receive it, where it is uncompressed video".to_owned(),
        })
    }

    /// Relays no longer; senders that forward it wait. Unknown keys are none of an error.
    ///
    /// # Errors
    /// No answer from the worker: it may still relay.
    fn remove_relay(&self, _key: ReceiverKey) -> Result<(), DataplaneError> {
        Ok(())
    }

    /// Has a sender forward a relay of this engine from its next picture on, or none: then it can be connected again. What
    /// it does already is no error.
    ///
    /// # Errors
    /// The sender does not send where the relay's worker does, its path cannot be opened there, or no answer from a
    /// worker; how the sender stands.
    fn forward(&self, _key: SenderKey, _relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        Ok(())
    }

    /// Where the packets of such a sender come from; `port` is where it was placed.
    fn identity(&self, spec: &SenderSpec, port: Option<&Name>) -> SenderIdentity;

    /// Stops a port and starts it again. Its receivers and senders stay, and go on when it is up. The data plane asks
    /// the engine that told of the port.
    ///
    /// # Errors
    /// The device does not stop or start: what was asked, and what would help.
    fn restart_port(&self, port: &Name) -> Result<(), DataplaneError>;

    /// What captures a port of this engine; `None` for those of others, and where the kernel's own tools do it.
    fn capture_tap(&self, port: &Name) -> Option<Arc<CaptureTap>> {
        let _ = port;
        None
    }

    /// Where frames are injected into a port of this engine; `None` for those of others.
    fn inlet(&self, port: &Name) -> Option<Inlet> {
        let _ = port;
        None
    }

    /// The ports as they are now, with what they counted, in the order of [`Self::ports`].
    fn port_status(&self) -> Vec<PortStatus>;

    /// Looks whether the workers turn, and logs what an operator should hear. Some times a second.
    fn look(&self, now: Instant);

    /// The workers as they are now.
    fn workers(&self) -> Vec<WorkerStatus>;

    /// Whether a worker has ended although nobody stopped it.
    fn has_failed(&self) -> bool;

    /// Stops the workers and closes the ports; the receivers and senders have been removed. Waits until that is done.
    fn stop(&self);
}
