//! ST 2110 video without I/O: -20 packetising and depacketising (over RFC 4175), the -21 read schedule,
//! the -10 timeline of a stream and its SDP.
//!
//! Everything that can be computed once per format is in the [`PackingPlan`]; what runs per packet
//! ([`srd`], [`Packetiser`], [`Coverage`], [`Schedule`]) neither allocates nor reads a clock.
#![forbid(unsafe_code)]

pub mod bucket;
pub mod coverage;
pub mod framesync;
mod gcd;
pub mod packetiser;
pub mod packing;
pub mod schedule;
pub mod sdp;
pub mod srd;
pub mod timeline;

pub use bucket::Bucket;
pub use coverage::Coverage;
pub use framesync::{Decision, FrameSync, FrameSyncCounters};
pub use packetiser::Packetiser;
pub use packing::{MAX_HEADER_OCTETS, PackingMode, PackingPlan, PlanError, PlannedPacket, UdpLimit};
pub use schedule::{ReadSchedule, Schedule, SenderType};
pub use sdp::{RtpSdp, SdpError, VideoSdp};
pub use srd::{PayloadHeader, Segment, SegmentError, SrdError};
pub use timeline::{ClockLock, Placed, Timeline, TimelineMode};
