//! The peers are bit-exact to each other without Flypack in between, so what goes wrong with Flypack in
//! between is Flypack's. Needs root, FFmpeg and GStreamer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::SocketAddr;
use std::time::Duration;

use hwtests::namespace::{self, Link};
use hwtests::sysctl::{RECEIVE_BUFFER_OCTETS, Sysctl};
use hwtests::{Camera, Clip, Namespace, Pattern, Peer, Receiver, Verifier, take_turn};
use media::{Depth, Rate, Sampling, VideoFormat};

const PEERS: [Peer; 2] = [Peer::Ffmpeg, Peer::Gstreamer];

fn format(width: u32, height: u32, depth: Depth, rate: u32) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(rate, 1).unwrap()).unwrap()
}

/// Every camera to every receiver; the inner frames arrive bit by bit and in order.
fn all_pairs(format: VideoFormat, frames: u32) {
    if let Some(reason) = namespace::unavailable() {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
        return;
    }
    let _turn = take_turn();
    let folder = tempfile::tempdir().unwrap();
    let _limits =
        ["net.core.rmem_max", "net.core.wmem_max"].map(|name| Sysctl::at_least(name, RECEIVE_BUFFER_OCTETS).unwrap());
    let (studio, rack) = (Namespace::create("studio").unwrap(), Namespace::create("rack").unwrap());
    let end = |namespace, interface, addresses| Link { namespace, interface, addresses };
    namespace::join(end(&studio, "rack", &["10.77.0.1/24"]), end(&rack, "studio", &["10.77.0.2/24"]), 1500).unwrap();
    let clip = Clip::make(&Pattern::new(format, 11), frames, folder.path(), "clip").unwrap();
    let destination: SocketAddr = "10.77.0.2:5004".parse().unwrap();
    for to in PEERS {
        for from in PEERS {
            let receiver = Receiver::start(to, &format, destination, Some(&rack), (folder.path(), "received")).unwrap();
            let mut camera =
                Camera { peer: from, clip: &clip, destination }.start(Some(&studio), folder.path(), "camera").unwrap();
            camera.finish(Duration::from_secs(60)).unwrap();
            let drops = receiver.stop().unwrap();
            let tally =
                Verifier::new(&clip, to.layout(&format)).check_file(&folder.path().join("received.raw")).unwrap();
            let inner = tally.inner();
            println!(
                "{} to {}, {format}: {} frames of {frames}, {drops} datagrams dropped",
                from.name(),
                to.name(),
                tally.verdicts.len()
            );
            assert_eq!(
                (inner.corrupt(), inner.missing(), inner.repeated(), inner.backwards()),
                (0, 0, 0, 0),
                "{tally:?}"
            );
            assert!(inner.exact() + 4 >= frames as usize, "{tally:?}");
        }
    }
}

#[test]
fn full_hd_in_ten_bits_at_5() {
    all_pairs(format(1920, 1080, Depth::Bits10, 5), 10);
}

#[test]
fn small_hd_in_ten_bits_at_10() {
    all_pairs(format(1280, 720, Depth::Bits10, 10), 14);
}

#[test]
fn small_hd_in_eight_bits_at_10() {
    all_pairs(format(1280, 720, Depth::Bits8, 10), 14);
}
