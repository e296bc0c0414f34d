//! What a broker is started with.

use std::path::PathBuf;

use super::access_list::FlowRule;
use crate::{CONSUMERS_MAX, PagePolicy};

/// A broker's socket, who may use it, and its bounds.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where the socket stands. `<socket>.lock` beside it keeps a second instance out.
    pub socket: PathBuf,
    /// Folder of the records by which the next broker takes over pods' rings; made if it is missing. None: no record is
    /// kept, and pods' rings end with this broker.
    pub records: Option<PathBuf>,
    /// Permission bits of the socket, such as 0o660.
    pub mode: u32,
    /// Group of the socket: a name of /etc/group, or a number. None leaves the process's own.
    pub group: Option<String>,
    /// Users who may connect; empty: whoever the mode lets in.
    pub uids: Vec<u32>,
    /// Pages of the rings.
    pub page_policy: PagePolicy,
    /// Slots of a ring whose maker does not say.
    pub default_slots: u16,
    /// Who may read and produce which flows, in order; none: whoever connects may all.
    pub rules: Vec<FlowRule>,
    /// What pods may take at most.
    pub limits: Limits,
    /// Octets of data regions that are kept ready, one of each: a ring of exactly that size takes no time to fault in. For
    /// video that is slots × octets of a frame, rounded up to 2 MiB ([`crate::Geometry::data_octets`]).
    pub spares: Vec<u64>,
    /// How often the waker of this process looks while a consumer of one of its flows sleeps, µs; at least 10.
    pub wake_period_us: u32,
}

impl BrokerConfig {
    /// A socket at `socket` for its owner and group, records in `<socket>.rings`, 8 slots a ring.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        let mut records = socket.clone().into_os_string();
        records.push(".rings");
        Self {
            socket,
            records: Some(records.into()),
            mode: 0o660,
            group: None,
            uids: Vec::new(),
            page_policy: PagePolicy::default(),
            default_slots: 8,
            rules: Vec::new(),
            limits: Limits::default(),
            spares: Vec::new(),
            wake_period_us: 30,
        }
    }
}

/// What pods may take at most. Each is refused with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections. A pod has one for its session and one for each flow that it produces.
    pub connections: u32,
    /// Connections of one user.
    pub connections_per_uid: u32,
    /// Requests of one connection that wait for their answers.
    pub requests: u32,
    /// Flows of pods; the gateway's own do not count.
    pub flows: u32,
    /// Flows that one connection produces.
    pub flows_per_connection: u32,
    /// Octets of one pod-produced ring.
    pub ring_octets: u64,
    /// Octets of all pod-produced rings, those too that some process still has after their flows have ended.
    pub pod_octets: u64,
    /// The same of one user.
    pub octets_per_uid: u64,
    /// Flows that one user produces, those too whose rings some process still has.
    pub flows_per_uid: u32,
    /// Slots of one ring that one user's consumers may hold: K + 1 each, in quarantine or not.
    pub slots_per_uid: u32,
    /// Consumers of one flow that are of one user; the gateway's own do not count.
    pub consumers_per_uid: u32,
    /// How long a writer may take to let a consumer in, ms.
    pub join_ms: u32,
    /// How long a producer may take to map its ring, ms; as long for the first message on a connection.
    pub answer_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_uid: 128,
            requests: 16,
            flows: 256,
            flows_per_connection: 8,
            ring_octets: 1 << 30,
            pod_octets: 4 << 30,
            octets_per_uid: 2 << 30,
            flows_per_uid: 64,
            slots_per_uid: 256,
            consumers_per_uid: u32::from(CONSUMERS_MAX) / 2,
            join_ms: 2000,
            answer_ms: 10_000,
        }
    }
}
