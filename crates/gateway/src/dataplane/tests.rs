//! A data plane with one worker and plain pages, on loopback.

use std::net::UdpSocket;
use std::time::Duration;

use control::{ConsumerHolder, HeardLegSpec, SenderState, SenderTiming};
use netio::KernelTxConfig;
use shm::{Broker, BrokerConfig, ConsumerClass, FrameReader, PagePolicy, StoreChoice};
use st2110::VideoSdp;
use worker::IdlePolicy;

use super::*;
use crate::clock::ClockKeeper;
use crate::engine::recording::{RecordingEngine, Told};
use crate::engine::{KernelEngine, KernelSettings};
use crate::pool::ThreadSettings;
use crate::recorder::RecorderSettings;

const IN_AN_HOUR: Duration = Duration::from_secs(3600);

struct Plane {
    gateway: Gateway,
    /// An engine with a port "red", 192.0.2.1/24.
    red: Arc<RecordingEngine>,
    _folder: tempfile::TempDir,
}

impl Plane {
    fn new() -> Self {
        Self::on(Vec::new())
    }

    /// With a worker on each of these cores.
    fn on(cores: Vec<usize>) -> Self {
        Self::with_paths(cores, KernelTxConfig::default().paths)
    }

    /// With workers that send to so many destinations at most.
    fn with_paths(cores: Vec<usize>, paths: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("broker.sock");
        let config = BrokerConfig { page_policy: PagePolicy::PlainOnly, ..BrokerConfig::new(socket) };
        let clock = ClockKeeper::start().clock();
        let idle = IdlePolicy::Event { longest: Duration::from_micros(250) }.into();
        let thread = ThreadSettings { idle, nice: 0 };
        let tx = KernelTxConfig { paths, ..KernelTxConfig::default() };
        let settings = KernelSettings { cores, thread, tx };
        let red = RecordingEngine::new(&[("red", &["192.0.2.1/24"])]);
        let parts = Parts {
            broker: Broker::start(config, |_| {}).unwrap(),
            engines: vec![Arc::new(KernelEngine::start(&settings, &clock).unwrap()), red.clone()],
            clock,
            node: "test".to_owned(),
            slots: 8,
            broker_socket: String::new(),
            page_policy: String::new(),
            recorder: RecorderSettings::default(),
            stores: StoreChoice::default(),
        };
        Self { gateway: Gateway::new(parts), red, _folder: folder }
    }

    /// Receiver and flow "cam", whose ring has room for one reader like a sender; and the sender "out".
    fn with_camera_and_sender() -> Self {
        let new = Self::new();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let camera = receiver("127.0.0.1", port);
        new.gateway.add_receiver(&camera).unwrap();
        let out = SenderSpec::new(name("out"), "127.0.0.1:9".parse().unwrap());
        new.gateway.add_sender(&SenderSpec { timing: SenderTiming::Source, ..out }).unwrap();
        new
    }

    fn take(&self, source: &str) {
        let entries = vec![(name("out"), name(source))];
        self.gateway.apply(&CrosspointTable { version: 1, entries }).unwrap();
    }

    fn state(&self) -> SenderState {
        self.gateway.senders().remove(0).state
    }

    /// Somebody who leaves no room for the sender.
    fn rival(&self) -> FrameReader {
        let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
        self.gateway.parts().broker.subscribe(&name("cam"), class).unwrap()
    }

    fn wait_until_nobody_reads(&self) {
        while self.gateway.flows().iter().any(|flow| !flow.consumers.is_empty()) {
            std::thread::yield_now();
        }
    }
}

