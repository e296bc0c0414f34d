//! `flypackd.toml`: what the file says, with defaults, before anything is opened.
//!
//! The sample in `deploy/flypackd.toml` documents every key and is parsed by a test. Unknown keys are errors.

mod access;
mod port;
mod record;
mod relay;
mod store;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::port_plan;
pub use access::{AccessConfig, LimitsConfig};
pub use port::{ArrivalConfig, DpdkConfig, DpdkMemoryConfig, IovaConfig, PacingConfig, PortConfig};
pub use record::RecordConfig;
pub use relay::RelayConfig;
pub use store::StoreConfig;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// This node.
    pub node: NodeConfig,
    /// The rings and the socket of pods.
    pub broker: BrokerSection,
    /// gRPC.
    pub api: ApiConfig,
    /// `/metrics`.
    pub metrics: MetricsConfig,
    /// Worker threads.
    pub workers: WorkersConfig,
    /// Recordings.
    pub record: RecordConfig,
    /// What all ports share.
    pub dpdk: DpdkConfig,
    /// Ports that the gateway drives itself.
    #[serde(rename = "port")]
    pub ports: Vec<PortConfig>,
    /// Receivers.
    #[serde(rename = "receiver")]
    pub receivers: Vec<ReceiverConfig>,
    /// Relays.
    #[serde(rename = "relay")]
    pub relays: Vec<RelayConfig>,
    /// Senders.
    #[serde(rename = "sender")]
    pub senders: Vec<SenderConfig>,
    /// Crosspoints taken at start.
    #[serde(rename = "crosspoint")]
    pub crosspoints: Vec<CrosspointConfig>,
}

/// `[node]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Name in status and metrics; empty for the host name.
    pub name: String,
}

/// `[broker]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerSection {
    /// The socket's path.
    pub socket: PathBuf,
    /// Its permissions, octal text.
    pub mode: String,
    /// Its group, name or number; empty for the daemon's.
    pub group: String,
    /// Admitted users; empty for all whom mode and group let in.
    pub uids: Vec<u32>,
    /// Page policy.
    pub pages: PagesConfig,
    /// Default slots of a ring.
    pub slots: u16,
    /// Sizes of regions that are kept ready, MiB.
    pub spares_mb: Vec<u32>,
    /// What pods may take at most.
    pub limits: LimitsConfig,
    /// Who may read and produce which flows.
    pub access: Vec<AccessConfig>,
}

/// Pages of the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PagesConfig {
    /// 2 MB pages, or 4 KB pages and a warning.
    PreferHuge,
    /// 2 MB pages or an error.
    Huge,
    /// 4 KB pages.
    Plain,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// `unix:/path` or `http://host:port`.
    pub listen: String,
    /// Permissions of a Unix socket, octal text.
    pub mode: String,
}

/// `[metrics]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// `host:port`; empty for off.
    pub listen: String,
}

/// `[workers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkersConfig {
    /// One pinned worker each; empty for one unpinned worker.
    pub cores: Vec<usize>,
    /// What an idle worker does.
    pub idle: IdleConfig,
    /// Longest sleep, microseconds.
    pub idle_sleep_us: u64,
    /// Nice value of the threads.
    pub nice: i32,
    /// Packets of one stream back to back.
    pub max_gso_segments: u16,
    /// How received payloads are stored.
    pub store: StoreConfig,
}

/// What an idle worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdleConfig {
    /// Spins on an isolated core, sleeps until an event elsewhere.
    Auto,
    /// Backs off, and sleeps until an event in the end.
    Event,
    /// Backs off.
    Sleep,
    /// Busy polls.
    Spin,
}

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

/// `[[crosspoint]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrosspointConfig {
    /// A sender.
    pub destination: String,
    /// A flow.
    pub source: String,
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

