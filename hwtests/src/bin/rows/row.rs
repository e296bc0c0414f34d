//! A row of the table: what is measured, what is promised, what was found.

use serde::Serialize;
use serde_json::Value;

/// What is measured.
pub(crate) struct Row {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) what: &'static str,
    /// What is promised.
    pub(crate) target: &'static str,
    /// Measures it.
    pub(crate) measure: fn(&crate::place::Place) -> anyhow::Result<Found>,
}

/// What a row's measurement found.
pub(crate) struct Found {
    /// In words.
    pub(crate) measured: String,
    /// Whether that is what is promised; none where nothing is.
    pub(crate) is_met: Option<bool>,
    /// All of it, for programs.
    pub(crate) details: Value,
}

/// A row as it is written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Written {
    row: &'static str,
    what: &'static str,
    target: &'static str,
    measured: String,
    is_met: Option<bool>,
    seconds: f64,
    details: Value,
}

impl Found {
    /// Of what is promised.
    pub(crate) fn met(is_met: bool, measured: String, details: Value) -> Self {
        Self { measured, is_met: Some(is_met), details }
    }
}

impl Written {
    /// Of a measurement that took so many seconds; one that failed meets nothing.
    pub(crate) fn of(row: &Row, found: anyhow::Result<Found>, seconds: f64) -> Self {
        let found = found.unwrap_or_else(|error| Found {
            measured: format!("NOT MEASURED: {error:#}"),
            is_met: Some(false),
            details: Value::Null,
        });
        let Found { measured, is_met, details } = found;
        Self { row: row.name, what: row.what, target: row.target, measured, is_met, seconds, details }
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let word = match self.is_met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "reported",
        };
        format!("{:<14} {word:<8} ({:.0} s; target {}) {}", self.row, self.seconds, self.target, self.measured)
    }

    /// Whether it is not what is promised.
    pub(crate) fn is_missed(&self) -> bool {
        self.is_met == Some(false)
    }
}
