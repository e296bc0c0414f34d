//! Row: how soon a receiver that is made has a whole frame, and how soon a sender's first packet arrives.
//!
//! From the start of the operator's command, whose process counts too. Regions come from the broker's spares, each of which nobody
//! has used before; the stream is there already, and nothing needs to be resolved. A receiver that is made within a frame
//! cannot have all of that one: it waits until the next one begins, which nothing of ours could shorten, and that wait does not
//! count, as long as it is the next one that is whole.

mod watch;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use hwtests::gateway::Spot;
use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::{Namespace, Statistics};
use serde::Serialize;
use serde_json::json;

use crate::place::Place;
use crate::row::{Found, Row};
use crate::stage::{Show, Stage, free_address, receiver, sender, sender_by};
use watch::Watch;

/// What is promised beside a frame's time, ms.
const PROMISED_MS: f64 = 50.0;
/// Frame times within which the next frame has begun; sources are not more exact.
const NEXT_FRAME: f64 = 1.1;
const LIMIT: Duration = Duration::from_secs(20);

/// Pictures, the MiB of a ring of 16 of them, and what they go by.
const CLASSES: [(Show, u32, Way); 4] = [
    (Show { width: 1_280, rows: 720, frames_per_second: 25 }, 64, Way::Sockets),
    (Show { width: 1_920, rows: 1_080, frames_per_second: 25 }, 96, Way::Sockets),
    (Show { width: 3_840, rows: 2_160, frames_per_second: 10 }, 320, Way::Sockets),
    (Show { width: 1_280, rows: 720, frames_per_second: 25 }, 64, Way::Ports),
];

/// What packets go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The kernel's sockets.
    Sockets,
    /// Two ports of the gateway, net_af_packet at both ends of a veth pair.
    Ports,
}

pub(crate) fn row() -> Row {
    let what = "create a receiver or sender → whole frame or first packet, by sockets and by a port";
    Row { name: "create", what, target: "≤ 50 ms + a frame, no port stop", measure: create }
}

/// How long things took, ms.
#[derive(Clone, Copy, Debug, Serialize)]
struct Made {
    /// Until the operator had the answer.
    answered: f64,
    /// From there until the frame began that was the first whole one; negative where it had begun.
    waited: f64,
    /// From its beginning to its end.
    frame: f64,
    /// Until a sender's first packet had arrived.
    sent: f64,
}

impl Made {
    fn is_met(&self, show: Show) -> bool {
        let bound = PROMISED_MS + show.frame_ms();
        self.waited <= NEXT_FRAME * show.frame_ms() && self.whole() <= bound && self.sent <= bound
    }

    /// Without the wait for the next frame.
    fn whole(&self) -> f64 {
        self.answered + self.frame + self.waited.min(0.0)
    }
}

fn create(place: &Place) -> Result<Found> {
    let (mut words, mut details, mut is_met) = (Vec::new(), Vec::new(), true);
    for (show, mib, way) in CLASSES {
        let class = format!("{}p{} by {way:?}", show.rows, show.frames_per_second).to_lowercase();
        let (made, harm) = of_class(place, show, mib, way).with_context(|| class.clone())?;
        is_met &= made.iter().all(|made| made.is_met(show)) && harm.is_none();
        let of = |value: fn(&Made) -> f64| text(made.iter().map(value));
        words.push(format!(
            "{class}: answer {}, next frame begins {} later, answer and frame {}; sender's packet {}; of at most {:.0} ms{}",
            of(|made| made.answered),
            of(|made| made.waited),
            of(Made::whole),
            of(|made| made.sent),
            PROMISED_MS + show.frame_ms(),
            harm.as_deref().unwrap_or_default()
        ));
        details.push(json!({"class": class, "mib": mib, "made": made, "harm": harm}));
    }
    Ok(Found::met(is_met, words.join("; "), details.into()))
}

/// Median and longest, ms.
fn text(millis: impl Iterator<Item = f64>) -> String {
    let mut sorted: Vec<f64> = millis.collect();
    sorted.sort_by(f64::total_cmp);
    let longest = sorted.last().copied().unwrap_or(f64::NAN);
    format!("{:.0} ms (longest {longest:.0})", sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN))
}

/// Where streams go.
struct Roads {
    /// The stream that is there, to the receivers that are made.
    made: SocketAddr,
    /// Those of the senders that are made.
    sent: SocketAddr,
    /// On ports another one, to `cam`, which is to lose nothing meanwhile.
    cam: Option<SocketAddr>,
    /// By which senders send; empty for sockets.
    port: &'static str,
    namespace: Option<Namespace>,
}

impl Roads {
    fn set_up(way: Way) -> Result<Self> {
        match way {
            Way::Sockets => {
                Ok(Self { made: free_address()?, sent: free_address()?, cam: None, port: "", namespace: None })
            }
            Way::Ports => {
                if let Some(reason) = namespace::unavailable() {
                    bail!("network namespaces: {reason}");
                }
                let rack = Namespace::create("rack")?;
                let peer = Link { namespace: &rack, interface: "far", addresses: &[] };
                netdev::wire(Netdev { namespace: &rack, name: "near" }, peer, 1_500)?;
                let at = |port| SocketAddr::from(([10, 77, 0, 2], port));
                Ok(Self { made: at(5_006), sent: at(5_008), cam: Some(at(5_004)), port: "out", namespace: Some(rack) })
            }
        }
    }

