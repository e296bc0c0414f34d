//! Why the broker says no, with the numbers that say what would work.

use super::adoption_fault::AdoptionFault;
use super::flow_right::FlowRight;
use super::reason::Reason;
use super::wire::{DecodeError, Decoder, Encoder};

/// A refusal: what was asked, which limit it met, what would work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No common protocol version.
    #[error("the gateway speaks broker protocol {min} to {max}: use an SDK that does too")]
    Version {
        /// The broker's oldest.
        min: u16,
        /// The broker's newest.
        max: u16,
    },
    /// The uid list leaves this user out.
    #[error("user {uid} may not use this gateway: add it to `uids` in the gateway's configuration")]
    User {
        /// Who asked.
        uid: u32,
    },
    /// All connections are taken.
    #[error("the gateway serves {limit} connections at most: close some, or raise its limit")]
    Connections {
        /// The limit.
        limit: u32,
    },
    /// One user has too many connections.
    #[error("user {uid} has {limit} connections, the most that one user may have: close some")]
    UserConnections {
        /// Who asked.
        uid: u32,
        /// The limit.
        limit: u32,
    },
    /// Too many requests of this connection wait for their answers.
    #[error("{limit} requests wait for their answers, the most on one connection: wait for one of them")]
    Requests {
        /// The limit.
        limit: u32,
    },
    /// Too many flows.
    #[error("there are {limit} flows already, the most on one connection or gateway: withdraw one")]
    Flows {
        /// The limit.
        limit: u32,
    },
    /// The flow exists, or is being made.
    #[error("a flow of this name exists already: choose another name, or end that flow")]
    NameTaken,
    /// The name is that of another user's flow, whose producer has not found the restarted gateway yet.
    #[error(
        "this name is kept for the flow of another user, for a minute after the gateway's start: choose another, or ask then"
    )]
    NameKept,
    /// There is no such flow.
    #[error("there is no such flow: list the flows for those there are")]
    NoSuchFlow,
    /// The ring would be too large.
    #[error("the ring would take {octets} octets, more than the {limit} of one flow: ask for fewer slots")]
    RingTooLarge {
        /// What it would take.
        octets: u64,
        /// The limit.
        limit: u64,
    },
    /// All pods' rings together would be too large.
    #[error(
        "the ring would take {octets} octets, and {left} are left for pods' rings: end a flow, or ask for fewer slots"
    )]
    PodMemory {
        /// What it would take.
        octets: u64,
        /// What is left.
        left: u64,
    },
    /// That number of slots makes no ring.
    #[error("{slots} slots make no ring: {min} to {max} do")]
    Slots {
        /// Asked for.
        slots: u16,
        /// Fewest.
        min: u16,
        /// Most.
        max: u16,
    },
    /// The kernel gave no memory for the ring.
    #[error("no memory for a ring of {octets} octets (error {errno}): free memory, or ask for fewer slots")]
    Memory {
        /// What the ring takes.
        octets: u64,
        /// The kernel's error number, 0 if it was none.
        errno: u32,
    },
    /// The gateway's devices cannot reach the ring's memory, or it cannot lie where they want it.
    #[error("the gateway cannot place the ring's memory: {0}")]
    Placement(Reason),
    /// The producer tampered with the memory before it was sealed, or the kernel could not seal it.
    #[error("the ring's memory could not be sealed: map it, touch nothing else, then acknowledge")]
    NotSealed,
    /// The producer did not acknowledge its mapping in time.
    #[error("the mapping was not acknowledged within {waited_ms} ms")]
    NotMapped {
        /// How long the broker waited.
        waited_ms: u32,
    },
    /// A lease of so many grains is too large for any consumer of this ring.
    #[error("a lease of {k} grains is more than the {limit} that this ring gives one consumer: ask for {limit}")]
    Lease {
        /// Asked for.
        k: u16,
        /// The limit.
        limit: u16,
    },
    /// The sizing rule does not admit the lease.
    #[error("a ring of {slots} slots cannot also lease {k} grains (it would need {needed}): ask for {}", Works(*works))]
    Admission {
        /// Slots of the ring.
        slots: u16,
        /// Asked for.
        k: u16,
        /// Slots that it would take.
        needed: u32,
        /// The largest lease that would be admitted now; 0 leaves only lossy.
        works: u16,
    },
    /// Every consumer number of the ring is taken.
    #[error("the ring has {limit} consumers, the most that it can have: end one of them")]
    Consumers {
        /// The limit.
        limit: u16,
    },
    /// One user has too many consumers on this flow.
    #[error("user {uid} reads this flow {limit} times, the most that one user may: end one of its consumers")]
    UserConsumers {
        /// Who asked.
        uid: u32,
        /// The limit.
        limit: u32,
    },
    /// The writer took nobody in: its worker does not run, or the producer is stopped.
    #[error("the flow's writer did not answer within {waited_ms} ms: see that its producer runs, then ask again")]
    WriterSilent {
        /// How long the broker waited.
        waited_ms: u32,
    },
    /// The producer answered that it could not take the consumer in.
    #[error("the flow's producer could not take another consumer in: ask again later")]
    ProducerRefused,
    /// The flow ended while the request waited.
    #[error("the flow ended while the request waited: subscribe again when it is back")]
    FlowEnded,
    /// The broker could not make the consumer's lease page or pipes.
    #[error("the gateway could not make a lease page or pipe (error {errno}): raise its limit of open files")]
    Descriptors {
        /// The kernel's error number.
        errno: u32,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping: connect again when it is back")]
    Stopping,
    /// One user produces too many flows.
    #[error("user {uid} produces {limit} flows, the most that one user may: withdraw one")]
    UserFlows {
        /// Who asked.
        uid: u32,
        /// The limit.
        limit: u32,
    },
    /// The rings of one user would be too large together.
    #[error(
        "the ring would take {octets} octets, and user {uid} has {left} left for its rings: end a flow, or ask for fewer \
         slots"
    )]
    UserMemory {
        /// Who asked.
        uid: u32,
        /// What the ring would take.
        octets: u64,
        /// What is left.
        left: u64,
    },
    /// One user would hold too many slots of the ring.
    #[error(
        "a lease of {k} takes {} slots, and user {uid} has {left} of this ring left (slots in quarantine count): ask for \
         less, for lossy, or let its evicted consumers acknowledge", k + 1
    )]
    UserSlots {
        /// Who asked.
        uid: u32,
        /// Asked for.
        k: u16,
        /// Slots that are left.
        left: u32,
    },
    /// The access list says no.
    #[error("user {uid} may not {right} flow {flow}: add it to a rule of the gateway's access list")]
    Flow {
        /// Who asked.
        uid: u32,
        /// What for.
        right: FlowRight,
        /// Which flow.
        flow: Reason,
    },
    /// A blocking consumer of a flow that waits for nobody.
    #[error("the flow is live, its writer waits for nobody: ask for a lease, or for lossy")]
    Live,
    /// That many grains cannot be open at a time.
    #[error("{open_max} grains cannot be open at a time: 1 to {max} can, and fewer than slots")]
    OpenGrains {
        /// Asked for.
        open_max: u16,
        /// Most.
        max: u16,
    },
    /// A producer of protocol version 1 lets consumers in at the live end, and nowhere else.
    #[error("its producer's SDK lets nobody begin before the live end: begin there, or update that SDK")]
    LiveOnly,
    /// There is nothing to succeed, or it is not the asker's to succeed.
    #[error("the epoch to succeed is no flow of this gateway, or somebody else's: end its producer and produce anew")]
    NotYours,
    /// A ring that a pod brings is not taken over.
    #[error("the gateway does not take this ring over: {0}")]
    Adoption(#[from] AdoptionFault),
}

