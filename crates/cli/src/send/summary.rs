//! What `send` did.

use serde::Serialize;

/// A run, as it was.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// The flow.
    pub flow: String,
    /// Frames that were committed to the ring.
    pub frames_sent: u64,
    /// Frames for which no slot was free.
    pub frames_dropped: u64,
    /// Places on the grid that stayed empty, as the input was late.
    pub indices_skipped: u64,
    /// Index of the first frame.
    pub first_index: Option<u64>,
    /// Index of the last frame.
    pub last_index: Option<u64>,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Why `send` ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The input is at its end.
    #[default]
    InputEnded,
    /// All frames that were asked for are sent.
    Frames,
    /// SIGINT or SIGTERM.
    Signal,
}

impl Summary {
    pub(super) fn text(&self) -> String {
        let stopped = match self.stopped {
            Stopped::InputEnded => "the input is at its end",
            Stopped::Frames => "all frames are sent",
            Stopped::Signal => "stopped by a signal",
        };
        let Self { flow, frames_sent, frames_dropped, indices_skipped, .. } = self;
        format!(
            "{flow}: {stopped}\n  sent             {frames_sent}\n  no slot free     {frames_dropped}\n  \
             grid skipped     {indices_skipped}\n"
        )
    }
}
