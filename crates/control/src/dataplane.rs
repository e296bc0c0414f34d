//! The seam to what moves packets: the gateway, and the `recording` one in tests.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use media::Name;

use crate::{
    Archive, ConsumerStatus, CrosspointTable, FlowStanding, FlowStatus, NodeStatus, ReceiverSpec, ReceiverStatus,
    RelaySpec, RelayStatus, SenderSpec, SenderStatus,
};

/// What moves packets, as control sees it.
///
/// Calls that change something come one at a time, never from a worker's thread, and may block; those that
/// report come at any time and answer at once. An error leaves the data plane as it was.
pub trait Dataplane: Archive + Send + Sync + 'static {
    /// Starts to receive, and makes the flow of that name.
    ///
    /// # Errors
    /// Why this machine cannot do it now.
    fn add_receiver(&self, spec: &ReceiverSpec) -> Result<(), DataplaneError>;

    /// Stops receiving, and ends the flow.
    ///
    /// # Errors
    /// Why it cannot be stopped now.
    fn remove_receiver(&self, name: &Name) -> Result<(), DataplaneError>;

    /// Makes a sender; it sends nothing until a table gives it a flow.
    ///
    /// # Errors
    /// Why this machine cannot do it now.
    fn add_sender(&self, spec: &SenderSpec) -> Result<(), DataplaneError>;

    /// Stops and removes a sender.
    ///
    /// # Errors
    /// Why it cannot be stopped now.
    fn remove_sender(&self, name: &Name) -> Result<(), DataplaneError>;

    /// Relays a stream from now on, to no sender yet.
    ///
    /// # Errors
    /// Why this machine cannot do it now.
    fn add_relay(&self, spec: &RelaySpec) -> Result<(), DataplaneError> {
        Err(DataplaneError::Unsupported {
            what: format!("relaying what comes to {}", spec.listen),
            remedy: "receive it, where it is uncompressed video".to_owned(),
        })
    }

    /// Relays a stream no longer; its senders wait.
    ///
    /// # Errors
    /// Why it cannot be stopped now.
    fn remove_relay(&self, _name: &Name) -> Result<(), DataplaneError> {
        Ok(())
    }

    /// All relays.
    fn relays(&self) -> Vec<RelayStatus> {
        Vec::new()
    }

    /// Connects senders and flows as the table says. Flows that are absent are waited for.
    ///
    /// # Errors
    /// Why the table cannot be applied now; the one before stays.
    fn apply(&self, table: &CrosspointTable) -> Result<(), DataplaneError>;

    /// All flows of the node, those of pods too.
    fn flows(&self) -> Vec<FlowStatus>;

    /// Has the writer of the ring that `flow` stands for now evict a consumer, which it does soon. Says who that is.
    ///
    /// # Errors
    /// [`DataplaneError::NoConsumer`], or why it cannot be evicted now.
    fn evict(&self, flow: &Name, seat: u8) -> Result<ConsumerStatus, DataplaneError>;

    /// Gives a receiver, sender or relay, or all of a port, to another worker, by its name or number; nothing is lost by it.
    ///
    /// # Errors
    /// No such worker or port, it has no room, or what it receives or sends by cannot move.
    fn move_stream(&self, stream: &StreamName, worker: &str) -> Result<(), DataplaneError> {
        let what = format!("moving {stream} to worker {worker:?}");
        Err(DataplaneError::Unsupported { what, remedy: "this gateway has one worker".to_owned() })
    }

    /// All receivers.
    fn receivers(&self) -> Vec<ReceiverStatus>;

    /// All senders.
    fn senders(&self) -> Vec<SenderStatus>;

    /// The node as a whole.
    fn node(&self) -> NodeStatus;

    /// Stops a port and starts it again; the streams on it go on.
    ///
    /// # Errors
    /// [`DataplaneError::NoPort`], or why it cannot be started now.
    fn restart_port(&self, name: &Name) -> Result<(), DataplaneError> {
        Err(DataplaneError::no_port(name, &self.node()))
    }
}