    /// The objects of a gateway's configuration.
    fn objects(&self, show: Show) -> String {
        let workers = match self.namespace {
            None => "[workers]\ncores = [0]\n".to_owned(),
            Some(_) => ["in:near:2", "out:far:1"].map(port).concat(),
        };
        let by = |name, address| match self.port {
            "" => sender(name, address),
            port => sender_by(port, name, address),
        };
        let beside = self.cam.map(|cam| receiver(show, cam) + &by("beside", cam));
        [workers, by("out", self.made), beside.unwrap_or_default()].concat()
    }

    fn spot(&self) -> Spot<'_> {
        self.namespace.as_ref().map_or(Spot::Here, Spot::In)
    }
}

/// `NAME:NETDEV:HOST`.
fn port(words: &str) -> String {
    let words: Vec<&str> = words.split(':').collect();
    format!(
        "[[port]]\nname = \"{}\"\ndevice = \"net_af_packet:{}\"\naddresses = [\"10.77.0.{}/24\"]\nhold_ms = 20\n",
        words[0], words[1], words[2]
    )
}

/// What was made, and what it cost the stream that was there already, in words.
fn of_class(place: &Place, show: Show, mib: u32, way: Way) -> Result<(Vec<Made>, Option<String>)> {
    let roads = Roads::set_up(way)?;
    let broker = format!("spares_mb = [{mib}, {mib}]");
    let stage = Stage::start(place, show, roads.spot(), (&broker, &roads.objects(show)))?;
    stage.until_playing()?;
    let [made, sent] = [("made.sdp", roads.made), ("sent.sdp", roads.sent)].map(|(name, to)| show.sdp(place, name, to));
    let (made, sent, before) = (made?, sent?, stage.gateway.statistics()?);
    let mut all = Vec::new();
    for round in 0..place.rounds(10) {
        until_spares_are_ready(&stage)?;
        let [answered, waited, frame] = receiver_made(&stage, &format!("cam-{round}"), &made)?;
        until_spares_are_ready(&stage)?;
        let sent = sender_made(&stage, &format!("{round}"), &sent, &roads)?;
        all.push(Made { answered, waited, frame, sent });
    }
    let harm = harm(&roads, &before, &stage.gateway.statistics()?)?;
    stage.gateway.stop()?;
    Ok((all, harm))
}

/// What the stream that was there all the time lost, and whether a port was stopped.
fn harm(roads: &Roads, before: &Statistics, after: &Statistics) -> Result<Option<String>> {
    if roads.cam.is_none() {
        return Ok(None);
    }
    let lost = after.of("receiver", "cam", "packets_lost")? - before.of("receiver", "cam", "packets_lost")?;
    let restarts = after.sum("port", "restarts");
    Ok((lost + restarts > 0)
        .then(|| format!(", AND {lost} packets of another receiver lost, ports restarted {restarts} ×")))
}

/// The stock makes another one for each that was taken.
fn until_spares_are_ready(stage: &Stage) -> Result<()> {
    let ready = |now: &Statistics| now.sum("broker", "spares_ready") >= 2;
    let now = stage.gateway.settle(LIMIT, ready)?;
    ensure!(ready(&now), "the broker has no spares after {LIMIT:?}: {:?}", now.sum("broker", "spares_ready"));
    Ok(())
}

/// Milliseconds until the answer, from there until the first frame began that was whole, and until its end.
fn receiver_made(stage: &Stage, name: &str, sdp: &Path) -> Result<[f64; 3]> {
    let (watch, began) = (Watch::of(stage, name)?, Instant::now());
    let watching = std::thread::spawn(move || watch.until_whole());
    stage.flypack(&format!("receivers add {name} --sdp {}", sdp.display()))?;
    let answered = Instant::now();
    let [opened, ended] = watching.join().map_err(|_| anyhow!("the thread that watches panicked"))??;
    stage.flypack(&format!("receivers del {name}"))?;
    Ok([millis(began, answered), millis(answered, opened), millis(opened, ended)])
}

/// Milliseconds until its first packet has opened a grain of a receiver that was there before.
fn sender_made(stage: &Stage, number: &str, sdp: &Path, roads: &Roads) -> Result<f64> {
    let (name, screen) = (format!("out-{number}"), format!("screen-{number}"));
    stage.flypack(&format!("receivers add {screen} --sdp {}", sdp.display()))?;
    let (watch, began) = (Watch::of(stage, &screen)?, Instant::now());
    let watching = std::thread::spawn(move || watch.until_opened());
    let by = if roads.port.is_empty() { String::new() } else { format!("--interface {}", roads.port) };
    stage.flypack(&format!("senders add {name} --to {} {by}", roads.sent))?;
    stage.flypack(&format!("take {name} src"))?;
    let arrived = watching.join().map_err(|_| anyhow!("the thread that watches panicked"))??;
    stage.flypack(&format!("senders del {name}"))?;
    stage.flypack(&format!("receivers del {screen}"))?;
    Ok(millis(began, arrived))
}

/// From one to the other, ms; negative where the other was before.
fn millis(from: Instant, to: Instant) -> f64 {
    let ms = |one: Instant, other: Instant| other.saturating_duration_since(one).as_secs_f64() * 1e3;
    ms(from, to) - ms(to, from)
}
