//! What ends: asked for too late, or remembered for long enough.

use super::super::job::ENDED_MAX;
use super::*;

/// Rings whose gateway begins to stop while somebody asks for something.
struct Stopping(Rings, Arc<Recorder>);

impl Flows for Stopping {
    fn subscribe(&self, flow: &Name, class: ConsumerClass) -> Result<FrameReader, SubscribeError> {
        self.1.stop();
        self.0.subscribe(flow, class)
    }

    fn ring(&self, flow: &Name) -> Option<(u128, FlowFormat)> {
        self.0.ring(flow)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn create(&self, flow: &Name, format: FlowFormat, slots: Option<u16>) -> Result<FrameWriter, ArchiveError> {
        self.1.stop();
        self.0.create(flow, format, slots)
    }

    fn remove(&self, flow: &Name) {
        self.0.remove(flow);
    }
}

#[test]
fn what_is_asked_for_while_the_gateway_stops_leaves_nothing_behind() {
    let stage = Stage::new();
    let _camera = stage.camera();
    let id = stage.record("take1", Some(1));
    stage.wait(id, |status| status.state == ArchiveState::Done);
    let other = |settings: &RecorderSettings| Arc::new(Recorder::new(settings.clone(), stage.clock.clone()));
    let settings = RecorderSettings { folder: stage.path(""), trial: Duration::ZERO, hold_grains: 4 };
    let recorder = other(&settings);
    let (ending, timing) = (ReplayEnding::Stop, ReplayTiming::Recorded);
    let spec = ReplaySpec { file: "take1".to_owned(), flow: name("tape"), ending, timing, slots: None };
    let refused = recorder.replay(Stopping(stage.rings.clone(), Arc::clone(&recorder)), &spec).unwrap_err();
    assert!(matches!(refused, ArchiveError::Stopping), "{refused}");
    assert_eq!(stage.rings.names(), ["cam"], "the flow is gone");
    let recorder = other(&settings);
    let spec = RecordSpec { flow: name("cam"), file: "take2".to_owned(), grains: None, seconds: None };
    let refused = recorder.record(Stopping(stage.rings.clone(), Arc::clone(&recorder)), &spec).unwrap_err();
    assert!(matches!(refused, ArchiveError::Stopping), "{refused}");
    assert!(!stage.path("take2").exists() && !stage.path("take2.index").exists());
}

#[test]
fn of_what_has_ended_the_last_are_remembered() {
    let stage = Stage::new();
    let camera = stage.camera();
    let id = stage.record("take1", Some(1));
    stage.wait(id, |status| status.state == ArchiveState::Done);
    drop(camera);
    let play = |number: usize| {
        let (file, flow) = ("take1".to_owned(), name(&format!("tape-{number}")));
        let (ending, timing) = (ReplayEnding::Stop, ReplayTiming::Recorded);
        let spec = ReplaySpec { file, flow, ending, timing, slots: None };
        eventually(|| match stage.recorder.replay(stage.rings.clone(), &spec) {
            Err(ArchiveError::TooMany { .. }) => None,
            begun => Some(begun.unwrap()),
        });
    };
    let all = 2 * ENDED_MAX;
    (0..all).for_each(play);
    let last = name(&format!("tape-{}", all - 1));
    eventually(|| stage.recorder.replays().iter().all(|status| status.state == ArchiveState::Done).then_some(()));
    play(all);
    let kept = stage.recorder.replays();
    assert!(kept.len() <= ENDED_MAX + RUNNING_MAX, "{} are remembered", kept.len());
    assert!(kept.iter().any(|status| status.flow == last) && kept.iter().all(|status| status.flow != name("tape-0")));
}
