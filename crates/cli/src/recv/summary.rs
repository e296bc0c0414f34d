//! What `recv` did.

use serde::Serialize;

/// A run, as it was.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// The flow.
    pub flow: String,
    /// Where frames were written.
    pub output: String,
    /// Frames written, the partial ones among them.
    pub frames_received: u64,
    /// Grains of the range that could not be read: never opened, overwritten, or passed by an eviction.
    pub frames_lost: u64,
    /// Frames that had lost lines.
    pub frames_partial: u64,
    /// Grains that their writer gave up.
    pub frames_cancelled: u64,
    /// Grains passed on purpose (`--newest`).
    pub frames_skipped: u64,
    /// Grains that were overwritten while they were read (lossy only).
    pub frames_torn: u64,
    /// Lines that were lost, in all frames.
    pub lines_lost: u64,
    /// How often this consumer was evicted and joined again.
    pub evictions: u64,
    /// Leaps of the index by more than ten seconds: the writer's clock was set.
    pub index_jumps: u64,
    /// Octets read in place, from the mapped ring.
    pub octets_in_place: u64,
    /// Octets copied out of the ring first, as its producer is not trusted.
    pub octets_copied: u64,
    /// Index of the first frame.
    pub first_index: Option<u64>,
    /// Index of the last frame.
    pub last_index: Option<u64>,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Why `recv` ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All frames that were asked for are there.
    Frames,
    /// SIGINT or SIGTERM.
    #[default]
    Signal,
    /// The producer, or the gateway, is gone.
    ProducerGone,
    /// Whoever read stdout has closed it.
    OutputClosed,
}

impl Summary {
    pub(super) fn text(&self) -> String {
        let stopped = match self.stopped {
            Stopped::Frames => "all frames are there",
            Stopped::Signal => "stopped by a signal",
            Stopped::ProducerGone => "the producer is gone",
            Stopped::OutputClosed => "the output was closed",
        };
        let rows = [
            ("received", self.frames_received),
            ("lost", self.frames_lost),
            ("partial", self.frames_partial),
            ("cancelled", self.frames_cancelled),
            ("skipped", self.frames_skipped),
            ("torn", self.frames_torn),
            ("lines lost", self.lines_lost),
            ("evictions", self.evictions),
            ("index jumps", self.index_jumps),
            ("octets in place", self.octets_in_place),
            ("octets copied", self.octets_copied),
        ];
        // What is usual is always shown, the rest when it happened.
        let shown = rows.iter().enumerate().filter(|(at, (_, value))| *at < 3 || *value > 0);
        let lines: String = shown.map(|(_, (name, value))| format!("  {name:<16} {value}\n")).collect();
        format!("{} -> {}: {stopped}\n{lines}", self.flow, self.output)
    }
}