impl Default for BrokerSection {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/flypack/broker.sock"),
            mode: "0660".to_owned(),
            group: String::new(),
            uids: Vec::new(),
            pages: PagesConfig::PreferHuge,
            slots: 16,
            spares_mb: Vec::new(),
            limits: LimitsConfig::default(),
            access: Vec::new(),
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { listen: "unix:/run/flypack/flypack.sock".to_owned(), mode: "0660".to_owned() }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned() }
    }
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            cores: Vec::new(),
            idle: IdleConfig::Auto,
            idle_sleep_us: 1_000,
            nice: -10,
            max_gso_segments: 4,
            store: StoreConfig::Measured,
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}; name the file with --config, a commented sample is deploy/flypackd.toml", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The SDP file of a receiver cannot be read.
    #[error("{}: {source}; it is the sdp of receiver {receiver}", path.display())]
    ReadSdp {
        /// The receiver.
        receiver: String,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a value of another type.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        source: Box<toml::de::Error>,
    },
    /// Ports, in a gateway that was built without them.
    #[error(
        "port \"{port}\": this flypackd was built without DPDK and has no ports; build it with `cargo build --release \
         --features dpdk` (`scripts/install dpdk` installs what that needs), or take [[port]] out of the file"
    )]
    NoPorts {
        /// The first port of the file.
        port: String,
    },
    /// A value that no key accepts.
    #[error("{key} = {value:?}: {wanted}")]
    Value {
        /// The key, with its table.
        key: String,
        /// What stands there.
        value: String,
        /// What would work.
        wanted: String,
    },
}

impl ConfigError {
    pub(crate) fn value(key: impl Into<String>, value: impl std::fmt::Display, wanted: impl Into<String>) -> Self {
        Self::Value { key: key.into(), value: format!("{value}"), wanted: wanted.into() }
    }
}

impl Config {
    /// Reads and checks a file; relative paths in it become relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file, the key and what would work.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let mut config: Self =
            toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.into(), source: source.into() })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.broker.socket = folder.join(&config.broker.socket);
        config.record.folder = folder.join(&config.record.folder);
        for receiver in &mut config.receivers {
            receiver.sdp = receiver.sdp.take().map(|sdp| folder.join(sdp));
        }
        for port in &mut config.ports {
            port.stand_in(folder);
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let workers = &self.workers;
        if !(4..=1024).contains(&self.broker.slots) {
            return Err(ConfigError::value("broker.slots", self.broker.slots, "4 to 1024"));
        }
        if let Some(&odd) = self.broker.spares_mb.iter().find(|mb| **mb == 0 || !mb.is_multiple_of(2)) {
            return Err(ConfigError::value("broker.spares_mb", odd, "even numbers, as a ring's pages have 2 MiB"));
        }
        if !(10..=10_000).contains(&workers.idle_sleep_us) {
            return Err(ConfigError::value("workers.idle_sleep_us", workers.idle_sleep_us, "10 to 10000"));
        }
        if !(-20..=19).contains(&workers.nice) {
            return Err(ConfigError::value("workers.nice", workers.nice, "-20 to 19"));
        }
        if !(1..=64).contains(&workers.max_gso_segments) {
            return Err(ConfigError::value("workers.max_gso_segments", workers.max_gso_segments, "1 to 64"));
        }
        self.record.check()?;
        self.broker.limits.check()?;
        self.broker.access.iter().try_for_each(|access| access.rule().map(drop))?;
        octal("broker.mode", &self.broker.mode)?;
        octal("api.mode", &self.api.mode)?;
        let shared = port_plan::dpdk(&self.dpdk)?;
        port_plan::check_seats(&port_plan::ports(&self.ports)?, &shared)?;
        match self.ports.first() {
            Some(port) if !cfg!(feature = "dpdk") => Err(ConfigError::NoPorts { port: port.name.clone() }),
            _ => Ok(()),
        }
    }
}

/// Permissions from octal text.
///
/// # Errors
/// [`ConfigError::Value`] for what is no octal number up to 0777.
pub fn octal(key: &str, text: &str) -> Result<u32, ConfigError> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(ConfigError::value(key, text, "permissions in octal, such as \"0660\"")),
    }
}

#[cfg(test)]
mod tests;
