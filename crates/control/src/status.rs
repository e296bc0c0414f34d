//! STATUS: what a data plane reports. Derived, never stored.

use std::time::Duration;

use media::{FlowFormat, FlowId, GrainIndex, Name};

/// Counters by name; the unit is part of the name (`packets`, `dropped_row_packets`).
pub type Counters = Vec<(&'static str, u64)>;

/// The gateway and the machine it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStatus {
    /// Version of the gateway.
    pub version: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Whether TAI is trustworthy.
    pub clock_locked: bool,
    /// The kernel's TAI − UTC, seconds; 0 where nobody has set it.
    pub tai_offset_s: i32,
    /// Memory of the rings, "huge 2 MiB" or "plain 4 KiB".
    pub pages: String,
    /// The threads that move packets.
    pub workers: Vec<WorkerStatus>,
    /// What an operator should see to, each with what would help.
    pub warnings: Vec<String>,
    /// The socket at which pods join.
    pub broker_socket: String,
    /// The ports that the gateway drives itself.
    pub ports: Vec<PortStatus>,
    /// What the broker counted.
    pub broker: Counters,
}

/// A network port that the gateway drives itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortStatus {
    /// Its name.
    pub name: String,
    /// Its device, as configured.
    pub device: String,
    /// What drives it.
    pub driver: String,
    /// Its MAC address.
    pub mac: String,
    /// Whether the link is up; `None` where nobody tells.
    pub link_up: Option<bool>,
    /// Its addresses with the lengths of their prefixes.
    pub addresses: Vec<String>,
    /// The VLAN of its frames; `None` for untagged.
    pub vlan: Option<u16>,
    /// Octets of the largest IP packet.
    pub mtu: u16,
    /// Who answers for it: "none", "tap NAME" or "netdev NAME".
    pub exception: String,
    /// Whether the device sends a payload from where it lies; otherwise it is copied once by us.
    pub gathers: bool,
    /// Copies of a payload that its driver makes on the way in.
    pub driver_copies_in: u32,
    /// Copies of a payload that its driver makes on the way out.
    pub driver_copies_out: u32,
    /// How its rings and pools are sized and why, a line each.
    pub sizing: Vec<String>,
    /// What else the device can do, a line each.
    pub capabilities: Vec<String>,
    /// What an operator should see to, each with what would help.
    pub troubles: Vec<String>,
    /// The worker that owns it; empty while none does.
    pub worker: String,
    /// What it counted.
    pub counters: Counters,
}

/// A thread that moves packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its name, "worker-0".
    pub name: String,
    /// The core it is pinned to; `None` when it floats.
    pub core: Option<u32>,
    /// Who else may run on that core.
    pub isolation: CoreIsolation,
    /// The NUMA node of that core, where there is more than one.
    pub numa_node: Option<u16>,
    /// Receivers that it serves.
    pub receivers: u32,
    /// Senders that it serves.
    pub senders: u32,
    /// Packets a second of what was placed on it, as far as that is known.
    pub placed_packets_per_second: u64,
    /// How its turns go.
    pub pulse: PulseStatus,
    /// What it counted.
    pub counters: Counters,
}

/// Who else may run on a worker's core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoreIsolation {
    /// Any thread.
    #[default]
    Shared,
    /// Only who is put there; the kernel's tick is.
    Isolated,
    /// Nobody, and the tick stops too while one thread runs.
    Tickless,
}

/// How a worker's turns go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PulseStatus {
    /// How long it has not turned, where it should have; `None` while it turns.
    pub still: Option<Duration>,
    /// How often it stood still for 50 ms or more.
    pub standstills: u64,
    /// The longest of these, nanoseconds.
    pub longest_standstill_ns: u64,
    /// From the beginning of a turn to that of the next, or to the rest before it.
    pub turns: SpanStatus,
    /// Sleeps on purpose.
    pub rests: SpanStatus,
}

/// Lengths of time, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanStatus {
    /// All together, nanoseconds.
    pub sum_ns: u64,
    /// Half of them are shorter, nanoseconds; this and the next are good to a factor of two.
    pub median_ns: u64,
    /// All but one in 100 are shorter.
    pub p99_ns: u64,
    /// All but one in 1,000 are shorter.
    pub p999_ns: u64,
    /// The longest, nanoseconds.
    pub longest_ns: u64,
    /// How many, by length: number i counts those of at least 2^i and less than 2^(i+1) nanoseconds, the first 0 too,
    /// the last everything longer.
    pub by_power_of_two: Vec<u64>,
}

/// What a receiver hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signal {
    /// No packet lately.
    #[default]
    None,
    /// A stream that keeps its own time.
    Async,
    /// A stream on the TAI time line.
    Locked,
}

