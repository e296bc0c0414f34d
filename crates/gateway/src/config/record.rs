//! `[record]`: where recordings are, and how the disk is treated.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::ConfigError;
use crate::recorder::RecorderSettings;

/// `[record]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// The folder of all recordings.
    pub folder: PathBuf,
    /// How long the disk is tried before a recording.
    pub trial_ms: u32,
    /// Grains that a recording holds at most.
    pub hold_grains: u16,
}

impl Default for RecordConfig {
    fn default() -> Self {
        let RecorderSettings { folder, trial, hold_grains } = RecorderSettings::default();
        Self { folder, trial_ms: trial.as_millis() as u32, hold_grains }
    }
}

impl RecordConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.trial_ms > 10_000 {
            return Err(ConfigError::value("record.trial_ms", self.trial_ms, "0 to 10000"));
        }
        if !(2..=64).contains(&self.hold_grains) {
            return Err(ConfigError::value("record.hold_grains", self.hold_grains, "2 to 64"));
        }
        Ok(())
    }

    /// As the recorder takes it.
    #[must_use]
    pub fn settings(&self) -> RecorderSettings {
        let trial = Duration::from_millis(self.trial_ms.into());
        RecorderSettings { folder: self.folder.clone(), trial, hold_grains: self.hold_grains }
    }
}
