//! How large a port's rings and pools are, computed from what it is to carry.

mod af_packet;
mod error;

use std::fmt;
use std::time::Duration;

use crate::device::Device;
use crate::mempool::{MempoolConfig, Sharing};
use crate::port::receives_on_all;

pub use af_packet::PacketRing;
pub use error::SizingError;

/// Octets around an IP packet: Ethernet header and one 802.1Q tag.
pub const LINK_OCTETS: u16 = 18;
/// The least and the most that a port's MTU may be (RFC 791 §3.2; jumbo frames).
pub const MTU_MIN: u16 = 576;
/// See [`MTU_MIN`].
pub const MTU_MAX: u16 = 9_198;
/// The largest MTU of net_af_xdp: one buffer of its pool is one frame of its UMEM, which is one page.
///
/// 4,096 octets hold 63 lines of 64 (pools spread their objects over memory channels, and 64 would be padded past the
/// page): 4,032, less 64 for the pool's header, 128 for the mbuf, 128 of headroom, 256 of XDP's and [`LINK_OCTETS`].
pub const AF_XDP_MTU_MAX: u16 = 4_032 - 64 - 128 - 128 - XDP_HEADROOM_OCTETS - LINK_OCTETS;

/// What XDP keeps free in front of a frame (XDP_PACKET_HEADROOM).
const XDP_HEADROOM_OCTETS: u16 = 256;
/// What net_af_xdp takes out of the receive pool for its fill ring, twice its 2,048 descriptors.
const AF_XDP_FILL: u32 = 4_096;
/// Cards want at least this much (RTE_MBUF_DEFAULT_DATAROOM), or they split ordinary frames.
const DATA_OCTETS_MIN: u16 = 2_048;
/// Time that a card's ring bridges while its worker is elsewhere, in ms.
const DESCRIPTORS_MS: u32 = 5;
/// Descriptors of a ring; a power of two between these, which every driver takes.
const DESCRIPTORS: (u32, u32) = (512, 4_096);
/// net_ring's own ring, which the driver sizes.
const RING_PACKETS: u32 = 1_024;
/// Packets that a sender may have built and not yet handed over.
const BURST: u32 = 32;
/// Kept per lcore; 1.5 times as many may wait there.
const CACHE: u16 = 256;
/// What the kernel queues for who reads a TAP, where nobody has said otherwise.
const TAP_PACKETS: u32 = 500;
/// Headers that are written before a payload: Ethernet, 802.1Q, IPv6, UDP, RTP with extensions and three SRDs.
const HEADER_OCTETS: u16 = 256;

/// What a port is to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Packets per second, in the busier direction.
    pub packets_per_second: u32,
    /// The longest that received packets are kept (the reorder window of ST 2022-7), in ms.
    pub hold_ms: u32,
    /// The longest IP packet, in octets.
    pub mtu: u16,
    /// Senders on the port.
    pub streams: u16,
}

/// Sizes for one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// What they were computed from.
    pub demand: Demand,
    /// Descriptors of the receive queue.
    pub rx_descriptors: u16,
    /// Descriptors of the transmit queue.
    pub tx_descriptors: u16,
    /// Buffers of the pool that receives.
    pub rx_mbufs: u32,
    /// Octets of each, headroom not counted.
    pub rx_data_octets: u16,
    /// Those of them that may wait (in reorder windows and backlogs of relays) while all rings are full.
    pub held_packets: u32,
    /// Buffers for what is sent: as many for headers as for references to payload.
    pub tx_mbufs: u32,
    /// The kernel's ring, for net_af_packet.
    pub packet_ring: Option<PacketRing>,
}

