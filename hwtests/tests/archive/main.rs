//! Recording, replay, export and capture as an operator does them: by `flypack`, of a gateway on a port of its own; what is
//! written is read by who does not know this project, and a full disk costs nobody but the recording anything.
//!
//! Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod capture;
mod disk;
mod full;
mod inject;
mod late;
mod tape;

use std::path::Path;

use hwtests::gateway_bench::{self, GatewayBench, SCREEN, STUDIO};
use hwtests::{Gateway, eventually, namespace};

/// Whether there is a machine to test on; says so loudly where there is none.
fn can_run() -> bool {
    let reason = namespace::unavailable();
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no network namespaces here: {reason}");
    }
    reason.is_none()
}

/// A gateway that takes `cam` in by its port, sends it on to the studio, and records into `folder`.
fn gateway(bench: &GatewayBench, folder: &Path) -> Gateway {
    let objects = [
        format!("[record]\nfolder = \"{}\"\ntrial_ms = 0\n", folder.display()),
        gateway_bench::port("net_af_packet:near", ""),
        gateway_bench::receiver(),
        gateway_bench::sender("out", &format!("{STUDIO}:{SCREEN}")),
    ];
    let gateway = bench.start(&objects.concat()).unwrap();
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    gateway
}

/// The places of frames among the pictures that are played in a round, one after the other.
fn places(octets: &[u8], pictures: &[Vec<u8>]) -> Vec<usize> {
    let frames = octets.chunks(pictures[0].len());
    frames
        .map(|frame| pictures.iter().position(|picture| *picture == frame).expect("a picture of the camera"))
        .collect()
}

/// Whether each is the one after the one before it.
fn is_a_round(places: &[usize], pictures: usize) -> bool {
    places.windows(2).all(|pair| pair[1] == (pair[0] + 1) % pictures)
}

/// The same but for grains that the recording says that it lost: on a busy machine its thread may come too late for some. It
/// counts those also that the flow itself has left out.
fn is_a_round_but_for(recording: &serde_json::Value, places: &[usize], pictures: usize) -> bool {
    let gaps = places.windows(2).map(|pair| (pair[1] + pictures - pair[0] - 1) % pictures);
    Some(gaps.sum::<usize>() as u64) <= recording["grains_lost"].as_u64()
}
