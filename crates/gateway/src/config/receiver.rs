//! `[[receiver]]`: one flow that comes from the network.

use std::path::PathBuf;

use serde::Deserialize;

/// `[[receiver]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// Its name, and that of its flow.
    pub name: String,
    /// The SDP's file.
    pub sdp: Option<PathBuf>,
    /// The SDP itself.
    pub sdp_text: Option<String>,
    /// Interface of the join; empty for the routes' choice.
    #[serde(default)]
    pub interface: String,
    /// Where the same packets come once more: `address:port`; empty for what the SDP says.
    #[serde(default)]
    pub second_destination: String,
    /// Admitted sources of the second leg; empty for all, or what the SDP says.
    #[serde(default)]
    pub second_sources: Vec<String>,
    /// Interface of the second leg; empty for the routes' choice.
    #[serde(default)]
    pub second_interface: String,
    /// Rate for an SDP without one; empty for none.
    #[serde(default)]
    pub rate: String,
    /// Slots; 0 for the broker's default.
    #[serde(default)]
    pub slots: u16,
    /// Reorder window, packets.
    #[serde(default = "defaults::reorder_packets")]
    pub reorder_packets: u16,
    /// Grain time-out, milliseconds; 0 for two periods.
    #[serde(default)]
    pub grain_timeout_ms: u32,
    /// How far its legs may be apart, milliseconds.
    #[serde(default = "defaults::skew_ms")]
    pub skew_ms: u32,
    /// Receive buffer, octets.
    #[serde(default = "defaults::receive_buffer_octets")]
    pub receive_buffer_octets: u32,
}

mod defaults {
    pub(super) fn reorder_packets() -> u16 {
        64
    }
    pub(super) fn skew_ms() -> u32 {
        control::ReceiverSpec::DEFAULT_SKEW_MS
    }
    pub(super) fn receive_buffer_octets() -> u32 {
        33_554_432
    }
}
