//! Why ports cannot be had.

use dpdk::device::DeviceError;
use dpdk::eal::EalError;
use dpdk::mempool::MempoolError;
use dpdk::port::PortError;
use dpdk::sizing::SizingError;
use dpdk::timestamp::TimestampError;
use media::Name;

use crate::pool::PoolError;
use crate::presence::PresenceError;

/// Why the ports of a configuration cannot be had. Each says what would work, with its sources: `{:#}` of `anyhow`.
#[derive(Debug, thiserror::Error)]
pub enum DpdkStartError {
    /// DPDK itself.
    #[error("[dpdk]")]
    Environment(#[from] EalError),
    /// A port's device.
    #[error("port \"{port}\"")]
    Port {
        /// The port.
        port: Name,
        /// What is wrong with it.
        #[source]
        cause: PortCause,
    },
    /// Its place on the network.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// The workers that were to own the ports.
    #[error(transparent)]
    Workers(#[from] PoolError),
    /// A worker of sockets has that core.
    #[error(
        "port \"{port}\": core = {core} is in workers.cores too, and two workers would take turns on it; give the port \
         another core, or take {core} out of workers.cores"
    )]
    CoreTaken {
        /// The port.
        port: Name,
        /// The core.
        core: usize,
    },
    /// A worker that does not take its port.
    #[error("port \"{port}\": its worker does not take it")]
    Input {
        /// The port.
        port: Name,
        /// What the worker answers.
        #[source]
        cause: Box<control::DataplaneError>,
    },
    /// No thread.
    #[error("no thread to watch the ports")]
    Thread(#[source] std::io::Error),
}

/// What is wrong with one port.
#[derive(Debug, thiserror::Error)]
pub enum PortCause {
    /// DPDK has no such device.
    #[error(transparent)]
    Name(#[from] DeviceError),
    /// The device cannot carry what it is to.
    #[error("{0}; lower packets_per_second, hold_ms or mtu")]
    Sizing(SizingError),
    /// No memory for its packets.
    #[error("{0} (dpdk.memory_mb)")]
    Pool(MempoolError),
    /// The device does not start.
    #[error(transparent)]
    Device(#[from] PortError),
    /// Its times are asked for, and its clock is not to be had.
    #[error("{0}; write pacing = \"software\" and arrival = \"burst\"")]
    Clock(TimestampError),
}

impl PortCause {
    pub(super) fn of(self, port: &Name) -> DpdkStartError {
        DpdkStartError::Port { port: port.clone(), cause: self }
    }
}

/// Why a port was not restarted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartError {
    /// It has stopped and does not start.
    #[error("port \"{port}\" is stopped and does not start: {cause}; `flypack ports restart {port}` tries again")]
    Stopped {
        /// The port.
        port: Name,
        /// What the driver says.
        cause: String,
    },
    /// Its queues are lost.
    #[error("port \"{port}\" is closed: {cause}; restart flypackd")]
    Closed {
        /// The port.
        port: Name,
        /// Why.
        cause: String,
    },
}
