//! Reads `flypackd.toml`, and refuses what cannot work before anything is opened.

use std::path::Path;

use crate::config::{Config, ConfigError, octal};
use crate::port_plan;

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

#[cfg(test)]
mod tests;