impl Sizing {
    /// Computes the sizes for `device`.
    ///
    /// # Errors
    /// [`SizingError`] when the device cannot carry the demand, with what it could.
    pub fn new(device: &Device, demand: Demand) -> Result<Self, SizingError> {
        check_mtu(device, demand.mtu)?;
        let packet_ring = match device {
            Device::AfPacket { .. } => Some(PacketRing::new(&demand)?),
            _ => None,
        };
        let descriptors = descriptors(demand.packets_per_second);
        let passing =
            u32::from(demand.streams).saturating_add(2).saturating_mul(BURST).saturating_add(u32::from(CACHE) * 3 / 2);
        let in_hand = packets_in(demand.packets_per_second, demand.hold_ms).saturating_add(passing);
        // net_ring passes the sender's buffers on: they are out for as long as its ring and the receiver hold them.
        let ring = if *device == Device::Ring { RING_PACKETS } else { 0 };
        let fill = if matches!(device, Device::AfXdp { .. }) { AF_XDP_FILL } else { 0 };
        // Relayed packets are the receive pool's until a device has sent them: as many as it has descriptors to send.
        let in_rings = (u32::from(descriptors) * 2).saturating_add(fill);
        let rx_mbufs = pool(in_rings.saturating_add(in_hand))?;
        Ok(Self {
            demand,
            rx_descriptors: descriptors,
            tx_descriptors: descriptors,
            rx_mbufs,
            rx_data_octets: rx_data_octets(device, demand.mtu, packet_ring.as_ref()),
            held_packets: rx_mbufs - in_rings - passing,
            tx_mbufs: pool(u32::from(descriptors).saturating_add(ring).saturating_add(in_hand))?,
            packet_ring,
        })
    }

    /// The same for a port that sends by so many queues: devices that receive on as many (net_tap, net_af_packet, net_ring)
    /// need receive buffers for all of them. Its pools for what is sent are those of one queue: each has its own.
    ///
    /// # Errors
    /// [`SizingError::Buffers`].
    pub fn sending_by(self, device: &Device, tx_queues: u16) -> Result<Self, SizingError> {
        let further = if receives_on_all(device) { u32::from(tx_queues.saturating_sub(1)) } else { 0 };
        let more = further.saturating_mul(self.rx_descriptors.into());
        let rx_mbufs = pool(self.rx_mbufs.saturating_add(more))?;
        Ok(Self { rx_mbufs, held_packets: self.held_packets + rx_mbufs - self.rx_mbufs - more, ..self })
    }

    /// The same for a port whose relayed packets other ports send too: `elsewhere` of them may be in devices that do not send
    /// ([`Self::unsent`] of each), all of them stuck at once.
    ///
    /// # Errors
    /// [`SizingError::Buffers`].
    pub fn relaying_by(self, elsewhere: u32) -> Result<Self, SizingError> {
        let wanted = packets_in(self.demand.packets_per_second, self.demand.hold_ms);
        // Not rounded: what pools round up to is mostly more than this already, and would be twice as much.
        let more = wanted.saturating_add(elsewhere).saturating_sub(self.held_packets);
        let rx_mbufs = self.rx_mbufs.saturating_add(more);
        if rx_mbufs > MBUFS_MAX {
            return Err(SizingError::Buffers { asked: rx_mbufs });
        }
        Ok(Self { rx_mbufs, held_packets: self.held_packets + more - elsewhere, ..self })
    }

    /// Packets of another port's that a transmit queue of this one may have and not send. Devices that copy have none.
    #[must_use]
    pub fn unsent(&self, device: &Device) -> u32 {
        match device {
            Device::Pci(_) | Device::AfXdp { .. } => self.tx_descriptors.into(),
            Device::Ring => RING_PACKETS,
            Device::AfPacket { .. } | Device::Tap { .. } | Device::Null | Device::Pcap { .. } => 0,
        }
    }

    /// The same for a device whose driver has made its receive ring so long.
    #[must_use]
    pub const fn with_descriptors(self, rx_descriptors: u16) -> Self {
        Self { rx_descriptors, ..self }
    }

    /// How long nobody may look at the receive queue of `device`: half of what its ring buffers at the rate that was demanded.
    #[must_use]
    pub fn patience(&self, device: &Device) -> Duration {
        let packets = match device {
            Device::Ring => RING_PACKETS,
            Device::Tap { .. } => TAP_PACKETS,
            _ => self.packet_ring.map_or(u32::from(self.rx_descriptors), |ring| ring.frames),
        };
        Duration::from_secs(1) * packets / self.demand.packets_per_second.max(1) / 2
    }

    /// The pool that the receive queue fills.
    #[must_use]
    pub fn rx_pool(&self, numa: Option<u16>) -> MempoolConfig {
        MempoolConfig {
            mbufs: self.rx_mbufs,
            data_octets: self.rx_data_octets,
            cache: CACHE,
            sharing: Sharing::OneWorker,
            numa,
        }
    }

