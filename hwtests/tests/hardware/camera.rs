//! A camera that the gateway receives by its SDP: one of the rack, or our own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::Path;
use std::time::Duration;

use hwtests::gateway_bench::{self, Camera, GatewayBench};
use hwtests::hardware::RackCamera;
use hwtests::{Gateway, Rack, Scratch, Sysctl, Trial, namespace, rfc4175, take_turn};

const TRIAL: Trial<'_> = Trial {
    test: "a_camera_is_received",
    shown: "the gateway receives a camera that nobody here wrote, by its SDP, without losing a packet",
};
/// How long all the frames may take.
const LIMIT: Duration = Duration::from_secs(150);
/// The receiver.
const NAME: &str = "cam";
/// Of our own camera.
const FRAMES: u64 = 50;

pub(crate) fn is_received() {
    let _turn = take_turn();
    let Some(rack) = Rack::from_environment().unwrap() else { return our_own() };
    if rack.cameras.is_empty() {
        return TRIAL.skip(Some(&rack), "any camera", "the file names none").unwrap();
    }
    for camera in &rack.cameras {
        let _pages = Sysctl::free_hugepages(2 * u64::from(rack.hugepages_mib)).unwrap();
        let scratch = Scratch::create().unwrap();
        let objects = configuration(camera, scratch.path());
        let log = scratch.path().join("flypackd.log");
        let gateway = Gateway::start(scratch.path(), &objects, None, &log).unwrap();
        watch(&gateway, camera.frames);
        gateway.stop().unwrap();
        TRIAL.ran(Some(&rack), &format!("{} ({})", camera.name, camera.port)).unwrap();
    }
}

/// The port that hears the camera, and the receiver on it.
fn configuration(camera: &RackCamera, folder: &Path) -> String {
    let RackCamera { sdp, port, address, gateway, vlan, .. } = camera;
    let sdp_here = folder.join("camera.sdp");
    std::fs::copy(sdp, &sdp_here).unwrap();
    let router = gateway.map(|router| format!("gateway = [\"{router}\"]\n")).unwrap_or_default();
    format!(
        "[[port]]\nname = \"media\"\ndevice = \"{port}\"\naddresses = [\"{address}\"]\n{router}vlan = {vlan}\n\
         packets_per_second = 1100000\nhold_ms = 20\n\
         [[receiver]]\nname = \"{NAME}\"\ninterface = \"media\"\nsdp = \"{}\"\n",
        sdp_here.display()
    )
}

fn our_own() {
    if let Some(reason) = namespace::unavailable() {
        return TRIAL.skip(None, "a camera of our own", &format!("no network namespaces here: {reason}")).unwrap();
    }
    let bench = GatewayBench::set_up().unwrap();
    let port = gateway_bench::port("net_af_packet:near", "");
    let gateway = bench.start(&[port, gateway_bench::receiver()].concat()).unwrap();
    hwtests::eventually("the port answers pings", || bench.answers_pings().unwrap());
    let pictures = rfc4175::noise(&gateway_bench::format(), 6, 7);
    let camera = Camera::new(&bench.studio).unwrap().keep_playing(pictures);
    watch(&gateway, FRAMES);
    camera.stop();
    gateway.stop().unwrap();
    TRIAL.ran(None, "a camera of our own (net_af_packet:near)").unwrap();
}

/// Waits for the frames, and looks at what else there was.
fn watch(gateway: &Gateway, frames: u64) {
    let count = |statistics: &hwtests::Statistics, counter: &str| statistics.of("receiver", NAME, counter).unwrap();
    let seen = gateway.settle(LIMIT, |now| count(now, "grains_complete") >= frames).unwrap();
    let receiver = gateway.ask("receivers").unwrap()["receivers"][0].take();
    let whole = count(&seen, "grains_complete");
    println!("{whole} whole frames, signal {}, {}", receiver["signal"], receiver["format"]);
    assert!(count(&seen, "packets") > 0, "no packet has come: is it sending, is the group joined, the VLAN right?");
    let reasons = ["segment_row", "segment_offset", "segment_length", "payload_malformed", "payload_type_wrong"];
    let odd: Vec<_> = reasons.iter().map(|reason| (reason, count(&seen, reason))).filter(|(_, n)| *n > 0).collect();
    assert!(odd.is_empty(), "the SDP is not this camera's: {odd:?}");
    // A receiver that joins in the middle of a frame has that one in part.
    let (lost, incomplete) = (count(&seen, "packets_lost"), count(&seen, "grains_incomplete"));
    assert!(
        whole >= frames && lost == 0 && incomplete <= 1,
        "{whole} of {frames} whole, {lost} packets lost, {incomplete} incomplete"
    );
}
