//! Recordings, replays and captures as printed.

use control::v1;
use serde::Serialize;

use super::{FormatView, present};
use crate::table::Table;

/// A recording.
#[derive(Debug, Serialize)]
pub struct RecordingView {
    /// Its number.
    pub id: u32,
    /// The flow.
    pub flow: String,
    /// Where the grains are on the gateway's disk.
    pub path: String,
    /// What they are.
    pub format: FormatView,
    /// "running", "done", "stopped", "flow_ended", "disk_full" or "failed".
    pub state: &'static str,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Grains in the file.
    pub grains: u32,
    /// Octets of the file.
    pub octets: u64,
    /// Grains of the flow that are not in it.
    pub grains_lost: u64,
    /// Grains that their writer gave up.
    pub grains_cancelled: u64,
    /// Lines that were lost before they came here.
    pub lines_lost: u64,
    /// How often the ring evicted the recorder.
    pub evictions: u64,
    /// Writes that took longer than a frame period.
    pub slow_writes: u64,
    /// The longest write, microseconds.
    pub longest_write_us: u64,
    /// What the disk took in its trial; null where it was not tried.
    pub disk_octets_per_second: Option<u64>,
    /// What the flow needs.
    pub needed_octets_per_second: u64,
}

/// A replay.
#[derive(Debug, Serialize)]
pub struct ReplayView {
    /// The flow.
    pub flow: String,
    /// The file on the gateway's disk.
    pub path: String,
    /// What it plays.
    pub format: FormatView,
    /// As of a recording.
    pub state: &'static str,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Grains of the recording.
    pub grains: u32,
    /// Grains that were played, over all rounds.
    pub grains_played: u64,
    /// Grains that were left out, as the disk was late.
    pub grains_late: u64,
    /// Grains for which the ring had no slot.
    pub grains_no_slot: u64,
    /// Rounds that were completed.
    pub rounds: u64,
}

/// `capture`.
#[derive(Debug, Serialize)]
pub struct CaptureView {
    /// The port.
    pub port: String,
    /// The file on the gateway's disk.
    pub path: String,
    /// As of a recording.
    pub state: &'static str,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Packets in the file.
    pub packets: u64,
    /// Packets that passed the port meanwhile.
    pub packets_seen: u64,
    /// Packets that were to be taken, and were not.
    pub packets_dropped: u64,
}

/// `recordings`.
#[derive(Debug, Serialize)]
pub struct RecordingsView {
    /// By number.
    pub recordings: Vec<RecordingView>,
    /// By flow.
    pub replays: Vec<ReplayView>,
}

pub(super) fn state(state: v1::ArchiveState) -> &'static str {
    match state {
        v1::ArchiveState::Running => "running",
        v1::ArchiveState::Done => "done",
        v1::ArchiveState::Stopped => "stopped",
        v1::ArchiveState::FlowEnded => "flow_ended",
        v1::ArchiveState::DiskFull => "disk_full",
        v1::ArchiveState::Failed | v1::ArchiveState::Unspecified => "failed",
    }
}

impl From<v1::Recording> for RecordingView {
    fn from(recording: v1::Recording) -> Self {
        Self {
            state: state(recording.state()),
            id: recording.id,
            flow: recording.flow,
            path: recording.path,
            format: recording.format.unwrap_or_default().into(),
            trouble: present(recording.trouble),
            grains: recording.grains,
            octets: recording.octets,
            grains_lost: recording.grains_lost,
            grains_cancelled: recording.grains_cancelled,
            lines_lost: recording.lines_lost,
            evictions: recording.evictions,
            slow_writes: recording.slow_writes,
            longest_write_us: recording.longest_write_us,
            disk_octets_per_second: Some(recording.disk_octets_per_second).filter(|rate| *rate > 0),
            needed_octets_per_second: recording.needed_octets_per_second,
        }
    }
}

impl From<v1::Replay> for ReplayView {
    fn from(replay: v1::Replay) -> Self {
        Self {
            state: state(replay.state()),
            flow: replay.flow,
            path: replay.path,
            format: replay.format.unwrap_or_default().into(),
            trouble: present(replay.trouble),
            grains: replay.grains,
            grains_played: replay.grains_played,
            grains_late: replay.grains_late,
            grains_no_slot: replay.grains_no_slot,
            rounds: replay.rounds,
        }
    }
}

