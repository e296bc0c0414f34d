//! Changes of state against the recording data plane.

use super::*;
use crate::recording::{RecordingDataplane, Told};
use media::{Depth, Rate, Sampling, VideoFormat};
use st2110::sdp::VideoSdp;

const SDP: &str = include_str!("../../tests/camera.sdp");

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn controller() -> (Controller<RecordingDataplane>, RecordingDataplane) {
    let dataplane = RecordingDataplane::default();
    (Controller::new(dataplane.clone()), dataplane)
}

fn receiver(text: &str) -> ReceiverSpec {
    let sdp = VideoSdp::parse(SDP, None).unwrap();
    ReceiverSpec {
        name: name(text),
        sdp,
        interface: None,
        second: None,
        slots: None,
        reorder_packets: None,
        grain_timeout_ms: None,
        skew_ms: None,
        receive_buffer_octets: None,
    }
}

fn sender(text: &str) -> SenderSpec {
    SenderSpec::new(name(text), "239.1.1.2:5004".parse().unwrap())
}

fn table(version: u64, entries: &[(&str, &str)]) -> CrosspointTable {
    let entries = entries.iter().map(|(sender, flow)| (name(sender), name(flow))).collect();
    CrosspointTable { version, entries }
}

#[test]
fn the_data_plane_is_told_each_change_once_and_in_order() {
    let (controller, dataplane) = controller();
    controller.add_receiver(Scope::Operator, receiver("cam")).unwrap();
    controller.add_sender(Scope::Operator, sender("out")).unwrap();
    let taken = controller.take(&name("out"), Some(&name("cam")), SourcePresence::Required).unwrap();
    assert_eq!(taken, TakeOutcome { version: 1, previous: None });
    // The same again changes nothing.
    let taken = controller.take(&name("out"), Some(&name("cam")), SourcePresence::Required).unwrap();
    assert_eq!(taken, TakeOutcome { version: 1, previous: Some(name("cam")) });
    let cleared = controller.take(&name("out"), None, SourcePresence::Required).unwrap();
    assert_eq!(cleared, TakeOutcome { version: 2, previous: Some(name("cam")) });
    let expected = vec![
        Told::AddReceiver(name("cam")),
        Told::AddSender(name("out")),
        Told::Apply(table(1, &[("out", "cam")])),
        Told::Apply(table(2, &[])),
    ];
    assert_eq!(dataplane.told(), expected);
}

#[test]
fn removing_a_sender_disconnects_it_first() {
    let (controller, dataplane) = controller();
    controller.add_receiver(Scope::Operator, receiver("cam")).unwrap();
    controller.add_sender(Scope::Operator, sender("out")).unwrap();
    controller.take(&name("out"), Some(&name("cam")), SourcePresence::Required).unwrap();
    controller.remove_sender(Scope::Operator, &name("out")).unwrap();
    let told = dataplane.told();
    assert_eq!(told[3..], [Told::Apply(table(2, &[])), Told::RemoveSender(name("out"))]);
    // A later sender of the same name does not inherit the crosspoint.
    controller.add_sender(Scope::Operator, sender("out")).unwrap();
    assert_eq!(controller.state().table(), table(2, &[]));
}

#[test]
fn a_crosspoint_outlives_its_receiver() {
    let (controller, _) = controller();
    controller.add_receiver(Scope::Operator, receiver("cam")).unwrap();
    controller.add_sender(Scope::Operator, sender("out")).unwrap();
    controller.take(&name("out"), Some(&name("cam")), SourcePresence::Required).unwrap();
    controller.remove_receiver(Scope::Operator, &name("cam")).unwrap();
    assert_eq!(controller.state().table(), table(1, &[("out", "cam")]));
}

#[test]
fn what_the_data_plane_refuses_has_not_happened() {
    let (controller, dataplane) = controller();
    dataplane.refuse_next(DataplaneError::Stopping);
    assert!(controller.add_receiver(Scope::Operator, receiver("cam")).is_err());
    assert!(controller.state().config().receiver(&name("cam")).is_none());
    controller.add_receiver(Scope::Operator, receiver("cam")).unwrap();
    controller.add_sender(Scope::Operator, sender("out")).unwrap();
    dataplane.refuse_next(DataplaneError::Stopping);
    assert!(controller.take(&name("out"), Some(&name("cam")), SourcePresence::Required).is_err());
    assert_eq!(controller.state().table(), table(0, &[]));
    dataplane.refuse_next(DataplaneError::Stopping);
    assert!(controller.remove_receiver(Scope::Operator, &name("cam")).is_err());
    assert!(controller.state().config().receiver(&name("cam")).is_some());
}