/// A receiver, a sender or a relay, or all of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamName {
    /// A receiver.
    Receiver(Name),
    /// A sender.
    Sender(Name),
    /// A relay, with the senders that forward it.
    Relay(Name),
    /// A port that the gateway drives, with all that comes in and leaves by it.
    Port(Name),
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receiver(name) => write!(f, "receiver {name}"),
            Self::Sender(name) => write!(f, "sender {name}"),
            Self::Relay(name) => write!(f, "relay {name}"),
            Self::Port(name) => write!(f, "port {name}"),
        }
    }
}

/// Why the data plane cannot do what it was told. Each says what would work.
#[derive(Debug, thiserror::Error)]
pub enum DataplaneError {
    /// No such network interface.
    #[error("there is no network interface \"{interface}\"; there are: {}", available.join(", "))]
    Interface {
        /// The name that was asked for.
        interface: String,
        /// The names that exist.
        available: Vec<String>,
    },
    /// An address that cannot be bound, joined or reached.
    #[error("{address} cannot be used: {cause}; {remedy}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: String,
        /// What would work.
        remedy: String,
    },
    /// The gateway may not do it.
    #[error("{what} is not permitted; {remedy}")]
    Permission {
        /// What it tried.
        what: String,
        /// What would work.
        remedy: String,
    },
    /// A limit, of the gateway or of the machine.
    #[error("{resource} is used up; {remedy}")]
    Exhausted {
        /// What there is no more of.
        resource: String,
        /// What would work.
        remedy: String,
    },
    /// Something that this gateway cannot do.
    #[error("{what} is not supported; {remedy}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What would work.
        remedy: String,
    },
    /// No such port.
    #[error("there is no port \"{name}\"; there are: {}", if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
    NoPort {
        /// The name that was asked for.
        name: Name,
        /// The names that exist.
        available: Vec<String>,
    },
    /// Nobody has that seat, or the ring is not there.
    #[error("seat {seat} of flow \"{flow}\" is nobody's; {}", seats(taken))]
    NoConsumer {
        /// The flow that was asked for.
        flow: Name,
        /// The seat that was asked for.
        seat: u8,
        /// The seats that are taken; none: there is no such flow.
        taken: Option<Vec<u8>>,
    },
    /// A consumer that cannot be evicted as things stand; the cause says what would work.
    #[error("{0}")]
    NotEvicted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A pod has made a flow of that name.
    #[error("a flow \"{name}\" is there already; choose another name or stop the pod that made it")]
    FlowExists {
        /// The name.
        name: Name,
    },
    /// A socket or device that cannot be opened as asked; the cause says what would work.
    #[error("{0}")]
    PacketIo(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The gateway is going down.
    #[error("the gateway is stopping; try again when it has started")]
    Stopping,
    /// The system refused something that should have worked.
    #[error("{what} failed: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// What would work instead of a seat that is nobody's.
fn seats(taken: &Option<Vec<u8>>) -> String {
    match taken.as_deref() {
        None => "there is no such flow: `flypack rings` shows those that there are".to_owned(),
        Some([]) => "nobody reads it".to_owned(),
        Some(seats) => {
            let seats: Vec<String> = seats.iter().map(u8::to_string).collect();
            format!("those taken are: {}", seats.join(", "))
        }
    }
}

impl DataplaneError {
    /// Nobody has that seat, as far as `flows` say.
    #[must_use]
    pub fn no_consumer(flow: &Name, seat: u8, flows: &[FlowStatus]) -> Self {
        let ring = flows.iter().find(|status| status.name == *flow && status.standing == FlowStanding::Current);
        let taken = ring.map(|ring| ring.consumers.iter().map(|consumer| consumer.seat).collect());
        Self::NoConsumer { flow: flow.clone(), seat, taken }
    }

    /// There is no port of that name on the node.
    #[must_use]
    pub fn no_port(name: &Name, node: &NodeStatus) -> Self {
        Self::NoPort { name: name.clone(), available: node.ports.iter().map(|port| port.name.clone()).collect() }
    }
}
