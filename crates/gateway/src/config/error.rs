//! Why there is no configuration: which file, which key, and what would work.

use std::path::PathBuf;

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
