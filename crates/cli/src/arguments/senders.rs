//! `senders`.

use std::net::SocketAddr;

use clap::{Args, Subcommand, ValueEnum};
use media::Name;

/// `senders`.
#[derive(Debug, Subcommand)]
pub enum SenderAction {
    /// Lists them.
    List,
    /// Makes a sender; `take` gives it a flow.
    Add(AddSender),
    /// Removes a sender with its crosspoint.
    Del {
        /// The sender.
        name: Name,
    },
}

/// `senders add`.
#[derive(Debug, Args)]
pub struct AddSender {
    /// Name of the sender.
    pub name: Name,
    /// Where packets go: `239.1.1.1:5004` or `[ff3e::1]:5004`.
    #[arg(long = "to")]
    pub destination: SocketAddr,
    /// Where packets come from: an address, perhaps with a port; otherwise the kernel chooses.
    #[arg(long = "from")]
    pub source_address: Option<String>,
    /// The network interface; otherwise the kernel chooses.
    #[arg(long)]
    pub interface: Option<String>,
    /// Where the same packets go by a second way (ST 2022-7).
    #[arg(long)]
    pub second_to: Option<SocketAddr>,
    /// Where they come from on the second way.
    #[arg(long, requires = "second_to")]
    pub second_from: Option<String>,
    /// The network interface of the second way.
    #[arg(long, requires = "second_to")]
    pub second_interface: Option<String>,
    /// RTP payload type, 96 to 127.
    #[arg(long, default_value_t = 96)]
    pub payload_type: u8,
    /// How rows are cut into packets.
    #[arg(long, value_enum, default_value_t)]
    pub packing: Packing,
    /// The largest datagram: 1460 or 8960 octets.
    #[arg(long, value_enum, default_value_t)]
    pub limit: Limit,
    /// When frames go: as the source gives them, or on the TAI grid.
    #[arg(long, value_enum, default_value_t)]
    pub timing: SenderTiming,
    /// What is sent at once at most (ST 2110-21): N, NL or W.
    #[arg(long = "type", value_enum, ignore_case = true, default_value_t)]
    pub sender_type: SenderType,
    /// The shape of a frame on the wire, of type W; N is gapped, NL linear.
    #[arg(long, value_enum, default_value_t)]
    pub schedule: Schedule,
    /// Frame periods that a frame may be late before its rest is skipped, 1 to 10.
    #[arg(long, default_value_t = 1)]
    pub lateness_frames: u8,
    /// The same in milliseconds, 1 to 1000, instead of frame periods; 0: the frame periods count.
    #[arg(long, default_value_t = 0)]
    pub lateness_ms: u16,
    /// Differentiated services code point, 0 to 63.
    #[arg(long, default_value_t = 34)]
    pub dscp: u8,
    /// Hops, 1 to 255.
    #[arg(long, default_value_t = 64)]
    pub ttl: u8,
    /// What stays a relay's when it is forwarded: ssrc, sequence, timestamp, with commas between; the rest is the sender's.
    #[arg(long, value_delimiter = ',')]
    pub relay_keep: Vec<String>,
    /// RTP payload type of forwarded packets; otherwise the relay's.
    #[arg(long, default_value_t = 0)]
    pub relay_payload_type: u8,
}

/// How rows are cut into packets.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Packing {
    /// General packing mode.
    #[default]
    Gpm,
    /// Block packing mode.
    Bpm,
}

/// The largest datagram.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Limit {
    /// 1460 octets.
    #[default]
    Standard,
    /// 8960 octets.
    Extended,
}

/// When frames go.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum SenderTiming {
    /// As the source gives them.
    #[default]
    Source,
    /// On the TAI grid, through a frame synchroniser.
    Grid,
}

/// The sender types of ST 2110-21.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum SenderType {
    /// Narrow, gapped.
    #[value(name = "N")]
    Narrow,
    /// Narrow, linear.
    #[value(name = "NL")]
    NarrowLinear,
    /// Wide.
    #[default]
    #[value(name = "W")]
    Wide,
}

/// The shape of a frame on the wire.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Schedule {
    /// Nothing in the vertical blanking.
    #[default]
    Gapped,
    /// Spread over the whole frame.
    Linear,
}
