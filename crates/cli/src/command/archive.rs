//! `record`, `replay`, `recordings` and `capture`: thin over the API. The gateway does it all; this only watches.

use std::thread;
use std::time::Duration;

use control::{Endpoint, v1};

use crate::arguments::{Capture, Record, RecordingAction, Replay, ReplayTiming};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::view::{CaptureView, RecordingView, RecordingsView, ReplayView};
use crate::{Exit, Failure};

/// Between two looks at what goes on.
pub(super) const LOOK: Duration = Duration::from_millis(200);

pub(super) fn record(endpoint: &Endpoint, arguments: Record, printer: Printer) -> Result<Exit, Failure> {
    let stop = Stop::at_signals()?;
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let Record { flow, file, seconds, grains, detach } = arguments;
    let request = v1::StartRecordingRequest {
        flow: flow.to_string(),
        file,
        grains: grains.unwrap_or(0),
        seconds: seconds.unwrap_or(0),
    };
    let answer = gateway.archive(async |client| client.start_recording(request).await)?;
    let mut recording = answer.recording.unwrap_or_default();
    let mut progress = Progress::new(printer, "recorded");
    while !detach && recording.state() == v1::ArchiveState::Running {
        thread::sleep(LOOK);
        recording = if stop.is_raised() {
            let request = v1::StopRecordingRequest { id: recording.id };
            gateway.archive(async |client| client.stop_recording(request).await)?.recording.unwrap_or_default()
        } else {
            look_at_recording(&mut gateway, recording.id)?
        };
        let view = || RecordingView::from(recording.clone());
        progress.update(recording.grains.into(), grains.map(Into::into), || with_comma(view().remarks()));
    }
    drop(progress);
    let exit = exit(recording.state(), grains.is_some() || seconds.is_some());
    let view = RecordingView::from(recording);
    printer.result(&view, || view.text())?;
    Ok(exit)
}

fn look_at_recording(gateway: &mut Gateway, id: u32) -> Result<v1::Recording, Failure> {
    let answer = gateway.archive(async |client| client.list_recordings(v1::ListRecordingsRequest {}).await)?;
    let found = answer.recordings.into_iter().find(|recording| recording.id == id);
    found.ok_or_else(|| tonic::Status::not_found(format!("the gateway has forgotten recording {id}")).into())
}

pub(super) fn replay(endpoint: &Endpoint, arguments: Replay, printer: Printer) -> Result<Exit, Failure> {
    let stop = Stop::at_signals()?;
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let Replay { file, flow, repeat, timing, slots, detach } = arguments;
    let timing = match timing {
        ReplayTiming::Recorded => v1::ReplayTiming::Recorded,
        ReplayTiming::Dense => v1::ReplayTiming::Dense,
    };
    let (flow, slots) = (flow.to_string(), slots.unwrap_or(0));
    let request = v1::StartReplayRequest { file, flow: flow.clone(), repeat, timing: timing.into(), slots };
    let mut replay = gateway.archive(async |client| client.start_replay(request).await)?.replay.unwrap_or_default();
    let of = (!repeat).then_some(u64::from(replay.grains));
    let mut progress = Progress::new(printer, "played");
    while !detach && replay.state() == v1::ArchiveState::Running {
        thread::sleep(LOOK);
        replay = if stop.is_raised() {
            let request = v1::StopReplayRequest { flow: flow.clone() };
            gateway.archive(async |client| client.stop_replay(request).await)?.replay.unwrap_or_default()
        } else {
            look_at_replay(&mut gateway, &flow)?
        };
        let view = || ReplayView::from(replay.clone());
        progress.update(replay.grains_played, of, || with_comma(view().remarks()));
    }
    drop(progress);
    let exit = exit(replay.state(), true);
    let view = ReplayView::from(replay);
    printer.result(&view, || view.text())?;
    Ok(exit)
}

fn look_at_replay(gateway: &mut Gateway, flow: &str) -> Result<v1::Replay, Failure> {
    let answer = gateway.archive(async |client| client.list_replays(v1::ListReplaysRequest {}).await)?;
    let found = answer.replays.into_iter().find(|replay| replay.flow == flow);
    found.ok_or_else(|| tonic::Status::not_found(format!("somebody else has stopped the replay {flow}")).into())
}

pub(super) fn capture(endpoint: &Endpoint, arguments: Capture, printer: Printer) -> Result<Exit, Failure> {
    let stop = Stop::at_signals()?;
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let Capture { port, file, packets, seconds, sample, snap_octets } = arguments;
    let (port, seconds) = (port.to_string(), seconds.unwrap_or(0));
    let request = v1::StartCaptureRequest { port: port.clone(), file, packets, seconds, sample, snap_octets };
    let mut capture = gateway.archive(async |client| client.start_capture(request).await)?.capture.unwrap_or_default();
    while capture.state() == v1::ArchiveState::Running {
        thread::sleep(LOOK);
        capture = if stop.is_raised() {
            let request = v1::StopCaptureRequest { port: port.clone() };
            gateway.archive(async |client| client.stop_capture(request).await)?.capture.unwrap_or_default()
        } else {
            let answer = gateway.archive(async |client| client.list_captures(v1::ListCapturesRequest {}).await)?;
            let found = answer.captures.into_iter().find(|capture| capture.port == port);
            let gone = || tonic::Status::not_found(format!("somebody else has stopped the capture of {port}"));
            found.ok_or_else(gone)?
        };
    }
    let exit = exit(capture.state(), true);
    let view = CaptureView::from(capture);
    printer.result(&view, || view.text())?;
    Ok(exit)
}

pub(super) fn recordings(
    endpoint: &Endpoint,
    action: Option<RecordingAction>,
    printer: Printer,
) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    match action.unwrap_or(RecordingAction::List) {
        RecordingAction::List => {
            let recordings =
                gateway.archive(async |client| client.list_recordings(v1::ListRecordingsRequest {}).await)?.recordings;
            let replays = gateway.archive(async |client| client.list_replays(v1::ListReplaysRequest {}).await)?.replays;
            let view = RecordingsView {
                recordings: recordings.into_iter().map(Into::into).collect(),
                replays: replays.into_iter().map(Into::into).collect(),
            };
            printer.result(&view, || view.text())?;
        }
        RecordingAction::Stop { id } => {
            let request = v1::StopRecordingRequest { id };
            let answer = gateway.archive(async |client| client.stop_recording(request).await)?;
            let view = RecordingView::from(answer.recording.unwrap_or_default());
            printer.result(&view, || view.text())?;
        }
        RecordingAction::StopReplay { flow } => {
            let request = v1::StopReplayRequest { flow: flow.to_string() };
            let answer = gateway.archive(async |client| client.stop_replay(request).await)?;
            let view = ReplayView::from(answer.replay.unwrap_or_default());
            printer.result(&view, || view.text())?;
        }
    }
    Ok(Exit::Success)
}

/// The flow's end is one where nobody said how much of it was wanted.
pub(super) fn exit(state: v1::ArchiveState, is_bounded: bool) -> Exit {
    match state {
        v1::ArchiveState::Running | v1::ArchiveState::Done | v1::ArchiveState::Stopped => Exit::Success,
        v1::ArchiveState::FlowEnded if is_bounded => Exit::FlowEnded,
        v1::ArchiveState::FlowEnded => Exit::Success,
        v1::ArchiveState::DiskFull | v1::ArchiveState::Failed | v1::ArchiveState::Unspecified => Exit::Failure,
    }
}

fn with_comma(remarks: String) -> String {
    if remarks.is_empty() { remarks } else { format!(", {remarks}") }
}