/// Receiver "cam" at this address.
fn receiver(address: &str, port: u16) -> ReceiverSpec {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=test\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\n\
         c=IN IP4 {address}\r\na=rtpmap:96 raw/90000\r\na=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; \
         exactframerate=50; depth=10; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017\r\n"
    );
    ReceiverSpec {
        name: name("cam"),
        sdp: VideoSdp::parse(&sdp, None).unwrap(),
        interface: None,
        second: None,
        slots: None,
        reorder_packets: None,
        grain_timeout_ms: None,
        skew_ms: None,
        receive_buffer_octets: Some(65_536),
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn a_sender_that_found_no_room_in_the_ring_is_tried_again() {
    let plane = Plane::with_camera_and_sender();
    let rival = plane.rival();
    plane.take("cam");
    assert!(matches!(plane.state(), SenderState::Refused { .. }), "{:?}", plane.state());
    drop(rival);
    plane.wait_until_nobody_reads();
    plane.gateway.reconcile();
    assert!(matches!(plane.state(), SenderState::Refused { .. }), "not before its pause is over");
    plane.gateway.tick(Instant::now() + IN_AN_HOUR);
    assert!(matches!(plane.state(), SenderState::Waiting), "{:?}", plane.state());
    assert_eq!(plane.gateway.flows()[0].consumers.len(), 1, "the sender reads the flow");
}

#[test]
fn a_receiver_whose_legs_are_far_apart_has_room_for_its_sender() {
    let plane = Plane::new();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let other = UdpSocket::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let second = Some(HeardLegSpec { destination: other, sources: Vec::new(), interface: None });
    // As many grains as may be open at all, of 20 ms.
    let camera = ReceiverSpec { second, skew_ms: Some(450), ..receiver("127.0.0.1", port) };
    plane.gateway.add_receiver(&camera).unwrap();
    plane.gateway.add_sender(&SenderSpec::new(name("out"), "127.0.0.1:9".parse().unwrap())).unwrap();
    plane.take("cam");
    assert!(matches!(plane.state(), SenderState::Waiting), "{:?}", plane.state());
    assert_eq!(plane.gateway.flows()[0].slots, 22);
}

#[test]
fn a_refused_sender_is_tried_after_a_pause_and_not_in_every_tick() {
    let plane = Plane::with_camera_and_sender();
    let _rival = plane.rival();
    plane.take("cam");
    let now = Instant::now();
    let is_due = |at| plane.gateway.entries().tick(at);
    assert!(!is_due(now));
    assert!(is_due(now + IN_AN_HOUR));
    assert!(!is_due(now + IN_AN_HOUR), "one try a pause");
}

#[test]
fn the_trouble_with_one_flow_is_not_told_of_the_next() {
    let plane = Plane::with_camera_and_sender();
    let _rival = plane.rival();
    plane.take("cam");
    assert!(matches!(plane.state(), SenderState::Refused { .. }));
    plane.take("not-there-yet");
    assert!(matches!(plane.state(), SenderState::Waiting), "{:?}", plane.state());
}

#[test]
fn nothing_is_connected_once_the_gateway_drains() {
    let plane = Plane::with_camera_and_sender();
    plane.take("cam");
    plane.gateway.drain();
    plane.gateway.remove_flow(&name("cam"));
    plane.gateway.reconcile();
    assert!(matches!(plane.state(), SenderState::Waiting), "{:?}", plane.state());
}

#[test]
fn what_is_placed_on_a_port_is_its_engines_from_its_first_to_its_last_word() {
    // The kernel's worker writes "cam"; nobody's writes "far", which therefore cannot be read.
    let plane = Plane::with_camera_and_sender();
    let (gateway, red) = (&plane.gateway, &plane.red);
    gateway.remove_sender(&name("out")).unwrap();
    gateway.add_receiver(&ReceiverSpec { name: name("far"), ..receiver("192.0.2.1", 5004) }).unwrap();
    gateway.add_sender(&SenderSpec::new(name("out"), "192.0.2.9:5004".parse().unwrap())).unwrap();
    plane.take("cam");
    let sdp = gateway.senders().remove(0).sdp.unwrap();
    assert!(sdp.contains("IN IP4 192.0.2.1") && sdp.contains("localmac=02-00-00-00-00-07"), "{sdp}");
    let loads: Vec<_> = gateway.node().workers.into_iter().map(|w| (w.name, w.receivers, w.senders)).collect();
    assert_eq!(loads, [("worker-0".to_owned(), 1, 0), ("recorder-0".to_owned(), 1, 1)]);
    gateway.remove_sender(&name("out")).unwrap();
    gateway.remove_receiver(&name("far")).unwrap();
    gateway.drain();
    let (far, out, on_red) = (name("far"), name("out"), Some(name("red")));
    assert_eq!(
        red.told(),
        [
            Told::AddReceiver { name: far.clone(), port: on_red.clone() },
            Told::AddSender { name: out.clone(), port: on_red },
            Told::Connect { name: out.clone(), has_source: true },
            Told::RemoveSender(out),
            Told::RemoveReceiver(far),
            Told::Stop,
        ]
    );
}

#[test]
fn a_port_is_restarted_by_the_engine_that_has_it() {
    let plane = Plane::new();
    let ports: Vec<_> = plane.gateway.node().ports.into_iter().map(|port| port.name).collect();
    assert_eq!(ports, ["red"]);
    plane.gateway.restart_port(&name("red")).unwrap();
    let error = plane.gateway.restart_port(&name("blue")).unwrap_err().to_string();
    assert!(error.contains("\"blue\"") && error.contains("there are: red"), "{error}");
    assert_eq!(plane.red.told(), [Told::RestartPort(name("red"))]);
    plane.gateway.drain();
    assert!(matches!(plane.gateway.restart_port(&name("red")), Err(DataplaneError::Stopping)));
}

#[test]
fn what_an_engine_refuses_leaves_nothing_behind() {
    let plane = Plane::new();
    plane.red.refuse();
    assert!(plane.gateway.add_receiver(&receiver("192.0.2.1", 5004)).is_err());
    assert!(plane.gateway.flows().is_empty() && plane.gateway.receivers().is_empty());
    let out = SenderSpec::new(name("out"), "192.0.2.9:5004".parse().unwrap());
    assert!(plane.gateway.add_sender(&out).is_err());
    assert!(plane.gateway.senders().is_empty());
    // The same names are free for the kernel.
    plane.gateway.add_sender(&SenderSpec { interface: Some("lo".to_owned()), ..out }).unwrap();
}

#[test]
fn drain_ends_what_is_there_on_every_engine() {
    let plane = Plane::with_camera_and_sender();
    let out = SenderSpec::new(name("far"), "192.0.2.9:5004".parse().unwrap());
    plane.gateway.add_sender(&out).unwrap();
    plane.red.told();
    plane.gateway.drain();
    let far = name("far");
    assert_eq!(
        plane.red.told(),
        [Told::Connect { name: far.clone(), has_source: false }, Told::RemoveSender(far), Told::Stop]
    );
    assert!(!plane.gateway.has_failed());
}

#[test]
fn the_operator_evicts_a_sender_by_its_seat() {
    let plane = Plane::with_camera_and_sender();
    plane.take("cam");
    let seat = plane.gateway.flows()[0].consumers[0].seat;
    let evicted = plane.gateway.evict(&name("cam"), seat).unwrap();
    assert_eq!((evicted.seat, evicted.holder, evicted.state), (seat, ConsumerHolder::Gateway, "live"));
    while plane.gateway.flows()[0].consumers_evicted == 0 {
        std::thread::yield_now();
    }
    // It notices with the next grain, and this camera sends none.
    assert_eq!(plane.gateway.flows()[0].consumers[0].state, "evicted");
}

#[test]
fn a_seat_that_is_nobodys_is_not_evicted() {
    let plane = Plane::with_camera_and_sender();
    let refused = plane.gateway.evict(&name("cam"), 5).unwrap_err();
    assert!(refused.to_string().ends_with("nobody reads it"), "{refused}");
    let rival = plane.rival();
    let refused = plane.gateway.evict(&name("cam"), 63).unwrap_err();
    assert!(refused.to_string().contains("those taken are: 0"), "{refused}");
    let refused = plane.gateway.evict(&name("dog"), 0).unwrap_err();
    assert!(refused.to_string().contains("no such flow"), "{refused}");
    plane.gateway.evict(&name("cam"), 0).unwrap();
    while plane.gateway.flows()[0].consumers_evicted == 0 {
        std::thread::yield_now();
    }
    // It holds nothing and has not noticed: still at its seat, evicted.
    let refused = plane.gateway.evict(&name("cam"), 0).unwrap_err();
    assert!(matches!(refused, DataplaneError::NotEvicted(_)), "{refused}");
    drop(rival);
}

mod moves;
mod relays;