const PLACEMENT: u16 = 24;
const FLOW: u16 = 28;
const READ: u8 = 0;
const PRODUCE: u8 = 1;

/// What to ask for instead.
struct Works(u16);

impl std::fmt::Display for Works {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.write_str("lossy"),
            k => write!(f, "a lease of {k}, or for lossy"),
        }
    }
}

impl Refusal {
    /// Whether a consumer that leaves makes room for the one that was refused.
    pub(crate) const fn is_for_want_of_room(&self) -> bool {
        matches!(
            self,
            Self::Admission { .. } | Self::Consumers { .. } | Self::UserConsumers { .. } | Self::UserSlots { .. }
        )
    }

    /// `code u16, three u64`: 26 octets; [`Self::Placement`]: `code u16, reason`: 114 octets; [`Self::Flow`]: `code u16,
    /// uid u32, right u8, reason`: 119 octets. A peer of version 1 is told the nearest that it knows.
    pub(super) fn encode(self, out: &mut Encoder) {
        let refusal = if out.is_first() { self.for_the_first() } else { self };
        let (code, values) = refusal.parts();
        out.u16(code);
        match refusal {
            Self::Placement(reason) => return reason.encode(out),
            Self::Flow { uid, right, flow } => {
                out.u32(uid);
                out.u8(if right == FlowRight::Read { READ } else { PRODUCE });
                return flow.encode(out);
            }
            _ => {}
        }
        for value in values {
            out.u64(value);
        }
    }

