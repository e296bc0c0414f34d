//! What a device cannot carry.

use thiserror::Error;

use super::{AF_XDP_MTU_MAX, MBUFS_MAX, MTU_MAX, MTU_MIN};

/// A demand that cannot be met, and what could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SizingError {
    /// Outside of what Ethernet carries.
    #[error("an MTU of {asked} octets is not possible; it is {MTU_MIN} to {MTU_MAX}")]
    Mtu {
        /// What the configuration says.
        asked: u16,
    },
    /// A frame of net_af_xdp does not span pages.
    #[error(
        "net_af_xdp carries an MTU of at most {AF_XDP_MTU_MAX} octets (a packet must fit into one frame of its memory), \
         and {asked} was asked for; set a smaller MTU, or use net_af_packet"
    )]
    XdpMtu {
        /// What the configuration says.
        asked: u16,
    },
    /// net_af_packet counts the octets of its two rings in 32 bits.
    #[error(
        "net_af_packet would need {frames} frames of {frame_octets} octets in each direction, and its rings end at 2 GiB; \
         ask for fewer packets per second, or a smaller MTU"
    )]
    PacketRing {
        /// Frames of one ring.
        frames: u64,
        /// Octets of each.
        frame_octets: u32,
    },
    /// More buffers than any configuration means.
    #[error("{asked} packet buffers are needed and {MBUFS_MAX} are the most; hold packets for a shorter time")]
    Buffers {
        /// What the demand comes to.
        asked: u32,
    },
}
