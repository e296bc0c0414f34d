//! `[workers]`: threads of the kernel's sockets, and what all workers do alike.

use serde::Deserialize;

use super::store::StoreConfig;

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
