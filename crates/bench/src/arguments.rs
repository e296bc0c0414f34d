//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::device::DeviceName;
use crate::local::{Kind, Rival};
use crate::role::Policy;
use crate::suite::Part;
use crate::traffic::{Check, Traffic};
use crate::{FrameFormat, FrameSize};

/// Measures Flypack on this machine. Figures are medians over rounds; a machine that does other work gives other ones.
#[derive(Debug, Parser)]
#[command(name = "flypack-bench", bin_name = "flypack bench", version)]
pub struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The frame ring: hand-over, wakes, lines, a dead consumer, publication.
    Shm(Shm),
    /// The data plane without a network: real workers, rings and queues, every packet accounted for.
    Local(Local),
    /// Memory and time of a core for some numbers of flows.
    Scale(Scale),
    /// Receives what clients on other hosts, or in other namespaces, send, and checks it.
    Server(Server),
    /// Sends to a server, which says what has arrived.
    Client(Client),
    /// What this machine is, as reports have it.
    Machine {
        /// As everywhere; it is always one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// One party of a measurement.
    #[command(hide = true)]
    Role {
        /// A role, in JSON.
        role: String,
    },
    /// Grains by the ring's writer, again and again, for callgrind to count.
    #[command(hide = true)]
    Instructions(Instructions),
}

/// `shm`.
#[derive(Debug, Args)]
pub struct Shm {
    /// Parts to measure; otherwise all.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub parts: Vec<Part>,
    /// How consumers wait in the hand-over: spin, inline (woken by a pod that produces), housekeeping (woken as by a
    /// gateway).
    #[arg(long, value_enum, value_delimiter = ',', default_value = "spin,inline,housekeeping")]
    pub modes: Vec<Mode>,
    /// Octets of a frame: powers of two, such as 64K, 8M, 32M.
    #[arg(long, value_delimiter = ',', default_value = "64K,32M")]
    pub frames: Vec<FrameSize>,
    /// How many sleep at a time, in the modes in which they are woken.
    #[arg(long, value_delimiter = ',', default_value = "1,3,16", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub consumers: Vec<u16>,
    /// Rounds, each of every candidate in turn; one more warms up.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Messages of a round.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub messages: u32,
    /// Also measure what others have: iceoryx2 (where it is built in), a Unix socket with a copy, memcpy.
    #[arg(long)]
    pub peers: bool,
    /// Pages of the rings.
    #[arg(long, value_enum, default_value_t)]
    pub pages: Policy,
    /// One JSON document on stdout instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// `local`.
#[derive(Debug, Args)]
pub struct Local {
    /// What to measure.
    #[arg(value_enum)]
    pub kind: Kind,
    /// net_null, net_ring, net_af_packet,iface=NETDEV, a PCI address and whatever else a port can be on; or udp, the kernel's
    /// sockets. Otherwise net_null for tx and relay, and net_ring for the rest.
    #[arg(
        long,
        default_value_ifs([("kind", "tx", Some("net_null")), ("kind", "relay", Some("net_null"))]),
        default_value = "net_ring"
    )]
    pub device: DeviceName,
    /// Destinations of each stream, with relay.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub destinations: u16,
    /// The device of the second leg; otherwise another one of the same name, as there may be of net_null and net_ring.
    #[arg(long)]
    pub second_device: Option<DeviceName>,
    /// What is sent.
    #[command(flatten)]
    pub traffic: Traffic,
    /// Rounds: each starts the port and its workers anew.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// After each round, the same for a rival; the figures are compared round by round.
    #[arg(long, value_enum)]
    pub against: Option<Rival>,
    /// No line a second.
    #[arg(long)]
    pub quiet: bool,
    /// One JSON document on stdout; the lines go to stderr.
    #[arg(long)]
    pub json: bool,
}

/// `scale`.
#[derive(Debug, Args)]
pub struct Scale {
    /// Numbers of flows.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub flows: Vec<u16>,
    /// Their format.
    #[arg(long, default_value = "720p25")]
    pub format: FrameFormat,
    /// What they are sent and received by.
    #[arg(long, default_value = "net_ring")]
    pub device: DeviceName,
    /// Seconds for each number.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// What consumers look at: checking every octet takes more of the two cores than 64 flows leave.
    #[arg(long, value_enum, default_value_t = Check::Grains)]
    pub check: Check,
    /// Pages of the rings, and of DPDK's memory where they are `huge`. `prefer` may give the last flows other ones.
    #[arg(long, value_enum, default_value_t)]
    pub pages: Policy,
    /// Where the plot goes.
    #[arg(long)]
    pub svg: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

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

/// How a consumer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It does not sleep.
    Spin,
    /// The writer wakes it.
    Inline,
    /// A thread beside the writer wakes it.
    Housekeeping,
}

/// `instructions`.
#[derive(Debug, Args)]
pub struct Instructions {
    /// Consumers that hold a seat.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=64))]
    pub consumers: u8,
    /// Grains.
    #[arg(long, default_value_t = 100)]
    pub grains: u32,
    /// Lines of each that are published one by one.
    #[arg(long, default_value_t = 1)]
    pub lines: u16,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
