//! What an idle gateway costs, and how soon it is there when a packet comes. Measurements, that print and judge nothing:
//! `cargo test -p flypack-gateway --test daemon idle -- --ignored --nocapture`.

use std::net::UdpSocket;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use media::{PayloadType, RtpTimestamp, Ssrc};
use shm::{ConsumerClass, FrameReader, Session};
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, UdpLimit, VideoSdp};

use crate::flypackd::{Flypackd, Folder};

const ROUNDS: u32 = 200;
/// Of 90 kHz, at 50 frames a second.
const FRAME_TICKS: u32 = 1_800;

/// Frames of zeros, packet by packet.
struct Camera {
    socket: UdpSocket,
    plan: Arc<PackingPlan>,
    packetiser: Packetiser,
    frame: u32,
}

impl Camera {
    fn new(folder: &Folder) -> Self {
        let format = VideoSdp::parse(&folder.sdp(), None).unwrap().format;
        let plan = Arc::new(PackingPlan::new(format, PackingMode::Gpm, UdpLimit::Standard).unwrap());
        let socket = UdpSocket::bind((folder.address, 0)).unwrap();
        socket.connect((folder.address, folder.port)).unwrap();
        let packetiser = Packetiser::new(Arc::clone(&plan), PayloadType(96), Ssrc(7), 1);
        Self { socket, plan, packetiser, frame: 0 }
    }

    /// Sends a frame; `begun` runs when its first packet is out.
    fn send(&mut self, mut begun: impl FnMut()) {
        self.frame += 1;
        for (number, packet) in self.plan.packets().iter().enumerate() {
            let mut header = [0; MAX_HEADER_OCTETS];
            let timestamp = RtpTimestamp(self.frame * FRAME_TICKS);
            let octets = self.packetiser.header(number, timestamp, &mut header);
            let mut datagram = header[..octets].to_vec();
            datagram.resize(octets + packet.range().len(), 0);
            self.socket.send(&datagram).unwrap();
            if number == 0 {
                begun();
            }
        }
    }
}

/// Until the next grain is open, spinning.
fn until_open(reader: &mut FrameReader) -> Instant {
    loop {
        if let Some(index) = reader.next_available() {
            reader.skip_to(index.next());
            return Instant::now();
        }
        std::hint::spin_loop();
    }
}

/// Nanoseconds that the gateway's threads have run.
fn ran(daemon: &Flypackd) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().flatten();
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
    tasks.filter_map(of).filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok()).sum()
}

fn measure(idle: &str) {
    let folder = Folder::new();
    let mut daemon =
        folder.start(&format!("[workers]\nidle = \"{idle}\"\n[[receiver]]\nname = \"cam\"\nsdp = \"cam.sdp\"\n"));
    sleep(Duration::from_secs(1));
    let (begun, before) = (Instant::now(), ran(&daemon));
    sleep(Duration::from_secs(5));
    let percent = (ran(&daemon) - before) as f64 / begun.elapsed().as_nanos() as f64 * 100.0;

    let session = Session::connect(&folder.path("broker.sock")).unwrap();
    let mut consumer = session.subscribe(&"cam".parse().unwrap(), ConsumerClass::Lossy).unwrap();
    let mut camera = Camera::new(&folder);
    let mut micros = Vec::new();
    for round in 0..ROUNDS {
        // Long enough to be asleep, and at no common phase.
        sleep(Duration::from_micros(20_000 + u64::from(round) * 137));
        let sent = Instant::now();
        let reader = consumer.reader();
        camera.send(|| micros.push(until_open(reader).duration_since(sent).as_secs_f64() * 1e6));
    }
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[(share * micros.len() as f64) as usize];
    println!(
        "idle = {idle}: {percent:.2} % of a core with one receiver; first packet to open grain p50 {:.0} µs, p90 {:.0} µs, p99 \
         {:.0} µs, longest {:.0} µs of {ROUNDS}",
        at(0.5),
        at(0.9),
        at(0.99),
        micros[micros.len() - 1]
    );
    assert!(daemon.terminate().success());
}

#[test]
#[ignore = "a measurement"]
fn what_idling_costs() {
    for idle in ["event", "sleep", "event", "sleep"] {
        measure(idle);
    }
}
