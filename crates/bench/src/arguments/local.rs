//! `flypack bench local`.

use clap::{Args, ValueEnum};

use crate::device::DeviceName;
use crate::traffic::Traffic;

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

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A worker sends from rings; nobody need receive. What goes into net_ring is taken and freed on the other core.
    Tx,
    /// A worker receives into rings, beside a bare loop over the same packets and memcpy; 1080p with 1,200, 1,260 and 1,430
    /// octets of samples a packet. Of the options only the rounds (ten for each), the pages and the cores count.
    Rx,
    /// A worker sends from rings, another one receives into rings, and every octet is checked there.
    Loop,
    /// A source, and a worker that relays what it sends from net_ring to many destinations by the device.
    Relay,
    /// Bare packets over a ring of DPDK's, copied out on the other core; and memcpy of whole frames.
    Copy,
}

/// What the worker's rate is compared with, round by round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// Packets over the same device without a worker, and memcpy.
    Bare,
    /// `dpdk-testpmd`, which sends packets of the same two pieces.
    Testpmd,
}
