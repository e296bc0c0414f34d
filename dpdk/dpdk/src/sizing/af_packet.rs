//! The kernel's ring of net_af_packet.
//!
//! ```text
//!  frame (TPACKET_V2, a power of two so that frames fill blocks without a gap, as the driver assumes):
//!  ├ tpacket2_hdr 32 ┤ sockaddr_ll 20 ┤ to 66: alignment ┤ Ethernet (tag taken off) and IP packet │
//! ```
//!
//! Received packets begin 66 octets into a frame (kernel, `tpacket_rcv`), sent ones 32 (driver). What does not fit is cut
//! off by the kernel without a word, so the frame is sized for the MTU.

use std::fmt;

use super::{Demand, LINK_OCTETS, SizingError, mebibytes, packets_in};

/// In front of a received packet.
const RX_OFFSET_OCTETS: u32 = 66;
/// In front of a packet that is sent; what the driver takes off a frame when it compares with the pool's buffers.
const TX_OFFSET_OCTETS: u32 = 32;
/// The driver's own default (512) lost 1,254 of 647,988 packets at 1080p25, and reported none.
const FRAMES_MIN: u32 = 16_384;
/// What the ring bridges at the demanded rate, in ms.
const BRIDGED_MS: u32 = 100;
/// Blocks are what the kernel allocates at a time: whole pages, a power of two.
const BLOCK_OCTETS_MIN: u32 = 65_536;
/// The driver maps both rings at once and counts in 32 bits.
const RING_OCTETS_MAX: u64 = 1 << 30;

/// Sizes of one ring; the driver makes one for each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRing {
    /// `framesz`.
    pub frame_octets: u32,
    /// `framecnt`, a power of two.
    pub frames: u32,
    /// `blocksz`, a power of two and a multiple of the frame.
    pub block_octets: u32,
    /// What the ring bridges at the demanded rate.
    pub bridged_ms: u64,
}

impl PacketRing {
    pub(super) fn new(demand: &Demand) -> Result<Self, SizingError> {
        let frame_octets = (u32::from(demand.mtu) + u32::from(LINK_OCTETS) + RX_OFFSET_OCTETS).next_power_of_two();
        let frames = u64::from(packets_in(demand.packets_per_second, BRIDGED_MS).max(FRAMES_MIN)).next_power_of_two();
        if frames * u64::from(frame_octets) > RING_OCTETS_MAX {
            return Err(SizingError::PacketRing { frames, frame_octets });
        }
        let bridged_ms = frames * 1_000 / u64::from(demand.packets_per_second.max(1));
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        Ok(Self { frame_octets, frames, block_octets: frame_octets.max(BLOCK_OCTETS_MIN), bridged_ms })
    }

    /// What the driver asks a receive buffer to hold.
    pub(super) fn data_octets(&self) -> u16 {
        u16::try_from(self.frame_octets - TX_OFFSET_OCTETS).unwrap_or(u16::MAX)
    }
}

impl fmt::Display for PacketRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frame_octets, frames, bridged_ms, .. } = self;
        let memory = mebibytes(2 * u64::from(*frames) * u64::from(*frame_octets));
        write!(
            f,
            "kernel rings of {frames} frames of {frame_octets} octets ({memory} MiB), which bridge {bridged_ms} ms"
        )
    }
}
