//! What the recorder is told.

use std::path::PathBuf;
use std::time::Duration;

/// Where recordings are, and how they are made.
#[derive(Clone, Debug)]
pub struct RecorderSettings {
    /// The folder of all recordings. Made when the first recording is.
    pub folder: PathBuf,
    /// How long the disk is tried before each recording; zero: not at all.
    pub trial: Duration,
    /// Grains that a recording may hold of its ring, at most: as long may the disk be late.
    pub hold_grains: u16,
}

impl Default for RecorderSettings {
    fn default() -> Self {
        Self { folder: PathBuf::from("/var/lib/flypack/recordings"), trial: Duration::from_secs(1), hold_grains: 4 }
    }
}
