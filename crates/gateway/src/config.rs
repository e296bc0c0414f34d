//! What `flypackd.toml` says, with defaults.
//!
//! The sample in `deploy/flypackd.toml` documents every key and is parsed by a test. Unknown keys are errors. Files are read,
//! and checked, by `config_file`.

mod access;
mod broker;
mod error;
mod port;
mod receiver;
mod record;
mod relay;
mod sender;
mod store;
mod workers;

use serde::Deserialize;

pub use access::{AccessConfig, LimitsConfig};
pub use broker::{BrokerSection, PagesConfig};
pub use error::ConfigError;
pub use port::{ArrivalConfig, DpdkConfig, DpdkMemoryConfig, IovaConfig, PacingConfig, PortConfig};
pub use receiver::ReceiverConfig;
pub use record::RecordConfig;
pub use relay::RelayConfig;
pub use sender::SenderConfig;
pub use store::StoreConfig;
pub use workers::{IdleConfig, WorkersConfig};

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

/// `[[crosspoint]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrosspointConfig {
    /// A sender.
    pub destination: String,
    /// A flow.
    pub source: String,
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
