//! Row: how soon a receiver that is made has a whole frame, and how soon a sender's first packet is out.
//!
//! From the start of the operator's command, whose process counts too. Regions come from the broker's spares, each of which nobody
//! has used before; the stream is there already, and nothing needs to be resolved.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use media::Name;
use serde_json::json;
use shm::{ConsumerClass, FrameReader, Session};

use crate::place::Place;
use crate::row::{Found, Row};
use crate::stage::{Show, Stage, free_address};

/// What is promised beside a frame's time, ms.
const PROMISED_MS: f64 = 50.0;
const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks for something that is not there yet.
const LOOK: Duration = Duration::from_micros(200);

/// Pictures, and the MiB of a ring of 16 of them.
const CLASSES: [(Show, u32); 3] = [
    (Show { width: 1_280, rows: 720, frames_per_second: 25 }, 64),
    (Show { width: 1_920, rows: 1_080, frames_per_second: 25 }, 96),
    (Show { width: 3_840, rows: 2_160, frames_per_second: 10 }, 320),
];

pub(crate) fn row() -> Row {
    let what = "create a receiver or sender → whole frame or first packet";
    Row { name: "create", what, target: "≤ 50 ms + a frame", measure: create }
}

fn create(place: &Place) -> Result<Found> {
    let (mut words, mut details, mut is_met) = (Vec::new(), Vec::new(), true);
    for (show, mib) in CLASSES {
        let class = format!("{}p{}", show.rows, show.frames_per_second);
        let (first, whole, sent) = of_class(place, show, mib).with_context(|| class.clone())?;
        let bound = PROMISED_MS + show.frame_ms();
        is_met &= whole.iter().chain(&sent).all(|ms| *ms <= bound);
        words.push(format!(
            "{class} receiver: packet {}, frame {}, sender: packet {} of at most {bound:.0} ms",
            text(&first),
            text(&whole),
            text(&sent)
        ));
        details.push(
            json!({"class": class, "mib": mib, "first_packet_ms": first, "whole_frame_ms": whole, "sent_ms": sent}),
        );
    }
    Ok(Found::met(is_met, words.join("; "), details.into()))
}

/// Median and longest.
fn text(millis: &[f64]) -> String {
    let mut sorted = millis.to_vec();
    sorted.sort_by(f64::total_cmp);
    let longest = sorted.last().copied().unwrap_or(f64::NAN);
    format!("{:.0} ms (longest {longest:.0})", sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN))
}

fn of_class(place: &Place, show: Show, mib: u32) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let address = free_address()?;
    let broker = format!("spares_mb = [{mib}, {mib}]");
    let stage = Stage::start(place, show, None, (&broker, "[workers]\ncores = [0]\n"), address)?;
    stage.until_playing()?;
    let sdp = show.sdp(place, "cam.sdp", address)?;
    let (mut first, mut whole, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..place.rounds(10) {
        until_spares_are_ready(&stage)?;
        let [opened, ended] = receiver(&stage, &format!("cam-{round}"), &sdp)?;
        first.push(opened);
        whole.push(ended);
        sent.push(sender(&stage, &format!("out-{round}"))?);
    }
    stage.gateway.stop()?;
    Ok((first, whole, sent))
}

/// The stock makes another one for each that was taken.
fn until_spares_are_ready(stage: &Stage) -> Result<()> {
    let ready = |now: &hwtests::Statistics| now.sum("broker", "spares_ready") >= 2;
    let now = stage.gateway.settle(LIMIT, ready)?;
    ensure!(ready(&now), "the broker has no spares after {LIMIT:?}: {:?}", now.sum("broker", "spares_ready"));
    Ok(())
}

/// Milliseconds until its first packet is in a grain, and until a grain is whole.
fn receiver(stage: &Stage, name: &str, sdp: &Path) -> Result<[f64; 2]> {
    let (flow, broker): (Name, PathBuf) = (name.parse()?, stage.gateway.broker.clone());
    let began = Instant::now();
    let watching = std::thread::spawn(move || watch(&broker, &flow, began));
    stage.flypack(&format!("receivers add {name} --sdp {}", sdp.display()))?;
    let [opened, ended] = watching.join().map_err(|_| anyhow!("the thread that watches panicked"))??;
    stage.flypack(&format!("receivers del {name}"))?;
    Ok([opened, ended].map(|at| at.duration_since(began).as_secs_f64() * 1e3))
}

fn watch(broker: &Path, flow: &Name, began: Instant) -> Result<[Instant; 2]> {
    let session = Session::connect(broker)?;
    let mut consumer = loop {
        match session.subscribe(flow, ConsumerClass::Lossy) {
            Ok(consumer) => break consumer,
            Err(error) => ensure!(began.elapsed() < LIMIT, "no flow {flow}: {error}"),
        }
        sleep(LOOK);
    };
    let reader = consumer.reader();
    let mut opened = None;
    while began.elapsed() < LIMIT {
        match is_whole(reader, &mut opened) {
            Some(true) => return Ok([opened.unwrap_or(began), Instant::now()]),
            Some(false) => {}
            None => sleep(LOOK),
        }
    }
    Err(anyhow!("no whole grain of {flow} after {LIMIT:?}"))
}

/// Whether the newest grain is whole, none where it is not over.
fn is_whole(reader: &mut FrameReader, opened: &mut Option<Instant>) -> Option<bool> {
    let index = reader.next_available()?;
    opened.get_or_insert_with(Instant::now);
    let lease = reader.lease(index).ok()?;
    loop {
        let Ok(state) = lease.state() else { return Some(false) };
        if state.is_closed() {
            return Some(!state.is_partial() && !state.cancelled);
        }
        sleep(LOOK);
    }
}

/// Milliseconds until its first packet has arrived.
fn sender(stage: &Stage, name: &str) -> Result<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(LIMIT))?;
    let to: SocketAddr = socket.local_addr()?;
    let began = Instant::now();
    let arriving = std::thread::spawn(move || socket.recv(&mut [0; 2_048]).map(|_| Instant::now()));
    stage.flypack(&format!("senders add {name} --to {to}"))?;
    stage.flypack(&format!("take {name} src"))?;
    let arrived = arriving.join().map_err(|_| anyhow!("the thread that receives panicked"))?.context("no packet")?;
    stage.flypack(&format!("senders del {name}"))?;
    Ok(arrived.duration_since(began).as_secs_f64() * 1e3)
}
