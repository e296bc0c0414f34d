//! Recordings and replays of this node's flows.

use control::{
    Archive, ArchiveError, CaptureSpec, CaptureStatus, InjectSpec, InjectionStatus, RecordSpec, RecordingStatus,
    ReplaySpec, ReplayStatus,
};
use media::{FlowFormat, Name};
use shm::{ConsumerClass, FrameReader, FrameWriter, Standing, SubscribeError};

use super::Gateway;
use crate::engine::Engine;
use crate::memory;
use crate::recorder::Flows;

impl Archive for Gateway {
    fn start_recording(&self, spec: &RecordSpec) -> Result<RecordingStatus, ArchiveError> {
        self.0.recorder.record(self.clone(), spec)
    }

    fn stop_recording(&self, id: u32) -> Result<RecordingStatus, ArchiveError> {
        self.0.recorder.stop_recording(id)
    }

    fn recordings(&self) -> Vec<RecordingStatus> {
        self.0.recorder.recordings()
    }

    fn start_replay(&self, spec: &ReplaySpec) -> Result<ReplayStatus, ArchiveError> {
        self.0.recorder.replay(self.clone(), spec)
    }

    fn stop_replay(&self, flow: &Name) -> Result<ReplayStatus, ArchiveError> {
        self.0.recorder.stop_replay(flow)
    }

    fn replays(&self) -> Vec<ReplayStatus> {
        self.0.recorder.replays()
    }

    fn start_capture(&self, spec: &CaptureSpec) -> Result<CaptureStatus, ArchiveError> {
        let tap = self.of_port(&spec.port, |engine| engine.capture_tap(&spec.port))?;
        self.0.recorder.capture(tap, spec)
    }

    fn stop_capture(&self, port: &Name) -> Result<CaptureStatus, ArchiveError> {
        self.0.recorder.stop_capture(port)
    }

    fn captures(&self) -> Vec<CaptureStatus> {
        self.0.recorder.captures()
    }

    fn start_injection(&self, spec: &InjectSpec) -> Result<InjectionStatus, ArchiveError> {
        let inlet = self.of_port(&spec.port, |engine| engine.inlet(&spec.port))?;
        self.0.recorder.inject(inlet, spec)
    }

    fn stop_injection(&self, port: &Name) -> Result<InjectionStatus, ArchiveError> {
        self.0.recorder.stop_injection(port)
    }

    fn injections(&self) -> Vec<InjectionStatus> {
        self.0.recorder.injections()
    }
}

impl Gateway {
    /// What the engine of a port has of it.
    fn of_port<T>(&self, port: &Name, part: impl Fn(&dyn Engine) -> Option<T>) -> Result<T, ArchiveError> {
        let engines = &self.parts().engines;
        engines.iter().find_map(|engine| part(&**engine)).ok_or_else(|| {
            let ports = engines.iter().flat_map(|engine| engine.ports());
            ArchiveError::NoPort { port: port.clone(), available: ports.map(|port| port.name.to_string()).collect() }
        })
    }
}

/// Held by the threads of recordings and replays, which [`Gateway::drain`] ends.
impl Flows for Gateway {
    fn subscribe(&self, flow: &Name, class: ConsumerClass) -> Result<FrameReader, SubscribeError> {
        self.parts().broker.subscribe(flow, class)
    }

    fn ring(&self, flow: &Name) -> Option<(u128, FlowFormat)> {
        let flows = self.parts().broker.flows();
        let ring = flows.iter().find(|ring| ring.name == *flow && ring.standing == Standing::Current);
        ring.map(|ring| (ring.epoch, ring.format))
    }

    fn names(&self) -> Vec<String> {
        let flows = self.parts().broker.flows();
        let current = flows.iter().filter(|ring| ring.standing == Standing::Current);
        current.map(|ring| ring.name.to_string()).collect()
    }

    fn create(&self, flow: &Name, format: FlowFormat, slots: Option<u16>) -> Result<FrameWriter, ArchiveError> {
        let slots = slots.unwrap_or(self.parts().slots);
        if let Some(video) = format.as_video() {
            memory::check_ring(flow, video, slots, memory::free_octets())
                .map_err(|error| ArchiveError::Refused(Box::new(error)))?;
        }
        let made = self.parts().broker.create_flow(flow, format, Some(slots));
        made.map_err(|error| ArchiveError::Refused(Box::new(error)))
    }

    fn remove(&self, flow: &Name) {
        self.remove_flow(flow);
    }
}
