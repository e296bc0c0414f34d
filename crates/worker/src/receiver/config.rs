//! What a receiver is told of its stream.

use std::net::IpAddr;

use media::{PayloadType, VideoFormat};
use shm::StoreChoice;
use st2110::timeline::TimelineMode;

/// What a receiver expects.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// The picture.
    pub format: VideoFormat,
    /// The SDP's payload type.
    pub payload_type: PayloadType,
    /// Admitted sources; empty for all.
    pub sources: Vec<IpAddr>,
    /// Whether timestamps follow PTP.
    pub timeline: TimelineMode,
    /// Reorder window, packets.
    pub reorder_packets: u16,
    /// From a grain's first packet until its missing lines are lost, nanoseconds.
    pub grain_timeout_nanos: i64,
    /// How samples are stored, by their octets in a packet.
    pub stores: StoreChoice,
}