impl From<v1::Capture> for CaptureView {
    fn from(capture: v1::Capture) -> Self {
        Self {
            state: state(capture.state()),
            port: capture.port,
            path: capture.path,
            trouble: present(capture.trouble),
            packets: capture.packets,
            packets_seen: capture.packets_seen,
            packets_dropped: capture.packets_dropped,
        }
    }
}

impl CaptureView {
    pub(crate) fn text(&self) -> String {
        let Self { port, path, state, packets, packets_seen, packets_dropped, .. } = self;
        let text = format!(
            "{port} -> {path}: {state}\n  captured         {packets}\n  passed           {packets_seen}\n  \
             no room          {packets_dropped}\n"
        );
        text + &self.trouble.iter().map(|trouble| format!("  {trouble}\n")).collect::<String>()
    }
}

/// What went wrong, where something did: "2 lost, 1 evictions".
fn remarks(counters: &[(&str, u64)]) -> String {
    let some = counters.iter().filter(|(_, value)| *value > 0);
    some.map(|(name, value)| format!("{value} {name}")).collect::<Vec<_>>().join(", ")
}

impl RecordingView {
    pub(crate) fn remarks(&self) -> String {
        remarks(&[
            ("lost", self.grains_lost),
            ("cancelled", self.grains_cancelled),
            ("lines lost", self.lines_lost),
            ("evictions", self.evictions),
            ("slow writes", self.slow_writes),
        ])
    }

    pub(crate) fn text(&self) -> String {
        let Self { id, flow, path, state, grains, .. } = self;
        let mut text = format!("recording {id}: {flow} -> {path}: {state}\n  grains           {grains}\n");
        text += &format!("  MB               {}\n", self.octets / 1_000_000);
        text += &format!("  lost             {}\n", self.grains_lost);
        text += &format!("  longest write    {} ms\n", self.longest_write_us.div_ceil(1000));
        let needed = self.needed_octets_per_second / 1_000_000;
        if let Some(took) = self.disk_octets_per_second {
            text += &format!("  disk             {} MB/s in its trial, {needed} needed\n", took / 1_000_000);
        }
        let remarks = self.remarks();
        if !remarks.is_empty() {
            text += &format!("  remarks          {remarks}\n");
        }
        text + &self.trouble.iter().map(|trouble| format!("  {trouble}\n")).collect::<String>()
    }
}

impl ReplayView {
    pub(crate) fn remarks(&self) -> String {
        remarks(&[("late", self.grains_late), ("no slot", self.grains_no_slot)])
    }

    pub(crate) fn text(&self) -> String {
        let Self { flow, path, state, grains_played, grains, rounds, .. } = self;
        let mut text = format!("{path} -> {flow}: {state}\n  played           {grains_played}\n");
        text += &format!("  rounds           {rounds} of {grains} grains\n");
        let remarks = self.remarks();
        if !remarks.is_empty() {
            text += &format!("  remarks          {remarks}\n");
        }
        text + &self.trouble.iter().map(|trouble| format!("  {trouble}\n")).collect::<String>()
    }
}

impl RecordingsView {
    pub(crate) fn text(&self) -> String {
        if self.recordings.is_empty() && self.replays.is_empty() {
            return "nothing is recorded or played; `flypack record FLOW FILE` and `flypack replay FILE --as FLOW` do\n"
                .to_owned();
        }
        let mut recordings = Table::new(&["ID", "FLOW", "PATH", "FORMAT", "STATE", "GRAINS", "MB", "REMARKS"]);
        for view in &self.recordings {
            let (grains, megaoctets) = (view.grains.to_string(), (view.octets / 1_000_000).to_string());
            let remarks = view.trouble.clone().unwrap_or_else(|| view.remarks());
            let (id, state) = (view.id.to_string(), view.state.to_owned());
            let (flow, path) = (view.flow.clone(), view.path.clone());
            recordings.row([id, flow, path, view.format.text(), state, grains, megaoctets, remarks]);
        }
        let mut replays = Table::new(&["REPLAY", "PATH", "FORMAT", "STATE", "PLAYED", "ROUNDS", "REMARKS"]);
        for view in &self.replays {
            let remarks = view.trouble.clone().unwrap_or_else(|| view.remarks());
            let (flow, path, state) = (view.flow.clone(), view.path.clone(), view.state.to_owned());
            let (played, rounds) = (view.grains_played.to_string(), view.rounds.to_string());
            replays.row([flow, path, view.format.text(), state, played, rounds, remarks]);
        }
        let shown = [recordings, replays].into_iter().filter(|table| !table.is_empty());
        shown.map(|table| table.render()).collect::<Vec<_>>().join("\n")
    }
}
