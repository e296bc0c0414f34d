//! What a check has found, and what to do about it.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The gateway works, less well.
    Warn,
    /// The gateway does not work.
    Fail,
}

/// One thing that was looked at. `flypack doctor` reads these as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: "port media-a", "hugepages of ports and rings".
    pub name: String,
    /// How it came out.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do, mostly a command.
    pub fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Ok, found: found.into(), fix: None }
    }

    pub(super) fn warn(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Warn, found: found.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fail(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), level: Level::Fail, found: found.into(), fix: Some(fix.into()) }
    }
}
