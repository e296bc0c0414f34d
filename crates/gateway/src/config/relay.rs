//! `[[relay]]`

use serde::Deserialize;

/// A stream that is forwarded packet by packet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// Its name.
    pub name: String,
    /// `address:port` at which its packets come in; empty for what the SDP says.
    #[serde(default)]
    pub listen: String,
    /// The stream's SDP, a file; empty for none.
    #[serde(default)]
    pub sdp: String,
    /// Admitted sources; empty for all.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Interface of the join; empty for the routes' choice.
    #[serde(default)]
    pub interface: String,
    /// Where the same packets come once more: `address:port`; empty for nowhere.
    #[serde(default)]
    pub second_listen: String,
    /// Admitted sources of the second leg; empty for all.
    #[serde(default)]
    pub second_sources: Vec<String>,
    /// Interface of the second leg; empty for the routes' choice.
    #[serde(default)]
    pub second_interface: String,
    /// Rate of the time stamps; 0 for what the SDP says, or 90,000.
    #[serde(default)]
    pub clock_hz: u32,
    /// Packets kept for senders that do not take them at once.
    #[serde(default = "backlog_packets")]
    pub backlog_packets: u16,
    /// How long they are kept, milliseconds.
    #[serde(default = "backlog_ms")]
    pub backlog_ms: u32,
    /// Receive buffer, octets.
    #[serde(default = "receive_buffer_octets")]
    pub receive_buffer_octets: u32,
}

fn backlog_packets() -> u16 {
    control::RelaySpec::DEFAULT_BACKLOG_PACKETS
}

fn backlog_ms() -> u32 {
    control::RelaySpec::DEFAULT_BACKLOG_MS
}

fn receive_buffer_octets() -> u32 {
    33_554_432
}
