//! The command line.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use control::Endpoint;
use media::{Name, Rate};

mod archive;
mod pods;
mod senders;

pub use archive::{Capture, Export, Inject, InjectionPace, Record, RecordingAction, Replay, ReplayTiming};
pub use pods::{BrokerSocket, MatrixName, OutputFormat, Recv, Send, SendTiming};
pub use senders::{AddSender, Limit, Packing, Schedule, SenderAction, SenderTiming, SenderType};

const EXIT_CODES: &str = "\
Exit codes: 0 done (also: stopped by SIGINT or SIGTERM); 1 refused or failed; 2 the command line makes no sense;
3 no gateway answers; 4 the flow ended before the frames that were asked for.";

/// Operates a Flypack gateway, and sends and receives frames as a pod.
#[derive(Debug, Parser)]
#[command(name = "flypack", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Arguments {
    /// The gateway's control endpoint: unix:/path or http://host:port.
    #[arg(long, global = true, env = "FLYPACK_ENDPOINT", default_value = Endpoint::DEFAULT)]
    pub endpoint: Endpoint,
    /// One JSON document on stdout instead of tables, and errors as JSON on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The gateway at a glance: node, receivers, senders and crosspoints.
    Status,
    /// The flows of the node, and who reads them.
    Flows,
    /// All counters, by object.
    Statistics {
        /// Only objects of this name.
        name: Option<String>,
    },
    /// Prints the SDP of what a sender sends.
    Sdp {
        /// The sender.
        sender: Name,
    },
    /// Connects a sender to a flow, or to nothing.
    Take(Take),
    /// Gives a receiver or sender to another worker.
    Move(Move),
    /// Lists, adds and deletes receivers.
    Receivers {
        /// What to do; listing if left out.
        #[command(subcommand)]
        action: Option<ReceiverAction>,
    },
    /// Lists, adds and deletes relays: streams that are forwarded packet by packet.
    Relays {
        /// What to do; listing if left out.
        #[command(subcommand)]
        action: Option<RelayAction>,
    },
    /// Lists, adds and deletes senders.
    Senders {
        /// What to do; listing if left out.
        #[command(subcommand)]
        action: Option<SenderAction>,
    },
    /// Lists and restarts the ports that the gateway drives itself.
    Ports {
        /// What to do; listing if left out.
        #[command(subcommand)]
        action: Option<PortAction>,
    },
    /// The rings of the flows: what their slots are used for, who holds what, and who lags.
    Rings(Rings),
    /// Puts frames from a file or from stdin into a flow, as a pod.
    Send(Send),
    /// Takes frames from a flow into files or to stdout, as a pod.
    Recv(Recv),
    /// Records a flow on the gateway's disk, past its page cache.
    Record(Record),
    /// Plays a recording as a flow of its own, on time.
    Replay(Replay),
    /// Lists and stops recordings and replays.
    Recordings {
        /// What to do; listing if left out.
        #[command(subcommand)]
        action: Option<RecordingAction>,
    },
    /// Writes what passes a port into a pcap file of the gateway, both ways: bounded, sampled and cut.
    Capture(Capture),
    /// Has a port receive what is in a pcap file of the gateway, each packet at its time.
    Inject(Inject),
    /// Writes the frames of a recording as `recv` would have: raw, without padding, or pictures. Needs no gateway.
    Export(Export),
    /// Looks at the machine: what a gateway needs here, and how to give it that.
    Doctor(Doctor),
    /// Measures on this machine: runs flypack-bench, which stands beside this program.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Bench {
        /// What flypack-bench is told; --help lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// `take`.
#[derive(Debug, Args)]
pub struct Take {
    /// The sender.
    pub destination: Name,
    /// The flow: a receiver's or a pod's.
    #[arg(required_unless_present = "clear", conflicts_with = "clear")]
    pub source: Option<Name>,
    /// Disconnect the sender.
    #[arg(long)]
    pub clear: bool,
    /// Accept a flow that is not there yet; the sender begins when it comes.
    #[arg(long = "await", conflicts_with = "clear")]
    pub accept_absent: bool,
}

/// `move`.
#[derive(Debug, Args)]
pub struct Move {
    /// The receiver: it goes on as it is, on a card with its flow rule.
    #[arg(long, required_unless_present_any = ["sender", "relay", "port"], conflicts_with_all = ["sender", "relay", "port"])]
    pub receiver: Option<Name>,
    /// The sender: it changes between two grains.
    #[arg(long, conflicts_with_all = ["relay", "port"])]
    pub sender: Option<Name>,
    /// The relay; the senders that forward it go along.
    #[arg(long, conflicts_with = "port")]
    pub relay: Option<Name>,
    /// The port that the gateway drives, with all that comes in and leaves by it (of several queues: by the first of each way), in
    /// the middle of pictures: nothing is lost.
    #[arg(long)]
    pub port: Option<Name>,
    /// The worker, by its name or number; `flypack status` shows them.
    #[arg(long)]
    pub worker: String,
}

/// `receivers`.
#[derive(Debug, Subcommand)]
pub enum ReceiverAction {
    /// Lists them.
    List,
    /// Begins to receive the stream of an SDP; its flow has the receiver's name.
    Add(AddReceiver),
    /// Stops receiving, and ends the flow.
    Del {
        /// The receiver.
        name: Name,
    },
}

