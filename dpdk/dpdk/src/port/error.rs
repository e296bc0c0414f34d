//! Why a port is not there, or does not run.

use thiserror::Error;

use super::{Port, Stopped};
use crate::device::Device;
use crate::eal::meaning;
use crate::extmem::ExternalMemoryError;

/// What went wrong, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortError {
    /// The kernel has no such network device.
    #[error("{device}: there is no network device of this name here: {reason}. `ip link` lists them")]
    NetdevAbsent {
        /// The device asked for.
        device: Device,
        /// The kernel's answer.
        reason: String,
    },
    /// Its MTU is smaller than the port's.
    #[error(
        "{device}: the port's MTU is {asked} and the network device's is {has}; \
         `ip link set dev NETDEV mtu {asked}`, or set a smaller MTU"
    )]
    NetdevMtu {
        /// The device asked for.
        device: Device,
        /// What the port is to carry.
        asked: u16,
        /// What the kernel carries.
        has: u32,
    },
    /// The driver refused, or there is none.
    #[error("{device} could not be attached: {} ({errno}). {remedy}. The driver's own lines are on stderr", meaning(*errno))]
    Probe {
        /// The device asked for.
        device: Device,
        /// Positive.
        errno: i32,
        /// What usually helps with this kind of device.
        remedy: &'static str,
    },
    /// More than the device carries.
    #[error("{device} carries an MTU of at most {most} octets, and {asked} was asked for")]
    Mtu {
        /// The device asked for.
        device: Device,
        /// What the port is to carry.
        asked: u16,
        /// What the device carries.
        most: u32,
    },
    /// More queues than the device has.
    #[error("{device} was asked for {asked} receive queues, and has between 1 and {most}")]
    RxQueues {
        /// The device asked for.
        device: Device,
        /// What the port was to have.
        asked: u16,
        /// What the device has.
        most: u16,
    },
    /// Something that the device does not have.
    #[error("{device} has no {feature}, says its driver; leave them off on this port, or use a card that has them")]
    Feature {
        /// The device asked for.
        device: Device,
        /// What it lacks.
        feature: &'static str,
    },
    /// A step of configuring or starting.
    #[error("{device}: {step} failed: {} ({errno}). The driver's own lines are on stderr", meaning(*errno))]
    Step {
        /// The device asked for.
        device: Device,
        /// What was being done.
        step: &'static str,
        /// Positive.
        errno: i32,
    },
    /// The rings' memory could not be given to it.
    #[error("{device}: {error}")]
    Memory {
        /// The device asked for.
        device: Device,
        /// Why.
        error: ExternalMemoryError,
    },
    /// The driver did not stop the device.
    #[error("{device} did not stop: {} ({errno}); it has been closed, and is attached anew when it starts", meaning(*errno))]
    Stop {
        /// The device.
        device: Device,
        /// Positive.
        errno: i32,
    },
}

/// A port that could not change its state; it may be started (again).
#[derive(Debug, Error)]
#[error("{error}")]
pub struct StartRefused {
    /// The port.
    pub port: Port<Stopped>,
    /// Why.
    #[source]
    pub error: PortError,
}

/// What usually is wrong when a driver refuses.
pub(super) fn remedy(device: &Device) -> &'static str {
    match device {
        Device::AfPacket { .. } => {
            "It needs the capabilities CAP_NET_RAW and CAP_NET_ADMIN, and CAP_IPC_LOCK or a large enough RLIMIT_MEMLOCK"
        }
        Device::AfXdp { .. } => {
            "It needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF, a device on which no other XDP program runs, and libxdp"
        }
        Device::Tap { .. } => "It needs CAP_NET_ADMIN and /dev/net/tun, and a name that no other device has",
        Device::Pcap { .. } => "The file to receive from must be a capture, the one to send to must be writable",
        Device::Pci(_) => {
            "It must be in the list of allowed devices, and bound to vfio-pci (mlx5 keeps its kernel driver)"
        }
        Device::Ring | Device::Null => "Give DPDK more memory",
    }
}
