//! The gRPC service of recordings and replays: requests in, [`crate::Archive`] calls, messages out.

use std::sync::Arc;

use tonic::{Code, Request, Response, Status};

use crate::intake::{self, IntakeError};
use crate::v1::{self, archive_server};
use crate::{
    ArchiveError, ArchiveState, CaptureSpec, CaptureStatus, Controller, Dataplane, InjectSpec, InjectionPace,
    InjectionStatus, RecordSpec, RecordingStatus, ReplayEnding, ReplaySpec, ReplayStatus, ReplayTiming, SpecError,
    report,
};

/// `flypack.v1.Archive` over one controller's data plane.
pub(crate) struct ArchiveService<D> {
    controller: Arc<Controller<D>>,
}

impl<D: Dataplane> ArchiveService<D> {
    pub(crate) fn new(controller: Arc<Controller<D>>) -> Self {
        Self { controller }
    }

    /// Runs what waits for a disk away from the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&D) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, Status> {
        let controller = Arc::clone(&self.controller);
        match tokio::task::spawn_blocking(move || work(controller.dataplane())).await {
            Ok(done) => done.map_err(Status::from),
            Err(_) => Err(Status::internal("the gateway failed at this request; its log says where")),
        }
    }
}

#[tonic::async_trait]
impl<D: Dataplane> archive_server::Archive for ArchiveService<D> {
    async fn start_recording(
        &self,
        request: Request<v1::StartRecordingRequest>,
    ) -> Result<Response<v1::StartRecordingResponse>, Status> {
        let request = request.into_inner();
        let flow = intake::name("flow", &request.flow)?;
        let some = |number: u32| (number > 0).then_some(number);
        let spec =
            RecordSpec { flow, file: request.file, grains: some(request.grains), seconds: some(request.seconds) };
        let status = self.blocking(move |archive| archive.start_recording(&spec)).await?;
        Ok(Response::new(v1::StartRecordingResponse { recording: Some(recording(status)) }))
    }

    async fn stop_recording(
        &self,
        request: Request<v1::StopRecordingRequest>,
    ) -> Result<Response<v1::StopRecordingResponse>, Status> {
        let id = request.into_inner().id;
        let status = self.blocking(move |archive| archive.stop_recording(id)).await?;
        Ok(Response::new(v1::StopRecordingResponse { recording: Some(recording(status)) }))
    }

    async fn list_recordings(
        &self,
        _: Request<v1::ListRecordingsRequest>,
    ) -> Result<Response<v1::ListRecordingsResponse>, Status> {
        let recordings = self.blocking(|archive| Ok(archive.recordings())).await?;
        Ok(Response::new(v1::ListRecordingsResponse { recordings: recordings.into_iter().map(recording).collect() }))
    }

    async fn start_replay(
        &self,
        request: Request<v1::StartReplayRequest>,
    ) -> Result<Response<v1::StartReplayResponse>, Status> {
        let spec = replay_spec(request.into_inner())?;
        let status = self.blocking(move |archive| archive.start_replay(&spec)).await?;
        Ok(Response::new(v1::StartReplayResponse { replay: Some(replay(status)) }))
    }

    async fn stop_replay(
        &self,
        request: Request<v1::StopReplayRequest>,
    ) -> Result<Response<v1::StopReplayResponse>, Status> {
        let flow = intake::name("flow", &request.into_inner().flow)?;
        let status = self.blocking(move |archive| archive.stop_replay(&flow)).await?;
        Ok(Response::new(v1::StopReplayResponse { replay: Some(replay(status)) }))
    }

    async fn list_replays(
        &self,
        _: Request<v1::ListReplaysRequest>,
    ) -> Result<Response<v1::ListReplaysResponse>, Status> {
        let replays = self.blocking(|archive| Ok(archive.replays())).await?;
        Ok(Response::new(v1::ListReplaysResponse { replays: replays.into_iter().map(replay).collect() }))
    }

    async fn start_capture(
        &self,
        request: Request<v1::StartCaptureRequest>,
    ) -> Result<Response<v1::StartCaptureResponse>, Status> {
        let spec = capture_spec(request.into_inner())?;
        let status = self.blocking(move |archive| archive.start_capture(&spec)).await?;
        Ok(Response::new(v1::StartCaptureResponse { capture: Some(capture(status)) }))
    }

