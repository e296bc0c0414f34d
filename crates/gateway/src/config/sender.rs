//! `[[sender]]`: one destination.

use serde::Deserialize;

/// `[[sender]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderConfig {
    /// Its name.
    pub name: String,
    /// `address:port`.
    pub destination: String,
    /// Source address; empty for the routes' choice.
    #[serde(default)]
    pub source_address: String,
    /// Interface of multicast; empty for the routes' choice.
    #[serde(default)]
    pub interface: String,
    /// `address:port` of the second leg; empty for none.
    #[serde(default)]
    pub second_destination: String,
    /// Its source address; empty for the routes' choice.
    #[serde(default)]
    pub second_source_address: String,
    /// Its interface; empty for the routes' choice.
    #[serde(default)]
    pub second_interface: String,
    /// RTP payload type.
    #[serde(default = "defaults::payload_type")]
    pub payload_type: u8,
    /// `gpm` or `bpm`.
    #[serde(default = "defaults::packing")]
    pub packing: String,
    /// 1460 or 8960.
    #[serde(default = "defaults::max_udp")]
    pub max_udp: u16,
    /// `source` or `grid`.
    #[serde(default = "defaults::timing")]
    pub timing: String,
    /// `N`, `NL` or `W`.
    #[serde(rename = "type", default = "defaults::sender_type")]
    pub sender_type: String,
    /// `gapped` or `linear`, of a wide sender.
    #[serde(default = "defaults::schedule")]
    pub schedule: String,
    /// Lateness bound, frame periods.
    #[serde(default = "defaults::lateness_frames")]
    pub lateness_frames: u8,
    /// The same in milliseconds; 0 for frame periods.
    #[serde(default)]
    pub lateness_ms: u16,
    /// DSCP.
    #[serde(default = "defaults::dscp")]
    pub dscp: u8,
    /// TTL or hop limit.
    #[serde(default = "defaults::ttl")]
    pub ttl: u8,
    /// What forwarded packets keep of the source's.
    #[serde(default)]
    pub relay_keep: Vec<String>,
    /// Payload type of forwarded packets; 0 for the source's.
    #[serde(default)]
    pub relay_payload_type: u8,
}

mod defaults {
    pub(super) fn payload_type() -> u8 {
        96
    }
    pub(super) fn packing() -> String {
        "gpm".to_owned()
    }
    pub(super) fn max_udp() -> u16 {
        1460
    }
    pub(super) fn timing() -> String {
        "source".to_owned()
    }
    pub(super) fn sender_type() -> String {
        "W".to_owned()
    }
    pub(super) fn schedule() -> String {
        "gapped".to_owned()
    }
    pub(super) fn lateness_frames() -> u8 {
        1
    }
    pub(super) fn dscp() -> u8 {
        34
    }
    pub(super) fn ttl() -> u8 {
        64
    }
}
