//! What both ends of a run found.

use serde::Serialize;

use crate::plan::Plan;
use crate::plane::Outcome;
use crate::{Machine, Verdict};

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) command: String,
    pub(super) plan: Plan,
    pub(super) device: String,
    pub(super) machine: Machine,
    pub(super) sender: Outcome,
    /// Where the server runs.
    pub(super) server: serde_json::Value,
    pub(super) receiver: Outcome,
}

impl Report {
    pub(super) fn verdict(&self) -> Verdict {
        if self.sender.is_whole() && self.receiver.is_whole() { Verdict::Whole } else { Verdict::Lossy }
    }

    pub(super) fn text(&self) -> String {
        format!(
            "\n{}\n{}; by {}\nsender, {}receiver, {}",
            self.machine.text(),
            self.plan.text(),
            self.device,
            self.sender.text(),
            self.receiver.text()
        )
    }
}
