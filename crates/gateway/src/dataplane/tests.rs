//! A data plane with one worker and plain pages, on loopback.

use std::net::UdpSocket;
use std::time::Duration;

use control::{SenderState, SenderTiming};
use netio::KernelTxConfig;
use shm::{BrokerConfig, ConsumerClass, FrameReader, PagePolicy};
use st2110::VideoSdp;
use worker::IdlePolicy;

use super::*;
use crate::clock::ClockKeeper;
use crate::pool::ThreadSettings;

const IN_AN_HOUR: Duration = Duration::from_secs(3600);

struct Plane {
    gateway: Gateway,
    _folder: tempfile::TempDir,
}

impl Plane {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("broker.sock");
        let config = BrokerConfig { page_policy: PagePolicy::PlainOnly, ..BrokerConfig::new(socket) };
        let clock = ClockKeeper::start().clock();
        let idle = IdlePolicy::Sleep { longest: Duration::from_micros(250) };
        let settings = ThreadSettings { idle, nice: 0, tx: KernelTxConfig::default() };
        let parts = Parts {
            broker: Broker::start(config, |_| {}).unwrap(),
            pool: Pool::start(&[], &settings, &clock).unwrap(),
            clock,
            node: "test".to_owned(),
            slots: 8,
            broker_socket: String::new(),
            page_policy: String::new(),
        };
        Self { gateway: Gateway::new(parts), _folder: folder }
    }

    /// Receiver and flow "cam", whose ring has room for one reader like a sender; and the sender "out".
    fn with_camera_and_sender() -> Self {
        let new = Self::new();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\n\
             c=IN IP4 127.0.0.1\r\na=rtpmap:96 raw/90000\r\na=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; \
             exactframerate=50; depth=10; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017\r\n"
        );
        let camera = ReceiverSpec {
            name: name("cam"),
            sdp: VideoSdp::parse(&sdp, None).unwrap(),
            interface: None,
            slots: None,
            reorder_packets: None,
            grain_timeout_ms: None,
            receive_buffer_octets: Some(65_536),
        };
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
fn a_worker_that_has_ended_is_not_waited_for() {
    let plane = Plane::new();
    plane.gateway.pool().stop();
    let asked = plane.gateway.pool().ask(WorkerIndex(0), Command::RemoveSender(SenderKey(1)));
    assert_eq!(asked.err(), Some(NoAnswer::Ended(WorkerIndex(0))));
}