    async fn stop_capture(
        &self,
        request: Request<v1::StopCaptureRequest>,
    ) -> Result<Response<v1::StopCaptureResponse>, Status> {
        let port = intake::name("port", &request.into_inner().port)?;
        let status = self.blocking(move |archive| archive.stop_capture(&port)).await?;
        Ok(Response::new(v1::StopCaptureResponse { capture: Some(capture(status)) }))
    }

    async fn list_captures(
        &self,
        _: Request<v1::ListCapturesRequest>,
    ) -> Result<Response<v1::ListCapturesResponse>, Status> {
        let captures = self.blocking(|archive| Ok(archive.captures())).await?;
        Ok(Response::new(v1::ListCapturesResponse { captures: captures.into_iter().map(capture).collect() }))
    }

    async fn start_injection(
        &self,
        request: Request<v1::StartInjectionRequest>,
    ) -> Result<Response<v1::StartInjectionResponse>, Status> {
        let spec = inject_spec(request.into_inner())?;
        let status = self.blocking(move |archive| archive.start_injection(&spec)).await?;
        Ok(Response::new(v1::StartInjectionResponse { injection: Some(injection(status)) }))
    }

    async fn stop_injection(
        &self,
        request: Request<v1::StopInjectionRequest>,
    ) -> Result<Response<v1::StopInjectionResponse>, Status> {
        let port = intake::name("port", &request.into_inner().port)?;
        let status = self.blocking(move |archive| archive.stop_injection(&port)).await?;
        Ok(Response::new(v1::StopInjectionResponse { injection: Some(injection(status)) }))
    }

    async fn list_injections(
        &self,
        _: Request<v1::ListInjectionsRequest>,
    ) -> Result<Response<v1::ListInjectionsResponse>, Status> {
        let injections = self.blocking(|archive| Ok(archive.injections())).await?;
        Ok(Response::new(v1::ListInjectionsResponse { injections: injections.into_iter().map(injection).collect() }))
    }
}

fn inject_spec(request: v1::StartInjectionRequest) -> Result<InjectSpec, IntakeError> {
    let known = "0 or 1 (as recorded), 2 (as fast as the port takes them)";
    let pace = match v1::InjectionPace::try_from(request.pace) {
        Ok(v1::InjectionPace::Unspecified | v1::InjectionPace::Recorded) => InjectionPace::Recorded,
        Ok(v1::InjectionPace::Unpaced) => InjectionPace::Unpaced,
        Err(_) => return Err(IntakeError::Choice { field: "pace", value: request.pace, known }),
    };
    let ending = if request.repeat { ReplayEnding::Repeat } else { ReplayEnding::Stop };
    Ok(InjectSpec { port: intake::name("port", &request.port)?, file: request.file, ending, pace })
}

fn injection(status: InjectionStatus) -> v1::Injection {
    v1::Injection {
        port: status.port.to_string(),
        path: status.path,
        state: state(status.state).into(),
        trouble: status.trouble.unwrap_or_default(),
        packets: status.packets,
        packets_dropped: status.packets_dropped,
        packets_skipped: status.packets_skipped,
        longest_late_us: status.longest_late_us,
        rounds: status.rounds,
    }
}

fn capture_spec(request: v1::StartCaptureRequest) -> Result<CaptureSpec, Status> {
    let given = |field, value: u32, default: u32, min: u32, max: u32| match value {
        0 => Ok(default),
        value if (min..=max).contains(&value) => Ok(value),
        value => Err(ArchiveError::Range { field, value, min, max }),
    };
    let (min, max) = (CaptureSpec::SNAP_OCTETS_MIN.into(), CaptureSpec::SNAP_OCTETS_MAX.into());
    Ok(CaptureSpec {
        port: intake::name("port", &request.port)?,
        file: request.file,
        packets: given("packets", request.packets, 10_000, 1, CaptureSpec::PACKETS_MAX)?,
        seconds: (request.seconds > 0).then_some(request.seconds),
        sample: request.sample.max(1),
        // At most 9,216.
        snap_octets: given("snap_octets", request.snap_octets, 128, min, max)? as u16,
    })
}