    /// The pool for headers of sent packets.
    #[must_use]
    pub fn header_pool(&self, numa: Option<u16>) -> MempoolConfig {
        MempoolConfig { mbufs: self.tx_mbufs, data_octets: HEADER_OCTETS, ..self.rx_pool(numa) }
    }

    /// The pool for references to payload that lies elsewhere; its buffers have no octets of their own.
    #[must_use]
    pub fn reference_pool(&self, numa: Option<u16>) -> MempoolConfig {
        MempoolConfig { mbufs: self.tx_mbufs, data_octets: 0, ..self.rx_pool(numa) }
    }

    /// The pool for whole packets, where a device cannot gather and they are copied together.
    #[must_use]
    pub fn linear_pool(&self, numa: Option<u16>) -> MempoolConfig {
        let data_octets = (self.demand.mtu + LINK_OCTETS).next_multiple_of(64);
        MempoolConfig { mbufs: self.tx_mbufs, data_octets, ..self.rx_pool(numa) }
    }
}

impl fmt::Display for Sizing {
    /// For the operator's log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            demand,
            rx_descriptors,
            tx_descriptors,
            rx_mbufs,
            rx_data_octets,
            held_packets,
            tx_mbufs,
            packet_ring,
        } = self;
        write!(
            f,
            "for {} packets/s held {} ms at MTU {}: {rx_descriptors} receive and {tx_descriptors} transmit descriptors, \
             {rx_mbufs} receive buffers of {rx_data_octets} octets ({} MiB), {held_packets} of which may wait, {tx_mbufs} \
             transmit buffers",
            demand.packets_per_second,
            demand.hold_ms,
            demand.mtu,
            mebibytes(u64::from(*rx_mbufs) * u64::from(*rx_data_octets)),
        )?;
        match packet_ring {
            Some(ring) => write!(f, ", {ring}"),
            None => Ok(()),
        }
    }
}

fn check_mtu(device: &Device, asked: u16) -> Result<(), SizingError> {
    if !(MTU_MIN..=MTU_MAX).contains(&asked) {
        return Err(SizingError::Mtu { asked });
    }
    if matches!(device, Device::AfXdp { .. }) && asked > AF_XDP_MTU_MAX {
        return Err(SizingError::XdpMtu { asked });
    }
    Ok(())
}

fn descriptors(packets_per_second: u32) -> u16 {
    let (least, most) = DESCRIPTORS;
    let bridging = packets_in(packets_per_second, DESCRIPTORS_MS).min(most).next_power_of_two();
    u16::try_from(bridging.clamp(least, most)).unwrap_or(u16::MAX)
}

/// One buffer takes any packet: nothing is scattered unless a card insists.
fn rx_data_octets(device: &Device, mtu: u16, packet_ring: Option<&PacketRing>) -> u16 {
    let frame = (mtu + LINK_OCTETS).next_multiple_of(128).max(DATA_OCTETS_MIN);
    match device {
        Device::AfXdp { .. } => (mtu + LINK_OCTETS + XDP_HEADROOM_OCTETS).max(DATA_OCTETS_MIN),
        // The driver wants room for whatever a frame of its ring could hold.
        Device::AfPacket { .. } => packet_ring.map_or(frame, |ring| frame.max(ring.data_octets())),
        _ => frame,
    }
}

/// Packets that arrive in so many ms, rounded up.
fn packets_in(packets_per_second: u32, ms: u32) -> u32 {
    let packets = (u64::from(packets_per_second) * u64::from(ms)).div_ceil(1_000);
    u32::try_from(packets).unwrap_or(u32::MAX)
}

/// The largest pool that is meant: 2²² buffers of 2 KiB are 8 GiB.
const MBUFS_MAX: u32 = (1 << 22) - 1;

/// 2ⁿ − 1 of them.
fn pool(mbufs: u32) -> Result<u32, SizingError> {
    if mbufs > MBUFS_MAX {
        return Err(SizingError::Buffers { asked: mbufs });
    }
    Ok((mbufs + 1).next_power_of_two() - 1)
}

/// Rounded up.
fn mebibytes(octets: u64) -> u64 {
    octets.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests;
