//! Sixty-four cameras, each a flow in by one port of a gateway and out again to a group of its own.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use media::{Depth, Rate, Sampling, VideoFormat};

use crate::gateway::{Gateway, Statistics};
use crate::gateway_bench::{self, GatewayBench, LIMIT, PORT, STUDIO};
use crate::peer;
use crate::rfc4175::{self, Extras, Stream, straddling};

/// How many there are.
pub const FLOWS: u16 = 64;
/// Between two frames.
pub const PERIOD: Duration = Duration::from_millis(40);
/// Of the RTP clock, in a period.
pub const TICKS: u32 = 3_600;
/// The first flow's UDP port.
const FIRST: u16 = 6_000;
/// In one packet.
const PGROUPS: u16 = 200;
/// The cameras are one thread of a test, which may be kept from its core in the middle of a frame.
const UNHURRIED: &str = "grain_timeout_ms = 1000";
/// What a receiver counts when it loses something, wherever that was.
const LOSSES: [&str; 5] = ["packets_lost", "grains_incomplete", "lines_lost", "grains_no_slot", "late"];
/// What a sender does.
const OMISSIONS: [&str; 4] = ["grains_late", "grains_missed", "packets_taken_back", "packets_refused"];

/// A picture at 25 frames a second.
///
/// # Panics
/// Never: it is one.
#[must_use]
pub fn format_of(width: u32, height: u32) -> VideoFormat {
    let rate = Rate::new(25, 1).expect("25 is a rate");
    VideoFormat::new(width, height, Sampling::YCbCr422, Depth::Bits10, rate).expect("a picture")
}

/// The pictures of the crowd: some packets a frame.
#[must_use]
pub fn format() -> VideoFormat {
    format_of(64, 32)
}

/// The datagrams of one frame of `stream`, whatever its format.
#[must_use]
pub fn frame(stream: &mut Stream, timestamp: u32) -> Vec<Vec<u8>> {
    let packets = straddling(&stream.format, PGROUPS);
    let picture = rfc4175::noise(&stream.format, 1, u64::from(stream.ssrc)).remove(0);
    stream.datagrams(&picture, timestamp, &packets)
}

/// The cameras and the gateway.
pub struct Crowd {
    /// Studio and rack.
    pub bench: GatewayBench,
    /// The gateway.
    pub gateway: Gateway,
    socket: UdpSocket,
    streams: Vec<Stream>,
    frames: u32,
}

/// How a crowd is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting<'a> {
    /// What the port carries at most; `None` for what the bench's ports do.
    pub port_packets_per_second: Option<u32>,
    /// Further keys of every receiver; none for a second's patience with the cameras.
    pub receiver_keys: &'a str,
    /// Further keys of every sender.
    pub sender_keys: &'a str,
    /// Further objects.
    pub more: &'a str,
}

impl Crowd {
    /// Starts the gateway; nothing is sent yet.
    ///
    /// # Errors
    /// Without root; what the gateway says.
    pub fn set_up(setting: Setting<'_>) -> Result<Self> {
        Self::set_up_with(setting, |_| Ok(()))
    }