fn capture(status: CaptureStatus) -> v1::Capture {
    v1::Capture {
        port: status.port.to_string(),
        path: status.path,
        state: state(status.state).into(),
        trouble: status.trouble.unwrap_or_default(),
        packets: status.packets,
        packets_seen: status.packets_seen,
        packets_dropped: status.packets_dropped,
    }
}

fn replay_spec(request: v1::StartReplayRequest) -> Result<ReplaySpec, IntakeError> {
    let known = "0 or 1 (as recorded), 2 (one each period)";
    let timing = match v1::ReplayTiming::try_from(request.timing) {
        Ok(v1::ReplayTiming::Unspecified | v1::ReplayTiming::Recorded) => ReplayTiming::Recorded,
        Ok(v1::ReplayTiming::Dense) => ReplayTiming::Dense,
        Err(_) => return Err(IntakeError::Choice { field: "timing", value: request.timing, known }),
    };
    let slots = match request.slots {
        0 => None,
        slots @ 4..=1024 => Some(slots as u16),
        slots => return Err(SpecError::Slots { slots }.into()),
    };
    Ok(ReplaySpec {
        flow: intake::name("flow", &request.flow)?,
        file: request.file,
        ending: if request.repeat { ReplayEnding::Repeat } else { ReplayEnding::Stop },
        timing,
        slots,
    })
}

fn recording(status: RecordingStatus) -> v1::Recording {
    v1::Recording {
        id: status.id,
        flow: status.flow.to_string(),
        path: status.path,
        format: Some(report::video(&status.format)),
        state: state(status.state).into(),
        trouble: status.trouble.unwrap_or_default(),
        grains: status.grains,
        octets: status.octets,
        grains_lost: status.grains_lost,
        grains_cancelled: status.grains_cancelled,
        lines_lost: status.lines_lost,
        evictions: status.evictions,
        slow_writes: status.slow_writes,
        longest_write_us: status.longest_write_us,
        disk_octets_per_second: status.disk_octets_per_second,
        needed_octets_per_second: status.needed_octets_per_second,
    }
}

fn replay(status: ReplayStatus) -> v1::Replay {
    v1::Replay {
        flow: status.flow.to_string(),
        path: status.path,
        format: Some(report::video(&status.format)),
        state: state(status.state).into(),
        trouble: status.trouble.unwrap_or_default(),
        grains: status.grains,
        grains_played: status.grains_played,
        grains_late: status.grains_late,
        grains_no_slot: status.grains_no_slot,
        rounds: status.rounds,
    }
}

fn state(state: ArchiveState) -> v1::ArchiveState {
    match state {
        ArchiveState::Running => v1::ArchiveState::Running,
        ArchiveState::Done => v1::ArchiveState::Done,
        ArchiveState::Stopped => v1::ArchiveState::Stopped,
        ArchiveState::FlowEnded => v1::ArchiveState::FlowEnded,
        ArchiveState::DiskFull => v1::ArchiveState::DiskFull,
        ArchiveState::Failed => v1::ArchiveState::Failed,
    }
}

impl From<ArchiveError> for Status {
    fn from(refusal: ArchiveError) -> Self {
        let code = match &refusal {
            ArchiveError::NoFlow { .. }
            | ArchiveError::NoFile { .. }
            | ArchiveError::NoRecording { .. }
            | ArchiveError::NoReplay { .. }
            | ArchiveError::NoPort { .. }
            | ArchiveError::NoCapture { .. }
            | ArchiveError::NoInjection { .. } => Code::NotFound,
            ArchiveError::NotVideo { .. }
            | ArchiveError::Outside { .. }
            | ArchiveError::Range { .. }
            | ArchiveError::NoCaptureFile { .. } => Code::InvalidArgument,
            ArchiveError::FileExists { .. } => Code::AlreadyExists,
            ArchiveError::SlowDisk { .. } | ArchiveError::NoRoom { .. } | ArchiveError::TooMany { .. } => {
                Code::ResourceExhausted
            }
            ArchiveError::Absent
            | ArchiveError::File { .. }
            | ArchiveError::NotDirect { .. }
            | ArchiveError::Index { .. }
            | ArchiveError::Empty { .. }
            | ArchiveError::Refused(_) => Code::FailedPrecondition,
            ArchiveError::Stopping => Code::Unavailable,
        };
        Self::new(code, refusal.to_string())
    }
}
