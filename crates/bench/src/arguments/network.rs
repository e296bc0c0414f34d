//! `flypack bench server` and `client`.

use std::net::SocketAddr;

use clap::Args;

use crate::device::DeviceName;
use crate::role::Policy;
use crate::traffic::Traffic;

/// `server`.
#[derive(Debug, Args)]
pub struct Server {
    /// Where clients say what they are going to send: TCP.
    #[arg(long, default_value = "0.0.0.0:5210")]
    pub listen: SocketAddr,
    /// udp, or a port of DPDK's.
    #[arg(long, default_value = "udp")]
    pub device: DeviceName,
    /// The port of the second leg, where the first one is a port.
    #[arg(long)]
    pub second_device: Option<DeviceName>,
    /// Addresses of the ports of each leg, with the lengths of their prefixes (10.77.0.2/24): streams come there, from port 5004 on,
    /// each 2 further, and the ports answer for them. Otherwise streams come to groups from 239.192.1.1 on, which are joined.
    #[arg(long = "address", value_delimiter = ',')]
    pub addresses: Vec<String>,
    /// Core of the thread that receives; otherwise the last one.
    #[arg(long)]
    pub core: Option<usize>,
    /// Pages of the rings.
    #[arg(long, value_enum, default_value_t)]
    pub pages: Policy,
    /// Ends after so many clients; 0: never.
    #[arg(long, default_value_t = 0)]
    pub clients: u32,
}

/// `client`.
#[derive(Debug, Args)]
pub struct Client {
    /// Where the server listens.
    pub server: SocketAddr,
    /// udp, or a port of DPDK's.
    #[arg(long, default_value = "udp")]
    pub device: DeviceName,
    /// The port of the second leg, where the first one is a port.
    #[arg(long)]
    pub second_device: Option<DeviceName>,
    /// Addresses of the ports of each leg, with the lengths of their prefixes (10.77.0.1/24); a server that receives at an address
    /// has to be on the same network.
    #[arg(long = "address", value_delimiter = ',')]
    pub addresses: Vec<String>,
    /// The interface that multicast leaves by, with udp.
    #[arg(long)]
    pub interface: Option<String>,
    /// Looks for the rate at which the first packet is lost: runs of --seconds, at the frame rate of --format, then at twice of
    /// it and so on, then between the last that was whole and the first that was not, to within a tenth.
    #[arg(long, conflicts_with = "unpaced")]
    pub search: bool,
    /// What is sent.
    #[command(flatten)]
    pub traffic: Traffic,
    /// One JSON document on stdout; the lines go to stderr.
    #[arg(long)]
    pub json: bool,
}
