//! What the gateway shows of its broker: flows, consumers, counters and events.

use std::sync::Arc;

use media::{FlowFormat, FlowId, GrainIndex, Name};

use crate::protocol::{Blocking, FlowOrigin, Refusal};
use crate::{ConsumerClass, Fallback, Pages, WakeMode, WriterCounters};

/// Something that happened to the list of flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowEvent {
    /// A flow exists: it can be subscribed to.
    Added {
        /// Its name.
        name: Name,
    },
    /// A flow goes on in another epoch: who reads the old one should subscribe again.
    Succeeded {
        /// Its name.
        name: Name,
    },
    /// A flow is gone, or its producer is.
    Removed {
        /// Its name.
        name: Name,
    },
    /// A pod has brought a ring that outlived an earlier gateway, and it is not taken over: the flow goes on between its
    /// pods alone. Of one user at most 64 a minute, each ring and reason once.
    NotAdopted {
        /// Its name, as that pod says.
        name: Name,
        /// Whose pod it is.
        uid: u32,
        /// Why not.
        refusal: Refusal,
    },
    /// Hugepages were wanted for a flow and it has plain pages. To be said loudly.
    PlainPages {
        /// Its name.
        name: Name,
        /// Who produces it.
        origin: FlowOrigin,
        /// Why, and how many pages it would have taken.
        fallback: Fallback,
    },
    /// This kernel does not tell of memory on such pages who has it: what processes keep of pods' rings that have ended
    /// counts against nobody.
    Unaccounted {
        /// Which.
        pages: Pages,
    },
}

/// What an epoch is to its flow's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The name stands for it: it is what is listed and subscribed to.
    Current,
    /// It succeeds the current one, as soon as their producer's writer goes over.
    Waiting,
    /// Its writer has gone over to a later one: it is only read to its end.
    Concluded,
}

/// One flow as it stands.
#[derive(Clone, Debug)]
pub struct FlowSnapshot {
    /// Its name.
    pub name: Name,
    /// Its identifier.
    pub id: FlowId,
    /// What is in its grains.
    pub format: FlowFormat,
    /// Who produces it.
    pub origin: FlowOrigin,
    /// Its set of memfds.
    pub epoch: u128,
    /// What it is to its name.
    pub standing: Standing,
    /// It outlived an earlier broker: no device reaches its memory.
    pub adopted: bool,
    /// Slots of its ring.
    pub slots: u16,
    /// Grains that may be open at a time.
    pub open_max: u16,
    /// What backs its data.
    pub pages: Pages,
    /// The newest grain that was begun, as the ring says; a pod's ring may say anything.
    pub newest: Option<GrainIndex>,
    /// Whether consumers may block its writer.
    pub blocking: Blocking,
    /// Who wakes its consumers.
    pub wake: WakeMode,
    /// Consumers that its writer has evicted.
    pub evictions: u64,
    /// Its consumers, by number.
    pub consumers: Vec<ConsumerSnapshot>,
    /// Its writer's counters; none of a pod's.
    pub counters: Option<Arc<WriterCounters>>,
}

/// One consumer as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSnapshot {
    /// Its number in the ring.
    pub number: u8,
    /// Who it is.
    pub holder: ConsumerHolder,
    /// Leased or lossy.
    pub class: ConsumerClass,
    /// Where it stands.
    pub state: ConsumerState,
    /// Grains from its cursor to the newest one, where it is leased and reads.
    pub lag: Option<u64>,
    /// Slots that the writer keeps for it while it reads, as ring and lease page say.
    pub held: u64,
    /// Slots that the writer keeps since it evicted this consumer, until that acknowledges or is gone. Exact for a flow
    /// without holes in its indices; where there are holes it may be less.
    pub quarantined: u64,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerHolder {
    /// This process.
    Gateway,
    /// A pod.
    Pod {
        /// Its user.
        uid: u32,
        /// Its process, where the kernel can say.
        pid: Option<u32>,
    },
    /// A pod that an earlier broker let in: nobody knows which.
    Outlived,
}

impl ConsumerHolder {
    /// The process of a pod, where the kernel can say.
    #[must_use]
    pub const fn pid(self) -> Option<u32> {
        match self {
            Self::Pod { pid, .. } => pid,
            Self::Gateway | Self::Outlived => None,
        }
    }
}

/// Where a consumer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// The writer has not taken it in yet.
    Joining,
    /// It reads.
    Live {
        /// From this grain on.
        first: GrainIndex,
    },
    /// It was too slow; its slots are quarantined until it acknowledges or is gone.
    Evicted {
        /// The first grain that is not its own any more.
        end: GrainIndex,
    },
    /// It is gone; the writer has not released its slots yet.
    Leaving,
}

/// What the broker has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerCounters {
    /// Connections accepted.
    pub connections: u64,
    /// Requests and connections refused.
    pub refused: u64,
    /// Connections closed because of what the pod sent.
    pub protocol_errors: u64,
    /// Connections closed because the pod did not read its answers.
    pub stuck: u64,
    /// Connections closed because the pod did not say in time what it had to.
    pub silent: u64,
    /// Connections that could not be accepted for want of descriptors.
    pub accept_errors: u64,
    /// Flows of pods that outlived an earlier broker and were taken over.
    pub adopted: u64,
    /// Flows that pods brought and that were not taken over.
    pub adoptions_refused: u64,
    /// Files among the records that were none, or not this user's alone.
    pub records_ignored: u64,
    /// Records that could not be written: those flows will end with this broker.
    pub records_failed: u64,
    /// Consumers let in.
    pub joined: u64,
    /// Consumers evicted.
    pub evicted: u64,
    /// Consumers whose slots came free again.
    pub released: u64,
    /// Regions that were spare ones.
    pub spares_taken: u64,
    /// How often a spare region could not be made.
    pub spares_failed: u64,
    /// Spare regions that are there now.
    pub spares_ready: u64,
}

impl BrokerCounters {
    /// Each with its name.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        // Without `..`: a new one is not forgotten here.
        let Self {
            connections,
            refused,
            protocol_errors,
            stuck,
            silent,
            accept_errors,
            adopted,
            adoptions_refused,
            records_ignored,
            records_failed,
            joined,
            evicted,
            released,
            spares_taken,
            spares_failed,
            spares_ready,
        } = *self;
        vec![
            ("connections", connections),
            ("refused", refused),
            ("protocol_errors", protocol_errors),
            ("stuck", stuck),
            ("silent", silent),
            ("accept_errors", accept_errors),
            ("adopted", adopted),
            ("adoptions_refused", adoptions_refused),
            ("records_ignored", records_ignored),
            ("records_failed", records_failed),
            ("joined", joined),
            ("evicted", evicted),
            ("released", released),
            ("spares_taken", spares_taken),
            ("spares_failed", spares_failed),
            ("spares_ready", spares_ready),
        ]
    }
}