/// `receivers add`.
#[derive(Debug, Args)]
pub struct AddReceiver {
    /// Name of the receiver and of its flow.
    pub name: Name,
    /// The stream's SDP, a file or - for stdin.
    #[arg(long)]
    pub sdp: PathBuf,
    /// The network interface; otherwise the kernel chooses.
    #[arg(long)]
    pub interface: Option<String>,
    /// Slots of the ring, 4 to 1024; otherwise the gateway's default.
    #[arg(long)]
    pub slots: Option<u16>,
    /// Where the same packets come once more (ST 2022-7); otherwise what the SDP says.
    #[arg(long)]
    pub second_at: Option<SocketAddr>,
    /// Admitted sources of the second way; all where none is named.
    #[arg(long)]
    pub second_sources: Vec<IpAddr>,
    /// The network interface of the second way.
    #[arg(long)]
    pub second_interface: Option<String>,
    /// Milliseconds by which one of two ways may be behind the other, at most 450; otherwise 50.
    #[arg(long)]
    pub skew_ms: Option<u32>,
    /// Packets of the next frame that may arrive while a frame is incomplete, at most 1024.
    #[arg(long)]
    pub reorder_packets: Option<u32>,
    /// Milliseconds from a frame's first packet until its missing lines are lost.
    #[arg(long)]
    pub grain_timeout_ms: Option<u32>,
    /// Octets of the socket's receive buffer; otherwise the gateway's default.
    #[arg(long)]
    pub receive_buffer_octets: Option<u32>,
    /// Frames per second where the SDP does not say: 25, 30000/1001 or 29.97.
    #[arg(long)]
    pub default_rate: Option<Rate>,
}

/// `rings`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Rings {
    /// What to do; listing if left out.
    #[command(subcommand)]
    pub action: Option<RingAction>,
    /// Only the rings of this flow.
    pub flow: Option<Name>,
}

/// `rings`.
#[derive(Debug, Subcommand)]
pub enum RingAction {
    /// Has the flow's producer evict a consumer, whatever its class. What it holds stays until it says that it is done or
    /// is gone; it may join again. So to evict a blocking consumer frees no slot until its process is gone: its producer
    /// then drops what it has no slot for, where it waited before.
    Evict {
        /// The flow.
        flow: Name,
        /// The consumer's seat, as `rings` shows it.
        #[arg(value_parser = clap::value_parser!(u8).range(0..64))]
        seat: u8,
    },
}

/// `ports`.
#[derive(Debug, Subcommand)]
pub enum PortAction {
    /// Lists them.
    List,
    /// Stops a port and starts it again; the streams on it go on.
    Restart {
        /// The port.
        name: Name,
    },
}

/// `relays`.
#[derive(Debug, Subcommand)]
pub enum RelayAction {
    /// Lists them.
    List,
    /// Relays what comes to an address, whatever RTP it is, to the senders that are taken to it.
    Add(Box<AddRelay>),
    /// Ends a relay; its senders wait.
    Del {
        /// The relay.
        name: Name,
    },
}

/// `relays add`.
#[derive(Debug, Args)]
pub struct AddRelay {
    /// Name of the relay, which senders are taken to.
    pub name: Name,
    /// Where its packets come in: `239.1.1.1:5004` or `[ff3e::1]:5004`; otherwise what the SDP says.
    #[arg(long, required_unless_present = "sdp")]
    pub listen: Option<SocketAddr>,
    /// The stream's SDP, a file, or - for what comes in: senders that forward it have one then.
    #[arg(long)]
    pub sdp: Option<PathBuf>,
    /// An admitted source; may be given more than once. Otherwise all.
    #[arg(long = "source")]
    pub sources: Vec<IpAddr>,
    /// The network interface; otherwise the kernel chooses.
    #[arg(long)]
    pub interface: Option<String>,
    /// Rate of the time stamps; otherwise what a=rtpmap of the SDP says, or 90000.
    #[arg(long)]
    pub clock_hz: Option<u32>,
    /// Where the same packets come once more (ST 2022-7); otherwise what the SDP says (a=group:DUP).
    #[arg(long)]
    pub second_listen: Option<SocketAddr>,
    /// Admitted sources of the second way; otherwise those of the SDP, or all.
    #[arg(long)]
    pub second_sources: Vec<IpAddr>,
    /// The network interface of the second way.
    #[arg(long)]
    pub second_interface: Option<String>,
    /// Packets kept at most for senders that do not take them at once.
    #[arg(long)]
    pub backlog_packets: Option<u32>,
    /// Milliseconds for which they are kept.
    #[arg(long)]
    pub backlog_ms: Option<u32>,
    /// Octets of the socket's receive buffer; otherwise the gateway's default.
    #[arg(long)]
    pub receive_buffer_octets: Option<u32>,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also look at what this configuration needs (flypackd --check reads it): ports, their sizes, huge pages.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Look at the files of this folder instead of the machine's.
    #[arg(long, hide = true)]
    pub root: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn rings_are_listed_or_a_seat_of_one_is_taken() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        for line in ["rings", "rings cam", "--json rings cam", "rings evict cam 3"] {
            assert!(parse(&format!("flypack {line}")).is_ok(), "{line}");
        }
        for line in ["rings cam evict cam 3", "rings evict cam", "rings evict cam 64", "rings evict cam x"] {
            assert!(parse(&format!("flypack {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn take_needs_a_source_or_clear() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(parse("flypack take out cam").is_ok());
        assert!(parse("flypack take out --clear").is_ok());
        assert!(parse("flypack take out").is_err());
        assert!(parse("flypack take out cam --clear").is_err());
        assert!(parse("flypack take out ../cam").is_err());
        assert!(parse("flypack status --endpoint /run/x").is_err());
    }
}