/// How one leg of a receiver or a relay does (ST 2022-7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegStatus {
    /// Whether packets come by it.
    pub is_alive: bool,
    /// Packets of the stream that came by it.
    pub packets: u64,
    /// Packets that did not; the other may have brought them.
    pub packets_lost: u64,
    /// How much later than the other it brought the last picture, nanoseconds.
    pub behind_ns: u64,
    /// Where packets of this leg were lost, as the counters of receivers and relays name it; zero where nobody knows.
    pub lost: [(&'static str, u64); 4],
}

/// How a receiver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Its name.
    pub name: Name,
    /// What it hears.
    pub signal: Signal,
    /// The worker that serves it; `None` where its port says it.
    pub worker: Option<String>,
    /// The grain that was begun last.
    pub last_grain: Option<GrainIndex>,
    /// Its legs in their order; none where there is one only.
    pub legs: Vec<LegStatus>,
    /// What it counted.
    pub counters: Counters,
}

impl ReceiverStatus {
    /// One of its counters; 0 where there is none of that name.
    pub(crate) fn counter(&self, wanted: &str) -> u64 {
        self.counters.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, value)| *value)
    }
}

/// How a relay does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayStatus {
    /// Its name.
    pub name: Name,
    /// Whether packets come.
    pub is_alive: bool,
    /// Senders that forward it.
    pub senders: u32,
    /// Its legs in their order; none where there is one only.
    pub legs: Vec<LegStatus>,
    /// The worker that serves it; `None` where its port says it.
    pub worker: Option<String>,
    /// What it counted.
    pub counters: Counters,
}

/// What a sender does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SenderState {
    /// It has no crosspoint.
    #[default]
    Idle,
    /// Its flow is not there, or gives no grains.
    Waiting,
    /// Packets go out.
    Sending,
    /// Its flow cannot be sent.
    Refused {
        /// Why, and what would help.
        trouble: String,
    },
}

/// How a sender does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderStatus {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub state: SenderState,
    /// The worker that serves it; `None` where its port says it.
    pub worker: Option<String>,
    /// What it sends, once its format is known.
    pub sdp: Option<String>,
    /// The grain that was sent last.
    pub last_grain: Option<GrainIndex>,
    /// What it counted.
    pub counters: Counters,
}

/// What a ring is to its flow's name. Of one name the current ring comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowStanding {
    /// The name stands for it.
    Current,
    /// It succeeds the current one, as soon as their producer goes over.
    Waiting,
    /// The name stands for a later one by now; this one is only read to its end.
    Concluded,
}

/// A ring of grains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStatus {
    /// Its name.
    pub name: Name,
    /// Its UUID.
    pub id: FlowId,
    /// What its grains are.
    pub format: FlowFormat,
    /// Who writes it.
    pub producer: FlowProducer,
    /// Which ring it is: another epoch is another ring.
    pub epoch: u128,
    /// Grains that the ring has room for.
    pub slots: u16,
    /// Its memory, "huge 2 MiB" or "plain 4 KiB".
    pub pages: String,
    /// The grain that was begun last.
    pub last_grain: Option<GrainIndex>,
    /// What it is to its name.
    pub standing: FlowStanding,
    /// Its pod brought it from an earlier gateway: senders copy from it.
    pub is_adopted: bool,
    /// What its slots are used for; `None` where only the pod that writes it knows.
    pub slot_use: Option<SlotUse>,
    /// Consumers that its writer has evicted.
    pub consumers_evicted: u64,
    /// Who reads it.
    pub consumers: Vec<ConsumerStatus>,
    /// What its writer counted.
    pub counters: Counters,
}

/// Slots of a ring, by what they are used for: read one after the other while the writer goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotUse {
    /// Never used so far.
    pub free: u16,
    /// Being written.
    pub open: u16,
    /// Whole, and nobody's.
    pub done: u16,
    /// Kept for a consumer that keeps up.
    pub leased: u16,
    /// Kept since an eviction.
    pub quarantined: u16,
}

/// Who writes a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowProducer {
    /// The gateway: the flow is a receiver's.
    Gateway,
    /// A process of the node.
    Pod {
        /// User id.
        uid: u32,
        /// Process id in the gateway's namespace, 0 where it has none.
        pid: u32,
    },
}

/// How a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerClass {
    /// Up to `k` grains are kept for it.
    Leased {
        /// Grains that it may hold.
        k: u16,
    },
    /// Nothing is kept for it.
    Lossy,
    /// The writer waits for it.
    Blocking {
        /// Grains that it may hold.
        k: u16,
    },
}

/// Whose a consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerHolder {
    /// The gateway: it is a sender.
    Gateway,
    /// A process of the node.
    Pod {
        /// User id.
        uid: u32,
        /// Process id in the gateway's namespace; `None` where it has none.
        pid: Option<u32>,
    },
    /// A pod that an earlier gateway let in: nobody knows which.
    Outlived,
}

/// Who reads a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Its number in the ring.
    pub seat: u8,
    /// Who it is.
    pub holder: ConsumerHolder,
    /// How it reads.
    pub class: ConsumerClass,
    /// "joining", "live", "evicted" or "leaving".
    pub state: &'static str,
    /// Grains from its oldest unread one to the newest.
    pub lag_grains: u64,
    /// Slots that are kept for it while it reads.
    pub held_slots: u64,
    /// Slots that are kept since it was evicted.
    pub quarantined_slots: u64,
}
