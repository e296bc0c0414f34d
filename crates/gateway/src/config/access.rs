//! `[broker.limits]` and `[[broker.access]]`: what pods may take, and which flows they may use.

use serde::Deserialize;
use shm::Limits;
use shm::broker::{FlowRule, Who};

use super::error::ConfigError;

/// `[broker.limits]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections of all pods.
    pub connections: u32,
    /// Connections of one user.
    pub connections_per_user: u32,
    /// Flows that pods produce.
    pub flows: u32,
    /// Flows that one user produces.
    pub flows_per_user: u32,
    /// Octets of one pod's ring, MiB.
    pub ring_mb: u32,
    /// Octets of all pods' rings, MiB.
    pub pods_mb: u32,
    /// Octets of one user's rings, MiB.
    pub user_mb: u32,
    /// Consumers of one flow that are of one user.
    pub consumers_per_user: u32,
    /// Slots of one ring that one user's consumers may hold.
    pub slots_per_user: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        let mebi = |octets: u64| (octets >> 20) as u32;
        Self {
            connections: limits.connections,
            connections_per_user: limits.connections_per_uid,
            flows: limits.flows,
            flows_per_user: limits.flows_per_uid,
            ring_mb: mebi(limits.ring_octets),
            pods_mb: mebi(limits.pod_octets),
            user_mb: mebi(limits.octets_per_uid),
            consumers_per_user: limits.consumers_per_uid,
            slots_per_user: limits.slots_per_uid,
        }
    }
}

impl LimitsConfig {
    /// As the broker takes them.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.connections,
            connections_per_uid: self.connections_per_user,
            flows: self.flows,
            flows_per_uid: self.flows_per_user,
            ring_octets: u64::from(self.ring_mb) << 20,
            pod_octets: u64::from(self.pods_mb) << 20,
            octets_per_uid: u64::from(self.user_mb) << 20,
            consumers_per_uid: self.consumers_per_user,
            slots_per_uid: self.slots_per_user,
            ..Limits::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let counts = [
            ("connections", self.connections),
            ("connections_per_user", self.connections_per_user),
            ("flows", self.flows),
        ];
        match counts.iter().find(|(_, value)| *value == 0) {
            Some((key, value)) => Err(ConfigError::value(format!("broker.limits.{key}"), value, "1 or more")),
            None => Ok(()),
        }
    }
}

/// `[[broker.access]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// Which flows: a name, or the beginning of names and `*`.
    pub flows: String,
    /// Users who may read them; none given, and no groups: everyone.
    pub read_uids: Option<Vec<u32>>,
    /// Groups who may read them.
    pub read_gids: Option<Vec<u32>>,
    /// Users who may produce them; none given, and no groups: everyone.
    pub produce_uids: Option<Vec<u32>>,
    /// Groups who may produce them.
    pub produce_gids: Option<Vec<u32>>,
}

impl AccessConfig {
    /// As the broker takes it.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a pattern that is none.
    pub fn rule(&self) -> Result<FlowRule, ConfigError> {
        let flows = self.flows.parse().map_err(|_| {
            ConfigError::value("broker.access.flows", &self.flows, "a flow's name, the beginning of names and *, or *")
        })?;
        let read = who(self.read_uids.as_ref(), self.read_gids.as_ref());
        Ok(FlowRule { flows, read, produce: who(self.produce_uids.as_ref(), self.produce_gids.as_ref()) })
    }
}

fn who(uids: Option<&Vec<u32>>, gids: Option<&Vec<u32>>) -> Who {
    match (uids, gids) {
        (None, None) => Who::Everyone,
        _ => Who::Listed { uids: uids.cloned().unwrap_or_default(), gids: gids.cloned().unwrap_or_default() },
    }
}
