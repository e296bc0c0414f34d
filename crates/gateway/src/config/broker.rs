//! `[broker]`: the rings and the socket of pods.

use std::path::PathBuf;

use serde::Deserialize;

use super::access::{AccessConfig, LimitsConfig};

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