    /// What says most of it to an SDK that does not know what version 2 has more.
    const fn for_the_first(self) -> Self {
        match self {
            Self::UserFlows { limit, .. } => Self::Flows { limit },
            Self::UserMemory { octets, left, .. } => Self::PodMemory { octets, left },
            Self::UserSlots { uid, left, .. } => Self::UserConsumers { uid, limit: left },
            Self::Flow { uid, .. } => Self::User { uid },
            Self::NameKept => Self::NameTaken,
            Self::Live | Self::LiveOnly | Self::OpenGrains { .. } | Self::NotYours | Self::Adoption(_) => {
                Self::ProducerRefused
            }
            other => other,
        }
    }

    const fn parts(self) -> (u16, [u64; 3]) {
        match self {
            Self::Version { min, max } => (1, [min as u64, max as u64, 0]),
            Self::User { uid } => (2, [uid as u64, 0, 0]),
            Self::Connections { limit } => (3, [limit as u64, 0, 0]),
            Self::UserConnections { uid, limit } => (4, [uid as u64, limit as u64, 0]),
            Self::Requests { limit } => (5, [limit as u64, 0, 0]),
            Self::Flows { limit } => (6, [limit as u64, 0, 0]),
            Self::NameTaken => (7, [0; 3]),
            Self::NoSuchFlow => (8, [0; 3]),
            Self::RingTooLarge { octets, limit } => (9, [octets, limit, 0]),
            Self::Slots { slots, min, max } => (10, [slots as u64, min as u64, max as u64]),
            Self::Memory { octets, errno } => (11, [octets, errno as u64, 0]),
            Self::NotSealed => (12, [0; 3]),
            Self::NotMapped { waited_ms } => (13, [waited_ms as u64, 0, 0]),
            Self::Lease { k, limit } => (14, [k as u64, limit as u64, 0]),
            // The two small numbers share a word.
            Self::Admission { slots, k, needed, works } => {
                (15, [slots as u64, k as u64 | (works as u64) << 16, needed as u64])
            }
            Self::Consumers { limit } => (16, [limit as u64, 0, 0]),
            Self::WriterSilent { waited_ms } => (17, [waited_ms as u64, 0, 0]),
            Self::ProducerRefused => (18, [0; 3]),
            Self::FlowEnded => (19, [0; 3]),
            Self::Descriptors { errno } => (20, [errno as u64, 0, 0]),
            Self::Stopping => (21, [0; 3]),
            Self::UserConsumers { uid, limit } => (22, [uid as u64, limit as u64, 0]),
            Self::PodMemory { octets, left } => (23, [octets, left, 0]),
            Self::Placement(_) => (PLACEMENT, [0; 3]),
            Self::UserFlows { uid, limit } => (25, [uid as u64, limit as u64, 0]),
            Self::UserMemory { uid, octets, left } => (26, [uid as u64, octets, left]),
            Self::UserSlots { uid, k, left } => (27, [uid as u64, k as u64, left as u64]),
            Self::Flow { .. } => (FLOW, [0; 3]),
            Self::Live => (29, [0; 3]),
            Self::OpenGrains { open_max, max } => (30, [open_max as u64, max as u64, 0]),
            Self::NotYours => (31, [0; 3]),
            Self::Adoption(fault) => {
                let (code, value) = fault.parts();
                (32, [code, value, 0])
            }
            Self::NameKept => (33, [0; 3]),
            Self::LiveOnly => (34, [0; 3]),
        }
    }