    /// As [`Self::set_up`]; `prepare` wires whatever else the gateway's ports need.
    ///
    /// # Errors
    /// As [`Self::set_up`]; those of `prepare`.
    pub fn set_up_with(setting: Setting<'_>, prepare: impl FnOnce(&GatewayBench) -> Result<()>) -> Result<Self> {
        let bench = GatewayBench::set_up()?;
        prepare(&bench)?;
        let mut objects = gateway_bench::port("net_af_packet:near", "");
        if let Some(packets) = setting.port_packets_per_second {
            objects = objects.replace("packets_per_second = 20000\nhold_ms = 20", "");
            objects += &format!("packets_per_second = {packets}\nhold_ms = 1\n");
        }
        let keys = if setting.receiver_keys.is_empty() { UNHURRIED } else { setting.receiver_keys };
        for number in 0..FLOWS {
            let sdp = peer::sdp(&format(), format!("{PORT}:{}", FIRST + number).parse()?).replace('\r', "");
            objects +=
                &format!("[[receiver]]\nname = \"cam-{number}\"\nslots = 12\n{keys}\nsdp_text = \"\"\"\n{sdp}\"\"\"\n");
            let out = gateway_bench::sender_of(&cam(number), &out(number), &format!("239.77.1.{number}:5004"));
            let keys = format!("interface = \"media\"\n{}[[crosspoint]]", setting.sender_keys);
            objects += &out.replace("[[crosspoint]]", &keys);
        }
        let gateway = bench.start(&(objects + setting.more))?;
        crate::eventually("the port answers pings", || bench.answers_pings().is_ok_and(|answers| answers));
        let socket = rfc4175::socket_in(&bench.studio, format!("{STUDIO}:0").parse()?).context("no socket")?;
        let stream =
            |number| Stream { format: format(), ssrc: 100 + u32::from(number), sequence: 0, extras: Extras::default() };
        Ok(Self { bench, gateway, socket, streams: (0..FLOWS).map(stream).collect(), frames: 0 })
    }

    /// Plays frames of all flows.
    pub fn play(&mut self, frames: u32) {
        self.play_with(frames, |_, stream, timestamp| frame(stream, timestamp));
    }

    /// Plays frames of all flows; `camera` makes a flow's datagrams out of its number, its stream and the timestamp.
    pub fn play_with(&mut self, frames: u32, mut camera: impl FnMut(u16, &mut Stream, u32) -> Vec<Vec<u8>>) {
        for _ in 0..frames {
            let began = Instant::now();
            let timestamp = self.frames * TICKS;
            for (number, stream) in (0..FLOWS).zip(&mut self.streams) {
                for datagram in camera(number, stream, timestamp) {
                    // The kernel's word on an earlier packet: cameras do not listen.
                    let _ = self.socket.send_to(&datagram, (PORT, FIRST + number));
                }
            }
            self.frames += 1;
            std::thread::sleep(PERIOD.saturating_sub(began.elapsed()));
        }
    }

    /// Sends datagrams to a UDP port of the gateway's that no receiver has.
    pub fn stray(&self, datagrams: u32) {
        (0..datagrams).for_each(|_| _ = self.socket.send_to(&[0x55; 500], (PORT, FIRST - 1)));
    }

    /// Waits until every frame of the others came in whole and went out, and looks whether they lost anything.
    ///
    /// # Errors
    /// Which flow did, and all that it counted.
    pub fn others_are_whole(&self, broken: &BTreeSet<u16>) -> Result<Statistics> {
        let frames = u64::from(self.frames);
        let others = || (0..FLOWS).filter(|number| !broken.contains(number));
        let is_through = |now: &Statistics, number: u16| {
            now.of("receiver", &cam(number), "grains_complete").ok() == Some(frames)
                && now.of("sender", &out(number), "grains_sent").ok() == Some(frames)
        };
        let statistics = self.gateway.settle(LIMIT, |now| others().all(|number| is_through(now, number)))?;
        for number in others() {
            let (receiver, sender) = (cam(number), out(number));
            let told =
                || format!("{:?} {:?}", statistics.all("receiver", &receiver), statistics.all("sender", &sender));
            ensure!(is_through(&statistics, number), "flow {number} is not through after {frames} frames: {}", told());
            for counter in LOSSES {
                ensure!(statistics.of("receiver", &receiver, counter)? == 0, "{counter} of {receiver}: {}", told());
            }
            for counter in OMISSIONS {
                ensure!(statistics.of("sender", &sender, counter)? == 0, "{counter} of {sender}: {}", told());
            }
        }
        Ok(statistics)
    }

    /// A counter of a flow's receiver.
    ///
    /// # Errors
    /// When there is none.
    pub fn count(&self, number: u16, counter: &str) -> Result<u64> {
        self.gateway.statistics()?.of("receiver", &cam(number), counter)
    }
}

/// A flow and its receiver.
#[must_use]
pub fn cam(number: u16) -> String {
    format!("cam-{number}")
}

/// A flow's sender.
#[must_use]
pub fn out(number: u16) -> String {
    format!("out-{number}")
}
