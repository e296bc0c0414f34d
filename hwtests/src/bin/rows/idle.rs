//! Row: what an idle gateway costs, and how soon it is there when a packet comes.
//!
//! The worker has a core, and who measures spins on another one: on the worker's own it would be asked to leave it first,
//! which takes the kernel a slice of some milliseconds. Sleeps and naps are the kernel's timers, with their slack.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use hwtests::Gateway;
use hwtests::gateway::Spot;
use media::{Name, PayloadType, RtpTimestamp, Ssrc};
use serde_json::{Value, json};
use shm::{ConsumerClass, FrameReader, Session};
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, UdpLimit};
use worker::Core;
use worker::run::{pin, usable_cores};

use crate::place::Place;
use crate::row::{Found, Row};
use crate::stage::{Show, free_address, receiver};

const SHOW: Show = Show { width: 320, rows: 180, frames_per_second: 50 };
/// Of 90 kHz.
const FRAME_TICKS: u32 = 1_800;
const LIMIT: Duration = Duration::from_secs(5);

/// How it idles, per cent of a core, µs until a packet is in its place for 99 of 100.
const PROMISED: [(&str, f64, f64); 2] = [("event", 1.0, 1_000.0), ("sleep", 5.0, 2_000.0)];

pub(crate) fn row() -> Row {
    let what = "an idle gateway with one receiver by kernel UDP, and its first packet";
    let target = "event ≤ 1 % of a core, p99 < 1 ms; sleep ≤ 5 %, p99 < 2 ms";
    Row { name: "idle", what, target, measure: idle }
}

fn idle(place: &Place) -> Result<Found> {
    let (mut words, mut details, mut is_met) = (Vec::new(), Vec::<Value>::new(), true);
    for (how, percent_most, p99_most) in PROMISED.into_iter().cycle().take(2 * PROMISED.len()) {
        let (percent, micros) = measure(place, how)?;
        let at = |share: f64| micros[((share * micros.len() as f64) as usize).min(micros.len() - 1)];
        is_met &= percent <= percent_most && at(0.99) < p99_most;
        words.push(format!(
            "{how} {percent:.2} %, p50 {:.0} µs, p99 {:.0} µs, longest {:.0} µs",
            at(0.5),
            at(0.99),
            at(1.0)
        ));
        details.push(json!({"idle": how, "percent": percent, "micros": micros}));
    }
    Ok(Found::met(is_met, words.join("; "), details.into()))
}

fn measure(place: &Place, how: &str) -> Result<(f64, Vec<f64>)> {
    let address = free_address()?;
    let [its_core, our_core] = two_cores()?;
    let objects = format!("[workers]\ncores = [{its_core}]\nidle = \"{how}\"\n{}", receiver(SHOW, address));
    let log = place.out.join("flypackd.log");
    let gateway = Gateway::start_at(Spot::Here, place.scratch.path(), "", &objects, &log)?;
    sleep(Duration::from_secs(1));
    let (began, before) = (Instant::now(), ran_ns(&gateway));
    sleep(Duration::from_secs(place.seconds(5).into()));
    let percent = (ran_ns(&gateway) - before) as f64 / began.elapsed().as_nanos() as f64 * 100.0;

    let session = Session::connect(&gateway.broker)?;
    let mut consumer = session.subscribe(&"cam".parse::<Name>()?, ConsumerClass::Lossy)?;
    // A thread of its own: what is started later is not to be on this core alone.
    let rounds = 20 * place.rounds(10);
    let measuring = std::thread::spawn(move || {
        pin(Core(our_core)).map_err(|usable| anyhow!("core {our_core} cannot be had; usable: {usable:?}"))?;
        first_packets(consumer.reader(), &mut Camera::new(address)?, rounds)
    });
    let micros = measuring.join().map_err(|_| anyhow!("the thread that measures panicked"))??;
    gateway.stop()?;
    Ok((percent, micros))
}

fn two_cores() -> Result<[usize; 2]> {
    match *usable_cores() {
        [one, other, ..] => Ok([one, other]),
        ref cores => bail!("the worker and who measures need a core each; there are {cores:?}"),
    }
}

/// Microseconds from the sending of a frame's first packet to its grain, each time after a rest; in order.
fn first_packets(reader: &mut FrameReader, camera: &mut Camera, rounds: u32) -> Result<Vec<f64>> {
    let mut micros = Vec::new();
    for round in 0..rounds {
        // Long enough to be asleep, and at no common phase.
        sleep(Duration::from_micros(20_000 + u64::from(round) * 137));
        let sent = Instant::now();
        let mut opened = None;
        camera.send(|| opened = until_open(reader))?;
        let opened = opened.context("no grain was opened")?;
        micros.push(opened.duration_since(sent).as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    ensure!(!micros.is_empty(), "nothing was measured");
    Ok(micros)
}

/// Until the next grain is open, spinning.
fn until_open(reader: &mut FrameReader) -> Option<Instant> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(index) = reader.next_available() {
            reader.skip_to(index.next());
            return Some(Instant::now());
        }
        std::hint::spin_loop();
    }
    None
}

/// Nanoseconds that the gateway's threads have run.
fn ran_ns(gateway: &Gateway) -> u64 {
    let folder = format!("/proc/{}/task", gateway.process().id());
    let tasks = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let ran = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
    tasks.filter_map(ran).filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}

/// Frames of zeros, packet by packet.
struct Camera {
    socket: UdpSocket,
    plan: Arc<PackingPlan>,
    packetiser: Packetiser,
    frame: u32,
}

impl Camera {
    fn new(address: SocketAddr) -> Result<Self> {
        let plan = Arc::new(PackingPlan::new(SHOW.format()?, PackingMode::Gpm, UdpLimit::Standard)?);
        let socket = UdpSocket::bind((address.ip(), 0))?;
        socket.connect(address)?;
        let packetiser = Packetiser::new(Arc::clone(&plan), PayloadType(96), Ssrc(7), 1);
        Ok(Self { socket, plan, packetiser, frame: 0 })
    }

    /// Sends a frame; `begun` runs when its first packet is out.
    fn send(&mut self, mut begun: impl FnMut()) -> Result<()> {
        self.frame += 1;
        for (number, packet) in self.plan.packets().iter().enumerate() {
            let mut header = [0; MAX_HEADER_OCTETS];
            let timestamp = RtpTimestamp(self.frame * FRAME_TICKS);
            let octets = self.packetiser.header(number, timestamp, &mut header);
            let mut datagram = header[..octets].to_vec();
            datagram.resize(octets + packet.range().len(), 0);
            self.socket.send(&datagram)?;
            if number == 0 {
                begun();
            }
        }
        Ok(())
    }
}