    pub(super) fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let code = body.u16("refusal")?;
        if code == PLACEMENT {
            return Reason::decode(body).map(Self::Placement);
        }
        if code == FLOW && !body.is_first() {
            return Self::decode_flow(body);
        }
        let [a, b, c] = [body.u64("refusal")?, body.u64("refusal")?, body.u64("refusal")?];
        let refusal = match code {
            1 => Self::Version { min: a as u16, max: b as u16 },
            2 => Self::User { uid: a as u32 },
            3 => Self::Connections { limit: a as u32 },
            4 => Self::UserConnections { uid: a as u32, limit: b as u32 },
            5 => Self::Requests { limit: a as u32 },
            6 => Self::Flows { limit: a as u32 },
            7 => Self::NameTaken,
            8 => Self::NoSuchFlow,
            9 => Self::RingTooLarge { octets: a, limit: b },
            10 => Self::Slots { slots: a as u16, min: b as u16, max: c as u16 },
            11 => Self::Memory { octets: a, errno: b as u32 },
            12 => Self::NotSealed,
            13 => Self::NotMapped { waited_ms: a as u32 },
            14 => Self::Lease { k: a as u16, limit: b as u16 },
            15 => Self::Admission { slots: a as u16, k: b as u16, works: (b >> 16) as u16, needed: c as u32 },
            16 => Self::Consumers { limit: a as u16 },
            17 => Self::WriterSilent { waited_ms: a as u32 },
            18 => Self::ProducerRefused,
            19 => Self::FlowEnded,
            20 => Self::Descriptors { errno: a as u32 },
            21 => Self::Stopping,
            22 => Self::UserConsumers { uid: a as u32, limit: b as u32 },
            23 => Self::PodMemory { octets: a, left: b },
            // Version 1 ends here.
            _ if body.is_first() => return Err(DecodeError::Field("refusal")),
            25 => Self::UserFlows { uid: a as u32, limit: b as u32 },
            26 => Self::UserMemory { uid: a as u32, octets: b, left: c },
            27 => Self::UserSlots { uid: a as u32, k: b as u16, left: c as u32 },
            29 => Self::Live,
            30 => Self::OpenGrains { open_max: a as u16, max: b as u16 },
            31 => Self::NotYours,
            32 => Self::Adoption(AdoptionFault::of_parts(a, b).ok_or(DecodeError::Field("refusal"))?),
            33 => Self::NameKept,
            34 => Self::LiveOnly,
            _ => return Err(DecodeError::Field("refusal")),
        };
        // What a value cannot hold would come back changed.
        if refusal.parts() == (code, [a, b, c]) { Ok(refusal) } else { Err(DecodeError::Field("refusal")) }
    }

    fn decode_flow(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let uid = body.u32("uid")?;
        let right = match body.u8("right")? {
            READ => FlowRight::Read,
            PRODUCE => FlowRight::Produce,
            _ => return Err(DecodeError::Field("right")),
        };
        Ok(Self::Flow { uid, right, flow: Reason::decode(body)? })
    }
}