#[test]
fn names_are_looked_up_with_what_there_is() {
    let (controller, dataplane) = controller();
    controller.add_sender(Scope::Operator, sender("b")).unwrap();
    controller.add_sender(Scope::Operator, sender("a")).unwrap();
    let refused = controller.take(&name("x"), None, SourcePresence::Required).unwrap_err().to_string();
    assert_eq!(refused, "there is no sender \"x\"; there are: a, b");
    let refused = controller.take(&name("a"), Some(&name("cam")), SourcePresence::Required).unwrap_err();
    assert_eq!(refused.to_string(), "there is no flow \"cam\"; there are: none");
    let awaited = controller.take(&name("a"), Some(&name("cam")), SourcePresence::Awaited).unwrap();
    assert_eq!(awaited.version, 1);
    let format = VideoFormat::new(64, 8, Sampling::YCbCr422, Depth::Bits8, Rate::new(25, 1).unwrap()).unwrap();
    dataplane.add_pod_flow(&name("pod"), format);
    assert!(controller.take(&name("a"), Some(&name("pod")), SourcePresence::Required).is_ok());
    let refused = controller.add_receiver(Scope::Operator, receiver("pod")).unwrap_err().to_string();
    assert!(refused.contains("a flow \"pod\" is there already"), "{refused}");
}

#[test]
fn only_the_owner_removes() {
    let (controller, _) = controller();
    controller.add_receiver(Scope::File, receiver("cam")).unwrap();
    controller.add_sender(Scope::File, sender("out")).unwrap();
    let refused = controller.remove_receiver(Scope::Operator, &name("cam")).unwrap_err().to_string();
    assert!(refused.contains("belongs to the configuration file"), "{refused}");
    assert!(controller.remove_sender(Scope::Operator, &name("out")).is_err());
    assert!(controller.remove_receiver(Scope::File, &name("cam")).is_ok());
    assert!(controller.remove_sender(Scope::File, &name("out")).is_ok());
}

#[test]
fn there_is_a_limit_to_everything() {
    let (controller, _) = controller();
    for n in 0..Config::MAX_SENDERS {
        controller.add_sender(Scope::Operator, sender(&format!("out-{n}"))).unwrap();
    }
    let refused = controller.add_sender(Scope::Operator, sender("one-more")).unwrap_err();
    assert!(matches!(refused, ControlError::TooMany { kind: "sender", max: Config::MAX_SENDERS }));
    let refused = controller.take(&name("one-more"), None, SourcePresence::Required).unwrap_err().to_string();
    assert!(refused.ends_with("and 236 more"), "a long list is cut: {refused}");
}

#[test]
fn a_failed_removal_leaves_the_sender_connected() {
    let dataplane = KeepsSenders(RecordingDataplane::default());
    let controller = Controller::new(dataplane.clone());
    controller.add_receiver(Scope::Operator, receiver("cam")).unwrap();
    controller.add_sender(Scope::Operator, sender("out")).unwrap();
    controller.take(&name("out"), Some(&name("cam")), SourcePresence::Required).unwrap();
    assert!(controller.remove_sender(Scope::Operator, &name("out")).is_err());
    assert_eq!(controller.state().table(), table(3, &[("out", "cam")]));
    assert_eq!(dataplane.0.told().last(), Some(&Told::Apply(table(3, &[("out", "cam")]))));
}

/// Refuses to give up a sender.
#[derive(Clone)]
struct KeepsSenders(RecordingDataplane);

impl crate::Archive for KeepsSenders {}

impl Dataplane for KeepsSenders {
    fn add_receiver(&self, spec: &ReceiverSpec) -> Result<(), DataplaneError> {
        self.0.add_receiver(spec)
    }
    fn remove_receiver(&self, name: &Name) -> Result<(), DataplaneError> {
        self.0.remove_receiver(name)
    }
    fn add_sender(&self, spec: &SenderSpec) -> Result<(), DataplaneError> {
        self.0.add_sender(spec)
    }
    fn remove_sender(&self, _: &Name) -> Result<(), DataplaneError> {
        Err(DataplaneError::Stopping)
    }
    fn apply(&self, table: &CrosspointTable) -> Result<(), DataplaneError> {
        self.0.apply(table)
    }
    fn flows(&self) -> Vec<crate::FlowStatus> {
        self.0.flows()
    }
    fn evict(&self, flow: &Name, seat: u8) -> Result<ConsumerStatus, DataplaneError> {
        self.0.evict(flow, seat)
    }
    fn receivers(&self) -> Vec<crate::ReceiverStatus> {
        self.0.receivers()
    }
    fn senders(&self) -> Vec<crate::SenderStatus> {
        self.0.senders()
    }
    fn node(&self) -> crate::NodeStatus {
        self.0.node()
    }
}
